package scan

import "math"

// gathered puts routes of numbers together until there are few groups: first those that differ in which digits or letters they
// want only, then, one after the other, the two that let the least more of ordinary text through together than each by itself.
func gathered(routes []digitRoute, most int) (groups []digitRoute) {
	type outline struct {
		union int
		kinds [digitsBack + digitsLook]uint16
	}
	alike := make(map[outline]int)
	for i := range routes {
		key := outline{union: routes[i].union}
		for at := range routes[i].sets {
			key.kinds[at] = kindsNear(&routes[i].sets[at])
		}
		if at, known := alike[key]; known {
			groups[at].take(&routes[i])
		} else {
			alike[key] = len(groups)
			groups = append(groups, routes[i])
		}
	}
	shares := make([]float64, len(groups))
	for i := range groups {
		shares[i] = groups[i].share()
	}
	// best has the cheapest partner behind each group, and what it costs.
	best, costs := make([]int, len(groups)), make([]float64, len(groups))
	look := func(i int) {
		best[i], costs[i] = -1, math.Inf(1)
		for j := i + 1; j < len(groups); j++ {
			if groups[j].union == groups[i].union && shares[j] >= 0 {
				both := groups[i]
				both.take(&groups[j])
				if cost := both.share() - shares[i] - shares[j]; cost < costs[i] {
					best[i], costs[i] = j, cost
				}
			}
		}
	}
	for i := range groups {
		look(i)
	}
	for left := len(groups); left > most; left-- {
		at := -1
		for i := range groups {
			if shares[i] >= 0 && best[i] >= 0 && (at < 0 || costs[i] < costs[at]) {
				at = i
			}
		}
		gone := best[at]
		groups[at].take(&groups[gone])
		shares[at], shares[gone] = groups[at].share(), -1
		for i := range groups {
			if shares[i] >= 0 && (i == at || best[i] == at || best[i] == gone) {
				look(i)
			} else if i < at && shares[i] >= 0 && groups[i].union == groups[at].union {
				both := groups[i]
				both.take(&groups[at])
				if cost := both.share() - shares[i] - shares[at]; cost < costs[i] {
					best[i], costs[i] = at, cost
				}
			}
		}
	}
	kept := groups[:0]
	for i := range groups {
		if shares[i] >= 0 {
			kept = append(kept, groups[i])
		}
	}
	return kept
}

// take makes a group of two.
func (r *digitRoute) take(o *digitRoute) {
	r.keyed = r.keyed || o.keyed
	for i := range r.sets {
		r.sets[i].union(o.sets[i])
	}
}

// share is about how many of the numbers of ordinary texts are like that.
func (r *digitRoute) share() float64 {
	all := 1.0
	for i := range r.sets {
		share := 0.0
		for k := range nearNumbers {
			kind := &nearNumbers[k]
			in := r.sets[i].both(kind.set)
			share += kind.share * float64(in.size()) / float64(kind.set.size())
		}
		all *= share
	}
	return all
}

// kindOfByte is a kind of bytes around the begin of a number, with a rough share of them.
type kindOfByte struct {
	set   byteset
	share float64
}

var nearNumbers = func() (kinds []kindOfByte) {
	var all byteset
	add := func(share float64, set byteset) {
		all.union(set)
		kinds = append(kinds, kindOfByte{set, share})
	}
	ranged := func(lo, hi byte) (set byteset) {
		set.add(lo, hi)
		return set
	}
	add(0.3, digitBytes)
	add(0.15, ranged('a', 'z'))
	add(0.06, ranged('A', 'Z'))
	add(0.02, beyondASCII)
	for _, c := range []struct {
		b     byte
		share float64
	}{{' ', 0.15}, {'.', 0.08}, {',', 0.1}, {'-', 0.05}, {'/', 0.04}, {':', 0.05}, {'_', 0.03}, {'(', 0.02}, {')', 0.03}} {
		add(c.share, ranged(c.b, c.b))
	}
	add(0.1, all.complement())
	return kinds
}()

// kindsNear are the kinds that a set has bytes of.
func kindsNear(set *byteset) (kinds uint16) {
	for k := range nearNumbers {
		if set.intersects(nearNumbers[k].set) {
			kinds |= 1 << k
		}
	}
	return kinds
}
