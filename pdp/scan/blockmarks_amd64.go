package scan

import (
	"unicode/utf8"

	"golang.org/x/sys/cpu"
)

// wideMarks says whether avx2Marks, startBits and avx2Traits do their work, where there is nothing better. Tests set it to have all
// else tried by either.
var wideMarks = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT

func markBlocks(marks []blockMarks, text string) {
	text = text[:len(marks)*blockBytes] // the assembly does not look how long it is
	switch {
	case has512:
		vectorMarks(marks, text, &blockKinds)
	case wideMarks:
		avx2Marks(marks, text)
	default:
		portableMarks(marks, text)
	}
}

// avx2Marks reads len(marks) blocks of text, which must be there, and nothing else.
//
//go:noescape
func avx2Marks(marks []blockMarks, text string)

// vectorMarks does the same.
//
//go:noescape
func vectorMarks(marks []blockMarks, text string, kinds *[utf8.RuneSelf]uint8)

// startBits is markWork.starts, all blocks but the first being those of the batch. It writes up to three places behind the last ones.
//
//go:noescape
func startBits(blocks []blockMarks, from int, numbers, runs *[markBatch]int32) (n, m int)
