package scan

import (
	"strings"
	"testing"
)

// endings are patterns of numbers which can end in one way, in several, and in one that is not the longest.
var endings = []Pattern{
	{Regex: `\b\d{6}\b`},
	{Regex: `\b\d{2}(?:-\d{2}){1,3}`},
	{Regex: `\b\d{2}(?:-\d{2}){1,3}?`},
	{Regex: `\b\d{2}(?:-\d{2}){1,3}\b`},
	{Regex: `\b(?:12|123)(?:45|4)?`},
	{Regex: `\b\d{3}(?:\.\d|x|é)*`},
	{Regex: `\b[A-Z]{1,2}\d{4}(?:\d{2})?\b`},
	{Regex: `(?:^|[^0-9])\d{4}$`},
	{Regex: `\b\d{3,5}\b`, Context: &Context{Words: []string{"pin"}, Within: 6}},
	{Regex: `\b\d{4} ?\d{4}\b`, Allow: []string{`0000 ?0000`, `0000`}},
}

// TestUnion_KnowsAnEndWhereThereIsOneWay: what it says of an end is what regexp says, and of several it says nothing.
func TestUnion_KnowsAnEndWhereThereIsOneWay(t *testing.T) {
	s := scannerOf(t, endings)
	g := newGenerator(13)
	var f Scratch
	known, unknown := 0, 0
	for range 20_000 {
		var b strings.Builder
		for range 1 + g.IntN(8) {
			b.WriteString(g.pick("123456", "12", "-34", "-56-78", "123", "45", "4", ".7", "x", "é", "A", "AB", "1234", "0000", "00000000", "12345678", " ", " ", ", ", "\n", "pin "))
		}
		text := b.String()
		if d := s.difference(text, &f, nil); d != "" {
			t.Fatal(d)
		}
		f.begin(s, text)
		s.gates(&f, text)
		for _, rule := range f.rules {
			for _, at := range f.candidatesOf(rule) {
				if at.end == 0 {
					unknown++
					continue
				}
				known++
				if at.from != at.to {
					t.Fatalf("%v in %q: an end from %d to %d", s.rules[rule].re, text, at.from, at.to)
				}
				if end, _ := f.run(s.rules[rule].dfa, text, int(at.from)); end != int(at.end) {
					t.Fatalf("%v in %q ends at %d from %d, not %d", s.rules[rule].re, text, end, at.from, at.end)
				}
			}
		}
	}
	if known < 10_000 || unknown < 5000 {
		t.Errorf("%d ends are known and %d are not: the texts are too tame", known, unknown)
	}
}

// TestUnion_KnowsNoEndWithoutABudget: it stops, and there may be other ways behind.
func TestUnion_KnowsNoEndWithoutABudget(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `\b\d{2}(?:-[a-z]{1,40}\d{2})*`}})
	const text = "12-abcdefghijklmnopqrstuvwxyz34"
	a := s.digits.unions[0].automaton
	stopped := 0
	for budget := range 9000 {
		var f Scratch
		f.begin(s, text)
		a.mu.Lock()
		a.reset()
		a.mu.Unlock()
		f.budget = budget
		f.union(a, text, 0)
		for _, at := range f.candidates {
			if at.end != 0 {
				t.Fatalf("with %d steps it ends at %d", budget, at.end)
			}
			if f.budget < 0 {
				stopped++
			}
		}
	}
	if stopped < 100 {
		t.Errorf("stopped amidst %d matches: the budgets are too tame", stopped)
	}
}
