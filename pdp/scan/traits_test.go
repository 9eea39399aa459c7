package scan

import (
	"strings"
	"testing"
)

// TestTraits_OfEachByteAtEachPlace, whatever stands beside it.
func TestTraits_OfEachByteAtEachPlace(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 64, 70, 97} {
		for c := range 256 {
			for at := range n {
				text := []byte(strings.Repeat("a", n))
				text[at] = byte(c)
				if got := traitsOf(string(text)); got != traitsOfByte[c] {
					t.Fatalf("%#x at %d of %d: %#x, want %#x", c, at, n, got, traitsOfByte[c])
				}
			}
		}
	}
}

// TestTraits_AreThoseOfAllBytes.
func TestTraits_AreThoseOfAllBytes(t *testing.T) {
	g := newGenerator(42)
	for range 100_000 {
		text := []byte(strings.Repeat("x", g.IntN(120)))
		for range min(len(text), g.IntN(9)) {
			text[g.IntN(len(text))] = byte(g.IntN(256))
		}
		if got, want := traitsOf(string(text)), portableTraits(string(text)); got != want {
			t.Fatalf("%q: %#x, want %#x", text, got, want)
		}
	}
}

// TestTraits_SayWhatReadingsNeed: no reading is made of a text that has not the bytes for it.
func TestTraits_SayWhatReadingsNeed(t *testing.T) {
	for c := range 256 {
		has := traitsOfByte[c]
		if got, want := has.has(hasEscapes), strings.Contains(escapeMarks, string(rune(c))); got != want && c < 0x80 {
			t.Errorf("%#x begins an escape: %t, want %t", c, got, want)
		}
		if got, want := has.has(hasSlashes), c == '/' || c == '\\'; got != want {
			t.Errorf("%#x may be of a URL: %t, want %t", c, got, want)
		}
		if got, want := has.has(hasDigits), isDigit(byte(c)); got != want {
			t.Errorf("%#x is a digit: %t, want %t", c, got, want)
		}
		if got, want := has.has(hasLines), c == '\n'; got != want {
			t.Errorf("%#x ends a line: %t, want %t", c, got, want)
		}
		if got, want := has.has(hasWide), !isASCII(string([]byte{byte(c)})); got != want {
			t.Errorf("%#x is not ASCII: %t, want %t", c, got, want)
		}
	}
}
