package scan

import (
	"math/bits"
	"slices"
)

// nearGate finds rules of numbers that count near their words only. Numbers are everywhere and such words are not: a rule is
// asked about those only that are near a word that its own watch saw.
type nearGate struct {
	shapes digitShapes // of the rules
	rules  []nearRule  // one has the bit of its index, and 64 and more share bits
	of     []int32     // by watch, counted from the first of all: the rule, or none
	watch  int32       // the first of all
}

type nearRule struct {
	rule int32
	// A number begins at most so far in front of a word, or behind one.
	before, behind int
	least, most    int // bytes of a match before its first digit
}

// zones say of each zoneBytes of a text which rules of a nearGate count there, a bit for each.
type zones []uint64

const zoneBytes = 128

func (g *nearGate) add(rule int32, c *compiled, w *plannedRoute) {
	n := len(g.rules)
	if n == 0 || g.rules[n-1].rule != rule {
		g.rules = append(g.rules, nearRule{
			rule: rule, before: c.reach() + c.longest, behind: c.reach() + maxHeadroom, least: w.even, most: w.even,
		})
		for int(c.watch-g.watch) >= len(g.of) {
			g.of = append(g.of, -1)
		}
		g.of[c.watch-g.watch] = int32(n)
		n++
	}
	r := &g.rules[n-1]
	r.least, r.most = min(r.least, w.even), max(r.most, w.even)
	route := digitRouteOf(w, 0, false)
	g.shapes.add(1<<((n-1)%64), &route, w.even)
}

// begin gathers the zones of a text.
func (g *nearGate) begin(f *Scratch, text string) {
	f.zones = f.zones[:0]
	if len(f.heard) == 0 {
		return
	}
	n := len(text)/zoneBytes + 1
	f.zones = slices.Grow(f.zones, n)[:n]
	clear(f.zones)
	for _, watch := range f.heard {
		nth := int(watch - g.watch)
		if nth >= len(g.of) || g.of[nth] < 0 {
			continue
		}
		i := g.of[nth]
		r := &g.rules[i]
		for at := f.last[watch].index; at >= 0; {
			c := f.candidates[at]
			from, to := max(int(c.from)-r.before, 0)/zoneBytes, min(int(c.to)+r.behind, len(text)-1)/zoneBytes
			for zone := from; zone <= to; zone++ {
				f.zones[zone] |= 1 << (i % 64)
			}
			f.budget -= 2 + (to-from)/2
			at = c.before
		}
	}
}

// number notes the rules out of some that the number which begins at d may be of.
func (g *nearGate) number(f *Scratch, text string, d int, rules uint64) {
	for may := g.shapes.of(text, d) & rules; may != 0; may &= may - 1 {
		for i := bits.TrailingZeros64(may); i < len(g.rules); i += 64 {
			r := &g.rules[i]
			f.note(r.rule, d-r.most, d-r.least)
		}
	}
}
