package scan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"
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

// TakeWay has all done from now on in one of the ways that there are: in assembly, in Go.
func TakeWay(i int) { ways[i%len(ways)].take() }

// TakeBest has all done in assembly that the processor can.
func TakeBest() { best.take() }

// AllWays draws a text of what rules match among what is easily taken for something else, now and then across batches, and
// says what they do not all find in it. Its length modulo 64 is that of length.
func AllWays(s *Scanner, trees []*syntax.Regexp, rnd *rand.Rand, length int, f *Scratch) (difference string, found int) {
	g := generator{rnd}
	var b strings.Builder
	if g.IntN(10) == 0 {
		b.WriteString(strings.Repeat(g.pick(" ", "a"), markBatch*(1+g.IntN(2))-g.IntN(80)))
	}
	for n := b.Len() + 64 + g.IntN(128); b.Len() < n; {
		for range g.IntN(20) {
			b.WriteString(g.pick("a", "A", "0", " ", "@", "`", "[", "{", "^", "~", "_", "\x7f", "/", ":", "\x00", "\x80", "\xff", "\xc3", "\xe2\x80", "ſ", "K", "é", "\u200b", "中"))
		}
		g.match(&b, trees[g.IntN(len(trees))])
	}
	text := b.String()
	text = text[:len(text)-(len(text)+64-length%64)%64]
	defer best.take()
	plain.take()
	matches, complete := s.Find(context.Background(), text, f)
	want := slices.Clone(matches)
	for _, w := range ways[1:] {
		w.take()
		if got, whole := s.Find(context.Background(), text, f); complete != whole || !slices.Equal(got, want) {
			return fmt.Sprintf("in %q %s finds %v (all: %t), Go %v (all: %t)", text, w.name, got, whole, want, complete), len(want)
		}
	}
	return "", len(want)
}

// UnlikeFind draws an action and says where an inspection finds something else in one of its views than Find.
func UnlikeFind(s *Scanner, trees []*syntax.Regexp, rnd *rand.Rand, f *Scratch) (difference string, found int) {
	return s.unlikeFind(generator{rnd}, trees, f, new(seen))
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
