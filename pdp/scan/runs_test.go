package scan

import (
	"strings"
	"testing"
)

// TestRunSeeker_FindsEachRun wherever it begins and ends, in a batch or across batches.
func TestRunSeeker_FindsEachRun(t *testing.T) {
	g := newGenerator(43)
	for range 3000 {
		var b strings.Builder
		for n := g.IntN(3 * markBatch); b.Len() < n; {
			length := g.IntN(2 * minBase64)
			if g.IntN(20) == 0 {
				length = g.IntN(markBatch + markBatch/2)
			}
			b.WriteString(strings.Repeat(g.pick("a", "Z", "9", "+", "/", "-", "_"), length))
			b.WriteString(strings.Repeat(g.pick(" ", "=", "\n", ".", "é"), 1+g.IntN(3)*g.IntN(40)))
		}
		text := b.String()
		if g.IntN(2) == 0 { // one ends where the text does
			text = strings.TrimRight(text, " =\n.é")
		}
		k := runSeeker{marks: new(markWork)}
		k.seek(text)
		next := 0
		for at := 0; at < len(text); at++ {
			end := runEnd(text, at)
			if end-at < minBase64 {
				at = end
				continue
			}
			from, to := k.next(next)
			if from != at || to != end {
				t.Fatalf("from %d on the next run of %q is that from %d to %d, not from %d to %d", next, text, at, end, from, to)
			}
			at, next = end, end
		}
		if from, to := k.next(next); from != len(text) || to != len(text) {
			t.Fatalf("a run of %q from %d to %d", text, from, to)
		}
	}
}

// TestRuns_HexIsFoundWithinWords of which it is a part, whatever is around it.
func TestRuns_HexIsFoundWithinWords(t *testing.T) {
	g := newGenerator(44)
	for range 20_000 {
		var b strings.Builder
		for range 1 + g.IntN(6) {
			length := g.IntN(2*minHex + 5)
			b.WriteString(strings.Repeat(g.pick("a", "F", "0"), length))
			b.WriteString(g.pick("", "x", "g", "_", "xyz"))
		}
		text := b.String()
		next := 0
		for at := 0; at < len(text); at++ {
			end := at
			for end < len(text) && unhex(text[end]) >= 0 {
				end++
			}
			if end-at >= minHex {
				if from, to := hexIn(text, next); from != at || to != end {
					t.Fatalf("from %d on the next hex of %q is that from %d to %d, not from %d to %d", next, text, at, end, from, to)
				}
				next = end
			}
			at = end
		}
		if from, _ := hexIn(text, next); from != len(text) {
			t.Fatalf("hex in %q from %d on", text, from)
		}
	}
}
