package scan

import (
	"regexp/syntax"
	"slices"
	"testing"
)

// TestI11_AGateThatLacksAGramIsNoticed takes one gram after another out of the gate. The differential test must turn red
// for each, or it would not notice a gate that lets matches pass by.
func TestI11_AGateThatLacksAGramIsNoticed(t *testing.T) {
	inAllWays(t, aGateThatLacksAGramIsNoticed)
}

func aGateThatLacksAGramIsNoticed(t *testing.T) {
	t.Helper()
	s := scannerOf(t, []Pattern{
		{Regex: `\bghp_[A-F]{6}\b`}, {Regex: `(?i)ignore\s(?:all|previous) rules`}, {Regex: `AKIA[A-Z2-7]{4}`},
	})
	var trees []*syntax.Regexp
	for _, c := range s.rules {
		tree, err := syntax.Parse(c.re.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	var texts []string
	g := newGenerator(7)
	for range proof(4000, 100_000) {
		texts = append(texts, g.text(trees))
	}
	var scratch Scratch
	red := func() bool {
		return slices.ContainsFunc(texts, func(text string) bool { return s.difference(text, &scratch, nil) != "" })
	}
	if red() {
		t.Fatal("red with every gram in place")
	}
	whole := s.grams.slots
	step := max(len(whole)/60, 1)
	unnoticed, tried := 0, 0
	for i := 0; i < len(whole); i += step {
		weak := slices.Clone(whole)
		weak[i].tag++
		s.grams.slots = weak
		tried++
		if !red() {
			unnoticed++
			t.Logf("unnoticed: gram %d", i)
		}
	}
	// Grams with a character that only looks like a letter (a long s, a Kelvin sign) are in one text of thousands.
	if unnoticed > tried/4 {
		t.Errorf("%d of %d grams can be taken away unnoticed", unnoticed, tried)
	}
}
