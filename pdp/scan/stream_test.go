package scan

import (
	"cmp"
	"context"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// streamed finds in pieces of the given size.
func streamed(s *Scanner, text string, size int) (found []Match, complete bool) {
	t := s.Stream()
	for len(text) > 0 {
		n := min(size, len(text))
		found = append(found, t.Write(context.Background(), text[:n])...)
		text = text[n:]
	}
	rest, complete := t.Close(context.Background())
	found = append(found, rest...)
	slices.SortFunc(found, func(a, b Match) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Start, b.Start)) })
	return found, complete
}

// TestStream_FindsWhatOnePassFinds plants matches across the places where a stream is cut.
func TestStream_FindsWhatOnePassFinds(t *testing.T) {
	var scratch Scratch
	matched, complete := 0, 0
	for seed := uint64(1); seed <= uint64(proof(25, 2000)); seed++ {
		g := newGenerator(seed)
		var rows []Pattern
		for len(rows) < 8 {
			if expr := g.regex(); g.sound(expr) {
				p := Pattern{Regex: expr}
				if g.IntN(3) == 0 {
					p.Keywords = g.words()
				} else if g.IntN(3) == 0 {
					p.Context = &Context{Words: g.words(), Within: 1 + g.IntN(20)}
				}
				rows = append(rows, p)
			}
		}
		s := scannerOf(t, rows)
		if len(s.rules) == 0 {
			continue
		}
		var trees []*syntax.Regexp
		for _, c := range s.rules {
			tree, _ := syntax.Parse(c.re.String(), syntax.Perl)
			trees = append(trees, tree)
		}
		var b strings.Builder
		for b.Len() < 3*streamChunk {
			edge := streamChunk - b.Len()%streamChunk
			if edge < 400 { // dense where the cut is
				b.WriteString(g.text(trees))
			} else {
				b.WriteString(strings.Repeat(g.pick("lorem ipsum ", "x = 1\n", "中文 "), min(edge-300, 40_000)/12+1))
			}
		}
		text := b.String()
		want, whole := s.Find(t.Context(), text, &scratch)
		for _, size := range []int{len(text), 100_003, 7} {
			if size == 7 && seed > 2 {
				continue
			}
			got, ok := streamed(s, text, size)
			if !ok || !whole {
				continue
			}
			complete++
			matched += len(got)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, pieces of %d: %d matches, one pass has %d", seed, size, len(got), len(want))
			}
		}
	}
	t.Logf("%d matches in %d complete streams", matched, complete)
	if complete < 20 {
		t.Error("most streams were incomplete")
	}
}

func TestStream_WhatIsTooLongForItIsNotClean(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `BEGIN KEY[a-z]+END`}})
	text := "BEGIN KEY" + strings.Repeat("a", streamWindow+2*streamChunk) + "END"
	if found, complete := streamed(s, text, 1<<20); complete || len(found) != 0 {
		t.Errorf("%d found, complete %t", len(found), complete)
	}
	if found, complete := streamed(s, text[:2<<20]+"END", 1<<20); !complete || len(found) != 1 {
		t.Errorf("a match of two megabytes: %d found, complete %t", len(found), complete)
	}
}

func TestStream_AKeywordMayComeLater(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `\b\d{3}-\d{4}\b`, Keywords: []string{"phone"}}})
	far := strings.Repeat(" lorem ipsum\n", streamChunk/4)
	for text, want := range map[string]int{
		"555-1234" + far + "PHONE": 1, "Phone" + far + "555-1234": 1, "555-1234" + far: 0, "PHOKNE phone" + far + "555-1234 555-1235": 2,
	} {
		if found, complete := streamed(s, text, 1<<16); !complete || len(found) != want {
			t.Errorf("%.12q…: %d found, complete %t", text, len(found), complete)
		}
	}
}

// TestStream_TheContextMayComeLater: a long match ends just before the stream is cut, and its word stands behind.
func TestStream_TheContextMayComeLater(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `\bkey=x+;`, Context: &Context{Words: []string{"secret"}, Within: 20}}})
	head := strings.Repeat("lorem ipsum ", streamChunk/12)[:streamChunk-2*streamAfter]
	match := " key=" + strings.Repeat("x", 2*streamAfter-10) + "; "
	text := head + match + "s secret" + strings.Repeat(" lorem", 1000)
	if found, complete := streamed(s, text, 1000); !complete || len(found) != 1 {
		t.Errorf("%d found, complete %t", len(found), complete)
	}
}

// TestStream_FindsNumbersNearTheirWordsWhereverItIsCut: the gate looks at such numbers near their words only.
func TestStream_FindsNumbersNearTheirWordsWhereverItIsCut(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `\b\d{9}\b`, Context: &Context{Words: []string{"passport"}, Within: 200}}, {Regex: `\b\d{7}\b`, Keywords: []string{"security"}},
	})
	var f Scratch
	for early := range 24 {
		text := strings.Repeat("x ", streamChunk/2-10*early) + "passport " + strings.Repeat("y ", 60) + "123456789 1234567"
		text = text + strings.Repeat(" z", streamChunk) + " security"
		want, complete := s.Find(t.Context(), text, &f)
		if !complete || len(want) != 2 {
			t.Fatalf("%d found, complete %t", len(want), complete)
		}
		if got, whole := streamed(s, text, 5000); !whole || !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v, complete %t", early, got, want, whole)
		}
	}
}

// TestStream_NothingIsLostAmongBytesThatAreNoUTF8: where a stream is cut, no byte is skipped that a match may begin with.
func TestStream_NothingIsLostAmongBytesThatAreNoUTF8(t *testing.T) {
	var scratch Scratch
	for expr, text := range map[string]string{
		`[^a]key=x+;`:    "\x80key=" + strings.Repeat("x", 2*streamChunk) + ";",
		`^key|key=x+;`:   "\x80key=" + strings.Repeat("x", 2*streamChunk) + ";",
		`[^a]{3}secret`:  strings.Repeat("\x80", streamChunk) + "secret " + strings.Repeat("x", streamChunk),
		`[^a]{3}secret=`: strings.Repeat("\x80", streamChunk-streamAfter+10) + "secret=" + strings.Repeat("x", streamChunk),
	} {
		s := scannerOf(t, []Pattern{{Regex: `key=x+;`}, {Regex: expr}, {Regex: `^key`}})
		want, _ := s.Find(t.Context(), text, &scratch)
		if got, complete := streamed(s, text, 1<<14); !complete || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v, complete %t", expr, got, want, complete)
		}
	}
}
