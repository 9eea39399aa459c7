package scan

import (
	"regexp/syntax"
	"slices"
	"sync"
	"unicode"
)

// watchFor gives plans for the words without which nothing of a rule can count, if the rule's own plan is one that
// ordinary numbers satisfy. Most texts have none of the words, and the gate learns that for next to nothing. There are
// no plans if one of the words is too short for the gate.
func (pl *planner) watchFor(c *compiled) (watched []plan) {
	if !slices.ContainsFunc(c.plans, func(p plan) bool { return p.kind != planGrams && p.kind != planLead }) {
		return nil
	}
	var words []string
	for _, w := range c.filter.words {
		words = append(words, w.text)
	}
	if len(words) == 0 {
		words = c.keywords
	}
	for _, w := range words {
		re := &syntax.Regexp{Op: syntax.OpConcat}
		for _, r := range w {
			re.Sub = append(re.Sub, &syntax.Regexp{Op: syntax.OpCharClass, Rune: loweredTo(r)})
		}
		pl.begin()
		p, ok := pl.gramPlan(pl.expand(pl.then(re, nil, 0)))
		if !ok || p.cost > maxWatch {
			return nil
		}
		watched = append(watched, pl.finished(p)...)
	}
	return watched
}

// maxWatch is what to watch for one word may cost, in nanoseconds a kilobyte.
const maxWatch = 8

// loweredTo are the characters that lower-casing turns into r, as ranges.
func loweredTo(r rune) []rune {
	ranges := []rune{r, r}
	for _, upper := range uppers()[r] {
		ranges = append(ranges, upper, upper)
	}
	return ranges
}

// uppers has what lower-casing changes, by what it changes it to.
var uppers = sync.OnceValue(func() map[rune][]rune {
	m := make(map[rune][]rune)
	for _, block := range unicode.CaseRanges {
		for r := rune(block.Lo); r <= rune(block.Hi); r++ {
			if l := unicode.ToLower(r); l != r {
				m[l] = append(m[l], r)
			}
		}
	}
	return m
})

// nearby holds the places where a rule's watch saw a word, to be asked for places that only grow.
type nearby struct {
	hits []candidate // in the order of the text; nil: not watched, so anywhere
}

// nearbyOf gathers them for a rule that wants a word near its matches.
func (f *Scratch) nearbyOf(c *compiled) nearby {
	if c.watch < 0 || len(c.filter.words) == 0 {
		return nearby{}
	}
	return nearby{f.sorted(&f.watched, c.watch)}
}

// has says whether there may be a word in text[from:to]. A later call must not ask for a smaller from.
func (n *nearby) has(from, to int) bool {
	for len(n.hits) > 0 && int(n.hits[0].to) < from {
		n.hits = n.hits[1:]
	}
	return len(n.hits) > 0 && int(n.hits[0].from) <= to
}
