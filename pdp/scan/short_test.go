package scan

import (
	"context"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// action draws the texts of an action, most of them short: what rules match, alone and amidst other text, whole and damaged.
func (g generator) action(trees []*syntax.Regexp) (texts []Text) {
	n := 1 + g.IntN(20)
	if g.IntN(20) == 0 {
		n *= 8 // more than are looked at together
	}
	for range n {
		var b strings.Builder
		switch g.IntN(6) {
		case 0:
			b.WriteString(g.text(trees))
		case 1:
			b.WriteString(g.pick("2026-03-14", "on 14.3.2026 at 10:30", "4111 1111 1111 1111", "219-09-9998", "+44 20 7946 0958", "v1.22.333", "007", "a@b.cd", "@", "key", "ab"))
		case 2:
			b.WriteString(g.filler())
		default:
			g.match(&b, trees[g.IntN(len(trees))])
		}
		value := b.String()
		if g.IntN(3) == 0 {
			value = g.damage(value)
		}
		if at := g.IntN(len(value) + 1); g.IntN(4) == 0 {
			value = value[at:]
		}
		if len(value) > maxShort && g.IntN(4) > 0 {
			value = value[len(value)-g.IntN(maxShort+1):]
		}
		texts = append(texts, Text{Pointer: "/a", Value: value, Key: g.pick("", "", "key", "ssn", "born", "a", "é"), Name: g.IntN(4) == 0})
	}
	return texts
}

// TestShorts_ManyPatternsMayHaveTheSameGram: more places are found then than are looked at in one go.
func TestShorts_ManyPatternsMayHaveTheSameGram(t *testing.T) {
	var rows []Pattern
	for i := range 300 {
		rows = append(rows, Pattern{Regex: fmt.Sprintf(`qxzjqxzj[a-z]+%d\b`, i)})
	}
	s := scannerOf(t, rows)
	var texts []Text
	for i := range 10 {
		texts = append(texts, Text{Pointer: "/a", Value: strings.Repeat("qxzjqxzj ", 9) + fmt.Sprintf("qxzjqxzja%d", i*7)})
	}
	if r := s.Scan(t.Context(), texts, nil, Budget{}); len(r.Findings) != len(texts) || r.Incomplete {
		t.Errorf("%d findings (incomplete: %t), want %d", len(r.Findings), r.Incomplete, len(texts))
	}
}

// seen counts what became of texts that were looked at together.
type seen [shortWhole + 1]int

// unlikeFind draws an action and says where an inspection finds something else in one of its views than Find.
func (s *Scanner) unlikeFind(g generator, trees []*syntax.Regexp, plain *Scratch, seen *seen) (difference string, found int) {
	v := viewers.Get().(*viewer)
	defer v.free()
	v.build(g.action(trees), Budget{}.withDefaults())
	for i := range v.inOrder {
		n := &v.views[i]
		want, whole := s.Find(context.Background(), n.text, plain) // first, and so it has the automata to build
		got, all := s.findIn(context.Background(), v, i)
		if n.leaf == noLeaf {
			want = slices.DeleteFunc(want, func(m Match) bool { return len(s.rules[m.Rule].keywords) == 0 })
		}
		if s.short(n) {
			seen[v.shorts.texts[v.shorts.next-1].state]++
		}
		found += len(want)
		// States that come and go may use up what is left of a budget in one of them and not in the other.
		spare := plain.budget > (stepsAlways+stepsPerByte*len(n.text))/2
		if difference == "" && whole && (all || spare) && (!all || !slices.Equal(got, want)) {
			difference = fmt.Sprintf("%s of %q: %v (all: %t), want %v", v.chain(i), n.text, got, all, want)
		}
	}
	return difference, found
}

// TestProve_I11_AnInspectionFindsWhatFindDoes in texts that are looked at together, in what they are strung together, and in
// texts of which something is known.
func TestProve_I11_AnInspectionFindsWhatFindDoes(t *testing.T) {
	defer best.take()
	cases := proof(6_000, 600_000)
	found := 0
	var seen seen
	for seed := uint64(1); cases > 0; seed++ {
		g := newGenerator(seed)
		var rows []Pattern
		slow := g.IntN(8) == 0
		for len(rows) < 12 {
			if expr := g.regex(); g.sound(expr) {
				p := Pattern{Regex: expr, Slow: slow}
				switch g.IntN(4) {
				case 0:
					p.Keywords = g.words()
				case 1:
					p.Context = &Context{Words: g.words(), Within: 1 + g.IntN(20)}
				}
				rows = append(rows, p)
			}
		}
		s := scannerOf(t, rows)
		if len(s.rules) == 0 {
			continue
		}
		trees := Trees(s)
		var scratch Scratch
		for i := range 20 {
			ways[i%len(ways)].take()
			d, n := s.unlikeFind(g, trees, &scratch, &seen)
			if d != "" {
				t.Fatalf("seed %d: %s", seed, d)
			}
			found += n
			cases--
		}
	}
	t.Logf("%d matches; of short texts %d clean, %d with places, %d whole", found, seen[shortClean], seen[shortPlaces], seen[shortWhole])
	if found == 0 || slices.Contains(seen[:], 0) {
		t.Error("the texts are too tame")
	}
}
