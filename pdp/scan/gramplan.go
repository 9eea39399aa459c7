package scan

import "math"

// gramPlan gives each route its two cheapest grams, one for each parity of the place.
func (pl *planner) gramPlan(routes []route) (plan, bool) {
	routes = pl.merge(routes)
	p := plan{kind: planGrams}
	entries := 0
	for i := range routes {
		g := pl.grams(&routes[i])
		if g.size[0] == 0 || g.size[1] == 0 {
			return plan{}, false
		}
		if entries += g.size[0] + g.size[1]; entries > maxGrams {
			return plan{}, false
		}
		p.cost += g.cost[0] + g.cost[1]
		p.routes = append(p.routes, plannedRoute{routes[i].sets, g.at[0], g.at[1], routes[i].alone()})
	}
	return p, len(routes) > 0
}

// merge cuts routes that differ only behind what finds them, so that there are few: to tell them apart is the
// automaton's work.
func (pl *planner) merge(routes []route) []route {
	for k := expandBytes - 1; k >= gramBytes; k-- {
		groups := make(map[string][]int)
		for i := range routes {
			if len(routes[i].sets) >= k {
				key := pl.key(routes[i].sets[:k])
				groups[key] = append(groups[key], i)
			}
		}
		cut := make([]bool, len(routes))
		merged := false
		for _, members := range groups {
			if len(members) < 2 {
				continue
			}
			apart := float32(0)
			for _, i := range members {
				apart += pl.grams(&routes[i]).total()
			}
			short := routes[members[0]]
			short.sets, short.frozen = short.sets[:k:k], true
			for _, i := range members {
				short.bounded = short.bounded && routes[i].bounded
			}
			if pl.grams(&short).total() > apart {
				continue
			}
			merged = true
			routes[members[0]] = short
			for _, i := range members[1:] {
				cut[i] = true
			}
		}
		if merged {
			var left []route
			for i := range routes {
				if !cut[i] {
					left = append(left, routes[i])
				}
			}
			routes = left
		}
	}
	return routes
}

func (pl *planner) key(sets []byteset) string {
	key := make([]byte, 0, 2*expandBytes)
	for _, s := range sets {
		id, known := pl.ids[s]
		if !known {
			id = len(pl.ids)
			pl.ids[s] = id
		}
		key = append(key, byte(id), byte(id>>8), byte(id>>16))
	}
	return string(key)
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

// grams chooses them for a route.
func (pl *planner) grams(r *route) (g gramChoice) {
	wild := pl.fold(anyByte)
	var buf [expandBytes + 4*gramBytes]*foldedSet
	folded := append(buf[:0], wild)
	chance := float32(1)
	if r.alone() {
		folded[0], chance = pl.fold(aroundWords), aloneShare
	}
	for _, s := range r.sets {
		folded = append(folded, pl.fold(s))
	}
	for range gramBytes {
		folded = append(folded, wild)
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
		buf[i] = pl.fold(s)
	}
	for o := first; o+gramBytes <= len(r.sets); o++ {
		r.inside.take(pl, buf[o-first:], o, len(r.sets), 0)
	}
}

// pairsAt are the pairs of folded bytes that a route may have at a place, or nil if they are unknown or too many.
func (pl *planner) pairsAt(sets []byteset, at int) (pairs []uint32) {
	if at < 0 || at+pairBytes > len(sets) {
		return nil
	}
	first, second := pl.fold(sets[at]), pl.fold(sets[at+1])
	if len(first.bytes)*len(second.bytes) > maxPairs {
		return nil
	}
	for _, a := range first.bytes {
		for _, b := range second.bytes {
			pairs = append(pairs, uint32(a)|uint32(b)<<8)
		}
	}
	return pairs
}

const (
	pairBytes = 2  // behind a gram that the gate looks at too
	maxPairs  = 12 // of one gram; more would fill its cell
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
	gram := [gramBytes]*foldedSet(behind)
	alone := pl.share(gram)
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
	return min(gram, pl.share([gramBytes]*foldedSet(six[1:])), pl.share([gramBytes]*foldedSet(six[2:])))
}
