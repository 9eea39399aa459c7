package scan

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"testing"
)

// TestProve_I11_AllowlistsHoldWhatRegexpHolds compares the automaton of random lists with regexp, and regexp in its place where
// the automaton may not go on.
func TestProve_I11_AllowlistsHoldWhatRegexpHolds(t *testing.T) {
	held, not := 0, 0
	for seed := range uint64(proof(600, 60_000)) {
		g := newGenerator(seed)
		var exprs []string
		var trees []*syntax.Regexp
		for len(exprs) < 1+g.IntN(4) {
			expr := g.regex()
			switch g.IntN(4) {
			case 0:
				expr = `(?s:.*)(?:` + expr + `)(?s:.*)`
			case 1:
				expr = `(?is:.*(?:` + expr + `).*)`
			case 2:
				expr = `(?:` + expr + `).*`
			}
			if tree, err := syntax.Parse(expr, syntax.Perl); err == nil {
				exprs, trees = append(exprs, expr), append(trees, tree)
			}
		}
		l := newAllowlist(exprs, func(i int, detail string) { t.Fatalf("%s: %s", exprs[i], detail) })
		if l.dfa == nil {
			continue
		}
		(&statePool{}).register(l.dfa)
		for range 50 {
			match := g.text(trees)
			want := l.allowed(match)
			for _, budget := range []int{1 << 30, 1 << 12} { // the second may be too little
				f := Scratch{budget: budget}
				if got := f.allowed(l, match); got != want && f.budget >= 0 {
					t.Fatalf("seed %d: %q holds %q: %t, want %t (budget %d)", seed, exprs, match, got, want, budget)
				}
			}
			if want {
				held++
			} else {
				not++
			}
		}
	}
	if held < 1000 || not < 1000 {
		t.Errorf("%d matches held, %d not: too few to tell", held, not)
	}
}

// TestThreat_E1_AnAllowlistIsPaidFor: where each character leads to a state that was not there, regexp is asked, and what it
// takes is charged for every instruction.
func TestThreat_E1_AnAllowlistIsPaidFor(t *testing.T) {
	l := newAllowlist([]string{`(?s:.*)[ab]\w{14}c(?s:.*)`}, func(_ int, detail string) { t.Fatal(detail) })
	(&statePool{}).register(l.dfa)
	g := newGenerator(1)
	var match strings.Builder
	for match.Len() < 1000 {
		match.WriteString(g.pick("a", "b", "d", "e"))
	}
	const all = 1 << 24
	f := Scratch{budget: all}
	if f.allowed(l, match.String()) {
		t.Error("it holds what has no c")
	}
	regexps := plainCall + l.perByte*match.Len()
	if spent := all - f.budget; spent < 2*regexps || spent > 2*regexps+stateCost+threadCost*len(l.dfa.insts) {
		t.Errorf("%d steps for what regexp takes %d for", spent, regexps)
	}
	if f.budget = regexps / 2; f.allowed(l, match.String()) || f.budget >= 0 {
		t.Errorf("%d steps are left of half of what it takes", f.budget)
	}
}

// TestThreat_E1_AStepIsPaidForByWhatItFollows: a step that follows thousands of instructions to a state of one thread costs as
// many steps.
func TestThreat_E1_AStepIsPaidForByWhatItFollows(t *testing.T) {
	var words []string
	for i := range 26 * 20 {
		words = append(words, fmt.Sprintf("[%c%c]1", 'a'+i%26, 'A'+i/26))
	}
	l := newAllowlist([]string{`(?s:.*)(?:` + strings.Join(words, "|") + `)(?s:.*)`}, func(_ int, detail string) { t.Fatal(detail) })
	(&statePool{}).register(l.dfa)
	const all = 1 << 20
	budget := all
	for range 2 {
		if l.dfa.matchesBegin("0", &budget) {
			t.Error("it holds what is no word")
		}
	}
	// Both steps, over the digit and at the end, follow an alternative and a class for each word; the second time they are there.
	if spent := all - budget; spent < 4*len(words) || spent > 8*len(words) {
		t.Errorf("%d steps for two that follow %d words", spent, len(words))
	}
}
