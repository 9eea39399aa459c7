package scan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
)

// HostileTexts is for the benchmarks, which see the package from outside because they load the shipped patterns.
var HostileTexts = hostileTexts

// Proof says how many cases to try.
var Proof = proof

// Planted draws a text in which a rule matches, or nearly, and says where the engine and regexp differ on it, for that
// rule and a few others.
func Planted(s *Scanner, trees []*syntax.Regexp, rnd *rand.Rand, f *Scratch) (difference string, found int) {
	g := generator{rnd}
	only := make(map[int32]bool)
	var some []*syntax.Regexp
	for range 3 {
		i := g.IntN(len(trees))
		only[int32(i)] = true
		some = append(some, trees[i])
	}
	text := g.text(some)
	difference = s.difference(text, f, only)
	return difference, len(f.found)
}

// Trees are the syntax trees of the rules.
func Trees(s *Scanner) (trees []*syntax.Regexp) {
	for _, c := range s.rules {
		tree, err := syntax.Parse(c.re.String(), syntax.Perl)
		if err != nil {
			panic(err)
		}
		trees = append(trees, tree)
	}
	return trees
}

// Overdrawn says by how much looking at a text overdraws its budget, if it does by more than a tenth of what is always there:
// what is paid for after it was done is one stretch of a run, or a search for a keyword.
func Overdrawn(s *Scanner, text string) string {
	var f Scratch
	if s.Find(context.Background(), text, &f); f.budget < -stepsAlways/10 {
		return fmt.Sprintf("the budget is overdrawn by %d steps", -f.budget)
	}
	return ""
}

// CleanActions are texts in which there is nothing to find.
var CleanActions = cleanActions
