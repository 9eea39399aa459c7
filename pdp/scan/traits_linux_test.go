package scan

import (
	"testing"
	"unsafe"
)

// TestTraits_TouchNothingElse than the text.
func TestTraits_TouchNothingElse(t *testing.T) {
	const most = 200
	for _, behind := range []bool{true, false} {
		memory := fenced[byte](t, most, behind)
		for i := range memory {
			memory[i] = 'a'
		}
		for n := 1; n <= most; n++ {
			part := memory[:n]
			if behind {
				part = memory[most-n:]
			}
			text := unsafe.String(unsafe.SliceData(part), n)
			for at := range part {
				part[at] = '7'
				if got := traitsOf(text); got != hasDigits {
					t.Fatalf("%d bytes with a digit at %d: %#x", n, at, got)
				}
				part[at] = 'a'
			}
		}
	}
}
