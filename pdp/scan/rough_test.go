package scan

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// TestRough_RefusesNoMatch: gaps of each length, of characters of one byte and of several, at either end of a text and cut
// anywhere.
func TestRough_RefusesNoMatch(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `(?i)\bfetch\b[^\n]{0,40}?\|\s{0,4}(?:ba)?sh\b`},
		{Regex: `fetch[^\n]{3,40}sh`},
		{Regex: `(?:fetch[^;]{1,35};){1,2}\s(?:sh|bash)$`},
		{Regex: `(?s)fetch.{32}sh`},
		{Regex: `fetch[^;]{0,40};+ ?sh`},
		{Regex: `fetch[^;]{0,40};{2,} ?sh`},
	})
	for i, c := range s.rules {
		if c.rough == nil {
			t.Fatalf("rule %d has gaps", i)
		}
	}
	var f Scratch
	found := 0
	for length := range 84 {
		for _, gap := range []string{" ", "|", ";", "é", "\n", "sh ", "fetch "} {
			for _, head := range []string{"", "\n", "x", "fetch ; "} {
				for _, tail := range []string{"sh", "| bash", "|sh x", "; sh", "shé", "|  SH\n", "s"} {
					text := head + "fetch" + strings.Repeat(gap, length/len(gap)) + tail
					if d := s.difference(text, &f, nil); d != "" {
						t.Fatal(d)
					}
					whole := slices.Clone(f.found)
					found += len(whole)
					if length%9 != 0 {
						continue
					}
					for cut := 1; cut < len(text); cut += 7 {
						stream := s.Stream()
						pieces := stream.Write(t.Context(), text[:cut])
						pieces = append(slices.Clone(pieces), stream.Write(t.Context(), text[cut:])...)
						rest, _ := stream.Close(t.Context())
						pieces = append(pieces, rest...)
						slices.SortFunc(pieces, func(a, b Match) int { return int(a.Rule-b.Rule)<<20 + a.Start - b.Start })
						if !slices.Equal(pieces, whole) {
							t.Fatalf("%q cut at %d: %v, want %v", text, cut, pieces, whole)
						}
					}
				}
			}
		}
	}
	if found < 1000 {
		t.Errorf("%d matches: the texts are too tame", found)
	}
}

// TestRough_StaysInFewStates, however long a gap may be, and tells most places from matches.
func TestRough_StaysInFewStates(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `fetch\b[^\n]{0,300}\|\s?sh`}})
	c := s.rules[0]
	var f Scratch
	text := "we fetch " + strings.Repeat("what there is to have ", 20) + "\nand | sh"
	f.begin(s, text)
	if f.mayMatch(c, text, 3) {
		t.Error("a match goes on over a line's end")
	}
	if text = strings.ReplaceAll(text, "\n", ""); f.mayMatch(c, text, 3) {
		t.Error("a gap takes more than it may")
	}
	if n := c.rough.table.Load().used; n > 30 {
		t.Errorf("%d states", n)
	}
	if !f.mayMatch(c, "fetch it | sh ", 0) || !f.mayMatch(c, "fetch it | s", 0) {
		t.Error("what is a match, or may become one, is refused")
	}
}

// TestRough_IsForGapsOnly: where nothing is counted that is wide, it would be asked for nothing.
func TestRough_IsForGapsOnly(t *testing.T) {
	for expr, want := range map[string]bool{
		`a[^\n]{0,32}b`: true, `a.{5,40}b`: true, `(?s)a(?:x|.{0,99}y)b`: true, `a\S{1,64}b`: true,
		`a[^\n]{0,31}b`: false, `a[^\n]*b`: false, `a[a-z0-9]{0,300}b`: false, `a(?:\S+\s+){0,40}b`: false, `a[é-ÿ]{0,99}`: false,
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := roughOf(tree) != nil; got != want {
			t.Errorf("%s: %t", expr, got)
		}
	}
}
