package scan

import (
	"slices"
	"strings"
	"testing"
)

// plainMarks is what marks mean.
func plainMarks(text string) []blockMarks {
	marks := make([]blockMarks, len(text)/blockBytes)
	for i := range len(marks) * blockBytes {
		m, bit := &marks[i/blockBytes], uint64(1)<<(i%blockBytes)
		c := text[i]
		if digitBytes.has(c) {
			m[digitMarks] |= bit
		}
		if isWord(c) {
			m[wordMarks] |= bit
		}
		if runBytes.has(c) {
			m[tokenMarks] |= bit
		}
	}
	return marks
}

// narrowerMarks marks without the widest registers.
func narrowerMarks(marks []blockMarks, text string) {
	defer best.take()
	has512 = false
	markBlocks(marks, text)
}

// FuzzBlockMarks compares the ways to mark a text, from any place on.
func FuzzBlockMarks(f *testing.F) {
	f.Add(strings.Repeat("0x2a_B-7 (+49) z/Z@`[{^\x7f\x80\xff\n", 9), uint8(3))
	f.Add(strings.Repeat("A", 64), uint8(0))
	f.Fuzz(func(t *testing.T, text string, from uint8) {
		text = text[min(int(from), len(text)):]
		want := plainMarks(text)
		for name, mark := range map[string]func([]blockMarks, string){"portable": portableMarks, "wide": markBlocks, "narrower": narrowerMarks} {
			got := slices.Repeat([]blockMarks{{1, 2, 3}}, len(want)+1)
			if mark(got[:len(want)], text); !slices.Equal(got[:len(want)], want) || got[len(want)] != (blockMarks{1, 2, 3}) {
				t.Errorf("%s marks of %q: %x, want %x", name, text, got, want)
			}
		}
	})
}

// TestBlockMarks_KnowEachByteAtEachPlace of a block, whatever stands beside it.
func TestBlockMarks_KnowEachByteAtEachPlace(t *testing.T) {
	for _, around := range []string{"\x00", "5", "z", "_", "/", "\xff"} {
		for c := range 256 {
			for at := range blockBytes {
				text := []byte(strings.Repeat(around, 2*blockBytes))
				text[at] = byte(c)
				text[2*blockBytes-1-at] = byte(c)
				want := plainMarks(string(text))
				got := make([]blockMarks, 2)
				if markBlocks(got, string(text)); !slices.Equal(got, want) {
					t.Fatalf("%#x at %d among %q: %x, want %x", c, at, around, got, want)
				}
				if narrowerMarks(got, string(text)); !slices.Equal(got, want) {
					t.Fatalf("%#x at %d among %q, narrower: %x, want %x", c, at, around, got, want)
				}
				if portableMarks(got, string(text)); !slices.Equal(got, want) {
					t.Fatalf("%#x at %d among %q, portable: %x, want %x", c, at, around, got, want)
				}
			}
		}
	}
}

// TestMarkWork_MarksBatchesAndTheirNeighbours, and nothing that is not of the text.
func TestMarkWork_MarksBatchesAndTheirNeighbours(t *testing.T) {
	g := newGenerator(21)
	for _, n := range []int{0, 1, 63, 64, 65, markBatch - 1, markBatch, markBatch + 1, markBatch + 63, markBatch + 64, 2*markBatch + 65, 3 * markBatch} {
		var b strings.Builder
		for b.Len() < n {
			b.WriteByte("a5-_ .Z9+"[g.IntN(9)])
		}
		text := b.String()
		want := plainMarks(text + strings.Repeat("\x00", 2*markBatch))
		var w markWork
		for i := range w.blocks {
			w.blocks[i] = blockMarks{1, 2, 3}
		}
		for from := 0; from < n; from += markBatch {
			w.mark(text, from)
			before := blockMarks{}
			if from > 0 {
				before = want[from/blockBytes-1]
			}
			at, used := from/blockBytes, (min(n-from, markBatch)+blockBytes-1)/blockBytes
			if w.used != used || w.blocks[0] != before || !slices.Equal(w.blocks[1:used+2], want[at:at+used+1]) {
				t.Fatalf("%d bytes, from %d: %x", n, from, w.blocks)
			}
		}
	}
}

// TestMarkWork_StartsAsBlockByBlock with marks of any density.
func TestMarkWork_StartsAsBlockByBlock(t *testing.T) {
	byAssembly(t, startAsBlockByBlock)
}

func startAsBlockByBlock(t *testing.T) {
	t.Helper()
	g := newGenerator(34)
	var w, plain markWork
	for round := range 3000 {
		for i := range w.blocks {
			some := g.Uint64()
			w.blocks[i] = blockMarks{some & (some << (round % 5)), 0, some | ^uint64(0)<<g.IntN(64)>>g.IntN(64)}
			switch round % 7 {
			case 0:
				w.blocks[i] = blockMarks{0x5555555555555555 << (round & 1), 0, ^uint64(0)}
			case 1: // several runs in a block
				w.blocks[i] = blockMarks{some & (some << 1) & (some << 2), 0, ^(0x0001_0000_8000_4000 << g.IntN(17))}
			}
		}
		w.used = round % (markBatch/blockBytes + 1)
		from := round / 2 * markBatch
		plain.blocks, plain.used = w.blocks, w.used
		numbers, runs := w.starts(from)
		if want := plain.numbers[:plain.startNumbers(from)]; !slices.Equal(w.numbers[:numbers], want) {
			t.Fatalf("%x: numbers at %v, want %v", w.blocks[:w.used+1], w.numbers[:numbers], want)
		}
		if want := plain.runs[:plain.startRuns(from)]; !slices.Equal(w.runs[:runs], want) {
			t.Fatalf("%x: runs at %v, want %v", w.blocks[:w.used+1], w.runs[:runs], want)
		}
	}
}

// TestMarkWork_KnowsLongRuns wherever they begin and end: in a block, across blocks, across batches.
func TestMarkWork_KnowsLongRuns(t *testing.T) {
	inAllWays(t, knowsLongRuns)
}

func knowsLongRuns(t *testing.T) {
	t.Helper()
	var w markWork
	for _, edge := range []int{0, blockBytes, markBatch - blockBytes, markBatch, markBatch + blockBytes} {
		for begin := max(edge-longRunBytes-2, 0); begin < edge+3; begin++ {
			for _, length := range []int{longRunBytes - 1, longRunBytes, longRunBytes + 1, blockBytes - 1, blockBytes, 3 * blockBytes, markBatch + 2*blockBytes, 2*markBatch + 1} {
				text := strings.Repeat(".", begin) + strings.Repeat("a", length) + strings.Repeat(".", (begin+length)%70)
				var starts, want []int32
				if length >= longRunBytes {
					want = []int32{int32(begin)}
				}
				for from := 0; from < len(text); from += markBatch {
					w.mark(text, from)
					_, n := w.starts(from)
					for _, start := range w.runs[:n] {
						starts = append(starts, start)
						if end := w.end(text, from, int(start), wordMarks, &wordBytes); end != begin+length {
							t.Fatalf("%d bytes from %d on end at %d", length, begin, end)
						}
					}
				}
				if !slices.Equal(starts, want) {
					t.Fatalf("%d bytes from %d on: runs begin at %v", length, begin, starts)
				}
			}
		}
	}
}
