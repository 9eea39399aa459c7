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
				if markBlocks(marks, text); !slices.Equal(marks, want) {
					t.Fatalf("%d bytes: %x, want %x", n, marks, want)
				}
			}
		}
	}
}
