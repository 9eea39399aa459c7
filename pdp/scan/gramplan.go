package scan

import (
	"math"
	"slices"
)

// gramPlan gives each route its two cheapest grams, one for each parity of the place. It changes the routes.
func (pl *planner) gramPlan(routes []route) (draft, bool) {
	routes = pl.merge(routes)
	p := draft{plan: plan{kind: planGrams}, drafted: make([]draftedRoute, 0, len(routes))}
	entries := 0
	for i := range routes {
		g := pl.choose(&routes[i])
		if g.size[0] == 0 || g.size[1] == 0 {
			return draft{}, false
		}
		if entries += g.size[0] + g.size[1]; entries > maxGrams {
			return draft{}, false
		}
		p.cost += g.cost[0] + g.cost[1]
		p.drafted = append(p.drafted, draftedRoute{routes[i].sets, g.at[0], g.at[1], pl.alone(&routes[i])})
	}
	return p, len(routes) > 0
}

// merge cuts routes that differ only behind what finds them, so that there are few: to tell them apart is the
// automaton's work.
func (pl *planner) merge(routes []route) []route {
	if len(routes) < 2 {
		return routes
	}
	groups := &pl.groups
	groups.number(routes)
	for k := expandBytes - 1; k >= gramBytes; k-- {
		groups.gather(routes, k)
		for _, first := range groups.firsts {
			if groups.next[first] < 0 {
				continue
			}
			apart, bounded := float32(0), true
			for i := first; i >= 0; i = groups.next[i] {
				apart += pl.choose(&routes[i]).total()
				bounded = bounded && routes[i].bounded
			}
			short := routes[first]
			short.sets, short.frozen, short.bounded, short.chosen = short.sets[:k:k], true, bounded, false
			if pl.choose(&short).total() > apart {
				continue
			}
			routes[first] = short
			for i := groups.next[first]; i >= 0; i = groups.next[i] {
				groups.cut[i] = true
			}
		}
		routes = groups.drop(routes)
	}
	return routes
}

// prefixes tells which routes begin alike. Equal beginnings have equal numbers.
type prefixes struct {
	numbers map[[2]uint32]uint32  // of a beginning and the set behind it
	of      [][expandBytes]uint32 // by route and length
	cut     []bool                // the routes to drop

	// Of one length: the first route of each beginning, in order, and by route the next one that begins like it, or -1.
	firsts, next []int32
	last         []int32 // by number: the last route so far, or -1
}

func (p *prefixes) number(routes []route) {
	if p.numbers == nil {
		p.numbers = make(map[[2]uint32]uint32)
	}
	clear(p.numbers)
	p.of = slices.Grow(p.of[:0], len(routes))[:len(routes)]
	p.cut = append(p.cut[:0], make([]bool, len(routes))...)
	for i := range routes {
		at := uint32(0)
		for j, set := range routes[i].sets[:min(len(routes[i].sets), expandBytes-1)] {
			key := [2]uint32{at, uint32(set)}
			n, known := p.numbers[key]
			if !known {
				n = uint32(len(p.numbers)) + 1
				p.numbers[key] = n
			}
			at = n
			p.of[i][j+1] = at
		}
	}
}

// gather finds the routes that have the same first k sets.
func (p *prefixes) gather(routes []route, k int) {
	p.firsts, p.next, p.last = p.firsts[:0], p.next[:0], p.last[:0]
	for range len(p.numbers) + 1 {
		p.last = append(p.last, -1)
	}
	for i := range routes {
		p.next = append(p.next, -1)
		if len(routes[i].sets) < k {
			continue
		}
		last := &p.last[p.of[i][k]]
		if *last < 0 {
			p.firsts = append(p.firsts, int32(i))
		} else {
			p.next[*last] = int32(i)
		}
		*last = int32(i)
	}
}

