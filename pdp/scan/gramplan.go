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
		if entries += int(g.size[0]) + int(g.size[1]); entries > maxGrams {
			return draft{}, false
		}
		p.cost += g.cost[0] + g.cost[1]
		p.drafted = append(p.drafted, draftedRoute{routes[i].bytes, int(g.at[0]), int(g.at[1]), pl.alone(&routes[i])})
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
			short.bytes, short.frozen, short.bounded, short.chosen = short.bytes[:k:k], true, bounded, false
			if pl.choose(&short).total() > apart {
				continue
			}
			routes[first] = short
			for i := groups.next[first]; i >= 0; i = groups.next[i] {
				groups.cut[i], groups.cuts = true, true
			}
		}
		routes = groups.drop(routes)
	}
	return routes
}

// prefixes tells which routes begin alike. Equal beginnings have equal numbers.
type prefixes struct {
	numbers wordMap[uint32]       // of a beginning and the set behind it
	of      [][expandBytes]uint32 // by route and length
	cut     []bool                // the routes to drop
	cuts    bool                  // there are some

	// Of one length: the first route of each beginning, in order, and by route the next one that begins like it, or -1.
	firsts, next []int32
	last         []int32 // by number: the last route so far, or -1
}

func (p *prefixes) number(routes []route) {
	p.numbers.reset()
	p.of = slices.Grow(p.of[:0], len(routes))[:len(routes)]
	p.cut = append(p.cut[:0], make([]bool, len(routes))...)
	for i := range routes {
		at := uint32(0)
		for j, b := range routes[i].bytes[:min(len(routes[i].bytes), expandBytes-1)] {
			n, known := p.numbers.at(uint64(at)<<32 | uint64(b.set))
			if !known {
				*n = uint32(p.numbers.used)
			}
			at = *n
			p.of[i][j+1] = at
		}
	}
}

// gather finds the routes that have the same first k sets.
func (p *prefixes) gather(routes []route, k int) {
	p.firsts, p.next, p.last = p.firsts[:0], p.next[:0], p.last[:0]
	for range p.numbers.used + 1 {
		p.last = append(p.last, -1)
	}
	for i := range routes {
		p.next = append(p.next, -1)
		if len(routes[i].bytes) < k {
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
	if !p.cuts {
		return routes
	}
	n := 0
	for i := range routes {
		if !p.cut[i] {
			routes[n], p.of[n] = routes[i], p.of[i]
			n++
		}
	}
	p.of = p.of[:n]
	clear(p.cut)
	p.cuts = false
	return routes[:n]
}

// gramChoice has the cheapest gram of a route for each parity: its cost, place and number of spellings (0: none).
type gramChoice struct {
	cost     [2]float32
	at, size [2]int16
}

func (g *gramChoice) total() float32 {
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
	var buf [1 + expandBytes + 3*gramBytes]*foldedSet
	folded := append(buf[:0], pl.wild)
	chance := float32(1)
	if pl.alone(r) {
		folded[0], chance = pl.apart, aloneShare
	}
	if r.frozen {
		chance *= openCost / passCost
	}
	for _, b := range r.bytes {
		folded = append(folded, pl.folded[b.set])
	}
	end := len(folded)
	for range gramBytes {
		folded = append(folded, pl.wild)
	}
	for o := -1; o < max(len(r.bytes), 1); o++ {
		rest := chance // of what stands before the gram, and then behind it
		for _, s := range folded[min(o+1+gramBytes, end):end] {
			rest *= s.passes
		}
		g.take(pl, r.bytes, folded[o+1:], o, rest)
		if o >= 0 {
			chance *= folded[o+1].passes
		}
	}
	return g
}

// consider takes the grams of a route into account that end in the bytes that are new.
func (pl *planner) consider(r *route) {
	known := int(r.known)
	if known == len(r.bytes) {
		return
	}
	r.known = int32(len(r.bytes)) // #nosec G115 -- a few dozen
	var buf [expandBytes]*foldedSet
	first := max(known-gramBytes-pairBytes+1, 0)
	for i, b := range r.bytes[first:] {
		buf[i] = pl.folded[b.set]
	}
	for end := max(known, gramBytes-1); end < len(r.bytes); end++ {
		gram := (*[gramBytes]*foldedSet)(buf[end+1-gramBytes-first:])
		if spellings(gram) <= maxGrams {
			r.bytes[end].share = pl.share(gram)
		}
	}
	for o := first; o+gramBytes <= len(r.bytes); o++ {
		r.inside.take(pl, r.bytes, buf[o-first:], o, 0)
	}
}

const (
	pairBytes = 2  // behind a gram that are thought of when it is chosen
	maxPairs  = 12 // that they may be; more tell little
)

// spellings is how many ways there are to write a gram.
func spellings(gram *[gramBytes]*foldedSet) int {
	return len(gram[0].bytes) * len(gram[1].bytes) * len(gram[2].bytes) * len(gram[3].bytes)
}

// take keeps the gram that behind begins with if it is the cheapest of its parity; it stands at place o of a route of some
// bytes. rest is how likely the rest of the route stands there too.
func (g *gramChoice) take(pl *planner, route []routeByte, behind []*foldedSet, o int, rest float32) {
	gram := (*[gramBytes]*foldedSet)(behind)
	n := spellings(gram)
	if n > maxGrams {
		return
	}
	bits, paired := n, false
	if o+gramBytes+pairBytes <= len(route) {
		if pairs := len(behind[gramBytes].bytes) * len(behind[gramBytes+1].bytes); pairs <= maxPairs {
			bits, paired = n*pairs, true
		}
	}
	k, entries := o&1, entryCost*float32(bits)
	if g.size[k] != 0 && entries >= g.cost[k] {
		return // whatever its share is
	}
	alone := pl.shareAt(route, gram, o)
	share := alone
	if paired {
		share = pl.withPair(alone, route, behind, o)
	}
	if c := perKB*(bitCost*alone+(hitCost+passCost*rest)*share) + entries; g.size[k] == 0 || c < g.cost[k] {
		g.cost[k], g.at[k], g.size[k] = c, int16(o), int16(n)
	}
}

// shareAt is the share of the gram at a place of a route.
func (pl *planner) shareAt(route []routeByte, gram *[gramBytes]*foldedSet, o int) float32 {
	if last := o + gramBytes - 1; o >= 0 && last < len(route) && route[last].share != unknownShare {
		return route[last].share
	}
	return pl.share(gram)
}

// withPair estimates how many places begin with a gram and the two bytes behind it, of a gram's share. Within a word one
// letter nearly tells the next, so the rarest of the grams inside says most; a new word can be any.
func (pl *planner) withPair(gram float32, route []routeByte, six []*foldedSet, o int) float32 {
	for _, s := range six[1:gramBytes] {
		if s.set.has(' ') {
			return gram * following(six[gramBytes-1], six[gramBytes]) * following(six[gramBytes], six[gramBytes+1])
		}
	}
	return min(gram, pl.shareAt(route, (*[gramBytes]*foldedSet)(six[1:]), o+1), pl.shareAt(route, (*[gramBytes]*foldedSet)(six[2:]), o+2))
}
