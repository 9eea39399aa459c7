package scan

import (
	"math"
	"regexp/syntax"
	"slices"
	"testing"
)

// TestPlanner_ChoosesTheCheapestGrams compares what is chosen with a plain look at each gram, to the last bit: what a share was
// remembered, and which grams need no look, must never show.
func TestPlanner_ChoosesTheCheapestGrams(t *testing.T) {
	pl := newPlanner()
	looked, unlike := 0, 0
	for _, tree := range treesToPlan(t) {
		pl.begin()
		nodes := flatten(nil, tree)
		for i := range nodes {
			var rest *cont
			for _, node := range slices.Backward(nodes[i:]) {
				rest = pl.then(node, rest, 0)
			}
			for _, r := range pl.expand(rest) {
				for k := len(r.bytes); k >= max(len(r.bytes)-3, 0); k-- {
					r.bytes = r.bytes[:k]
					if got, want := pl.grams(&r), plainGrams(pl, &r); got != want {
						t.Fatalf("%s from node %d on: %v, want %v", tree, i, got, want)
					}
					looked++
				}
				if r.inside.size[0] > 1 {
					unlike++
				}
			}
		}
	}
	if looked < 10_000 || unlike < 100 {
		t.Errorf("%d looked at, %d with spellings: too tame", looked, unlike)
	}
}

// plainGrams is what grams means.
func plainGrams(pl *planner, r *route) (g gramChoice) {
	folded, chance := []*foldedSet{pl.wild}, float32(1)
	if pl.alone(r) {
		folded[0], chance = pl.apart, aloneShare
	}
	for _, b := range r.bytes {
		folded = append(folded, pl.folded[b.set])
	}
	folded = append(folded, slices.Repeat([]*foldedSet{pl.wild}, gramBytes)...)
	shareAt := func(o int) float32 { return gramShare((*[gramBytes]*foldedSet)(folded[o+1:])) }
	for o := -1; o < max(len(r.bytes), 1); o++ {
		rest := chance
		if r.frozen {
			rest *= openCost / passCost
		}
		for i, s := range folded[1 : 1+len(r.bytes)] {
			if i < o || i >= o+gramBytes {
				rest *= s.passes
			}
		}
		six := folded[o+1:]
		n := spellings((*[gramBytes]*foldedSet)(six))
		if n > maxGrams {
			continue
		}
		alone, bits := shareAt(o), n
		share := alone
		if o+gramBytes+pairBytes <= len(r.bytes) {
			if pairs := len(six[gramBytes].bytes) * len(six[gramBytes+1].bytes); pairs <= maxPairs {
				bits *= pairs
				if slices.ContainsFunc(six[1:gramBytes], func(s *foldedSet) bool { return s.set.has(' ') }) {
					share = alone * following(six[gramBytes-1], six[gramBytes]) * following(six[gramBytes], six[gramBytes+1])
				} else {
					share = min(alone, shareAt(o+1), shareAt(o+2))
				}
			}
		}
		c := perKB*(bitCost*alone+(hitCost+passCost*rest)*share) + entryCost*float32(bits)
		if k := o & 1; g.size[k] == 0 || c < g.cost[k] {
			g.cost[k], g.at[k], g.size[k] = c, int16(o), int16(n)
		}
	}
	return g
}

// TestPlanner_DividesOnlyForLess: where dividing must cost less than a bound, the outcome is the best if that does, else none.
func TestPlanner_DividesOnlyForLess(t *testing.T) {
	pl := newPlanner()
	divided, apart := 0, 0
	for _, tree := range treesToPlan(t) {
		pl.begin()
		nodes := flatten(nil, tree)
		best, cost := pl.branches(nodes, maxBranches, math.MaxFloat32)
		if best == nil {
			continue
		}
		divided++
		if some, _ := pl.branches(nodes, maxBranches, cost); some != nil {
			t.Errorf("%s: divided for %g, which is no less", tree, cost)
		}
		again, same := pl.branches(nodes, maxBranches, math.Nextafter32(cost, math.MaxFloat32))
		if same != cost || !slices.EqualFunc(pl.finished(again...), pl.finished(best...), plan.equal) {
			t.Errorf("%s: %d branches for %g, want %d for %g", tree, len(again), same, len(best), cost)
		}
		if len(best) > 2 {
			apart++
		}
	}
	if divided < 20 || apart < 5 {
		t.Errorf("%d were divided, %d in more than two: too tame", divided, apart)
	}
}

// treesToPlan are patterns of all kinds, and some at random.
func treesToPlan(t *testing.T) (trees []*syntax.Regexp) {
	t.Helper()
	exprs := []string{
		`(?i)ignore\s+(?:\w+\s+){0,3}(?:previous|prior|earlier)\s+instructions`, `\b(?:ghp|gho|ghs)_[A-Za-z0-9]{36}\b`,
		`(?:curl|wget)\b[^\n]{0,300}\|\s*(?:ba|z)?sh\b`, `(?:\bpassword|passwd|пароль|密码)\s*[:=]\s*\S{8,}`,
		`\b(?:4\d{3}|5[1-5]\d{2}|6011)[ -]?(?:\d{4}[ -]?){2}\d{4}\b`, `(?:[\w.+-]+@[\w-]+\.(?:com|org|net))|(?:mailto:\S+)`,
		`(?:the|that|and|for)\s(?:\w+\s)?(?:key|token|[A-Z]{2})`, `(?i:api|app|auth)[ ._-]?(?i:key|token|secret)["']?\s{0,3}[=:]`,
	}
	g := newGenerator(12)
	for len(exprs) < proof(400, 4000) {
		if expr := g.regex(); g.sound(expr) {
			exprs = append(exprs, expr)
		}
	}
	for _, expr := range exprs {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	return trees
}