// drop takes out the routes that were cut.
func (p *prefixes) drop(routes []route) []route {
	n := 0
	for i := range routes {
		if !p.cut[i] {
			routes[n], p.of[n] = routes[i], p.of[i]
			n++
		}
	}
	p.of = p.of[:n]
	clear(p.cut)
	return routes[:n]
}

// gramChoice has the cheapest gram of a route for each parity: its cost, place and number of spellings (0: none).
type gramChoice struct {
	cost     [2]float32
	at, size [2]int
}

func (g gramChoice) total() float32 {
	if g.size[0] == 0 || g.size[1] == 0 {
		return math.MaxFloat32 / maxRoutes
	}
	return g.cost[0] + g.cost[1]
}

// choose gives those of a route.
func (pl *planner) choose(r *route) *gramChoice {
	if !r.chosen {
		r.grams, r.chosen = pl.grams(r), true
	}
	return &r.grams
}

func (pl *planner) grams(r *route) (g gramChoice) {
	var buf [expandBytes + 4*gramBytes]*foldedSet
	folded := append(buf[:0], pl.wild)
	chance := float32(1)
	if pl.alone(r) {
		folded[0], chance = pl.apart, aloneShare
	}
	for _, s := range r.sets {
		folded = append(folded, pl.folded[s])
	}
	for range gramBytes {
		folded = append(folded, pl.wild)
	}
	for o := -1; o < max(len(r.sets), 1); o++ {
		rest := chance
		if r.frozen {
			rest *= openCost / passCost
		}
		for i, s := range folded[1 : 1+len(r.sets)] {
			if i < o || i >= o+gramBytes {
				rest *= min(1, 4*s.common)
			}
		}
		g.take(pl, folded[o+1:], o, len(r.sets), rest)
	}
	return g
}

// consider takes the grams of a route into account that end behind its first bytes.
func (pl *planner) consider(r *route, known int) {
	var buf [expandBytes]*foldedSet
	first := max(known-gramBytes-pairBytes+1, 0)
	for i, s := range r.sets[first:] {
		buf[i] = pl.folded[s]
	}
	for o := first; o+gramBytes <= len(r.sets); o++ {
		r.inside.take(pl, buf[o-first:], o, len(r.sets), 0)
	}
}

const (
	pairBytes = 2  // behind a gram that are thought of when it is chosen
	maxPairs  = 12 // that they may be; more tell little
)

// take keeps the gram that behind begins with if it is the cheapest of its parity; it stands at place o of a route of so
// many bytes. rest is how likely the rest of the route stands there too.
func (g *gramChoice) take(pl *planner, behind []*foldedSet, o, length int, rest float32) {
	n := 1
	for _, s := range behind[:gramBytes] {
		n *= len(s.bytes)
	}
	if n > maxGrams {
		return
	}
	alone := pl.share((*[gramBytes]*foldedSet)(behind))
	share, bits := alone, n
	if o+gramBytes+pairBytes <= length {
		if pairs := len(behind[gramBytes].bytes) * len(behind[gramBytes+1].bytes); pairs <= maxPairs {
			share = pl.withPair(alone, behind)
			bits *= pairs
		}
	}
	c := perKB*(bitCost*alone+(hitCost+passCost*rest)*share) + entryCost*float32(bits)
	if k := o & 1; g.size[k] == 0 || c < g.cost[k] {
		g.cost[k], g.at[k], g.size[k] = c, o, n
	}
}

// withPair estimates how many places begin with a gram and the two bytes behind it, of a gram's share. Within a word one
// letter nearly tells the next, so the rarest of the grams inside says most; a new word can be any.
func (pl *planner) withPair(gram float32, six []*foldedSet) float32 {
	for _, s := range six[1:gramBytes] {
		if s.set.has(' ') {
			return gram * following(six[gramBytes-1], six[gramBytes]) * following(six[gramBytes], six[gramBytes+1])
		}
	}
	return min(gram, pl.share((*[gramBytes]*foldedSet)(six[1:])), pl.share((*[gramBytes]*foldedSet)(six[2:])))
}
