package scan

import "golang.org/x/sys/cpu"

// wideMarks says whether blocks are marked by avx2Marks. Tests set it to have all else tried by either.
var wideMarks = cpu.X86.HasAVX2

func markBlocks(marks []blockMarks, text string) {
	text = text[:len(marks)*blockBytes] // avx2Marks does not look how long it is
	if wideMarks {
		avx2Marks(marks, text)
	} else {
		portableMarks(marks, text)
	}
}

// avx2Marks reads len(marks) blocks of text, which must be there, and nothing else.
//
//go:noescape
func avx2Marks(marks []blockMarks, text string)
