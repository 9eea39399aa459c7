package scan

import (
	"slices"
	"testing"
	"unsafe"
)

// TestBlockMarks_TouchNothingElse than the text and the marks.
func TestBlockMarks_TouchNothingElse(t *testing.T) {
	const most = 5 * blockBytes
	for _, behind := range []bool{true, false} {
		memory := fenced[byte](t, most, behind)
		for i := range memory {
			memory[i] = "a5-_ .Z9+"[i%9]
		}
		for n := range most {
			part := memory[:n]
			if behind {
				part = memory[most-n:]
			}
			text := unsafe.String(unsafe.SliceData(part), n)
			want := plainMarks(text)
			var w markWork
			if w.mark(text, 0); !slices.Equal(w.blocks[1:1+len(want)], want) {
				t.Fatalf("%d bytes: %x, want %x", n, w.blocks[1:], want)
			}
			if n%blockBytes == 0 && n > 0 {
				marks := fenced[blockMarks](t, len(want), behind)
				if narrowerMarks(marks, text); !slices.Equal(marks, want) {
					t.Fatalf("%d bytes, narrower: %x, want %x", n, marks, want)
				}
				clear(marks)
				if markBlocks(marks, text); !slices.Equal(marks, want) {
					t.Fatalf("%d bytes: %x, want %x", n, marks, want)
				}
			}
		}
	}
}

// TestStarts_TouchNothingElse than the marks and the places, however many there are.
func TestStarts_TouchNothingElse(t *testing.T) {
	byAssembly(t, startInTheMarksAlone)
}

func startInTheMarksAlone(t *testing.T) {
	t.Helper()
	const most = markBatch/blockBytes + 1
	for _, behind := range []bool{true, false} {
		marks := fenced[blockMarks](t, most, behind)
		numbers, runs := &fenced[[markBatch]int32](t, 1, behind)[0], &fenced[[markBatch]int32](t, 1, behind)[0]
		for i := range marks { // as many of either as there can be
			marks[i] = blockMarks{0x5555555555555555, 0, ^(1 << (i * blockBytes % 17))}
		}
		for n := 1; n <= most; n++ {
			part := marks[:n]
			if behind {
				part = marks[most-n:]
			}
			if got, _ := startBits(part, 0, numbers, runs); got != (n-1)*blockBytes/2 {
				t.Fatalf("%d blocks have %d numbers", n, got)
			}
		}
	}
}
