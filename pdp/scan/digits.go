package scan

import (
	"math/bits"
	"regexp/syntax"
	"slices"
	"sort"
	"unicode/utf8"
)

// digitGate finds the rules that begin with a digit, or soon come to one. Such rules have no gram that is rare. At each
// number it looks at three bytes before and at eight from there on, all at once for groups of routes that are alike, and then runs
// the union automaton of those rules of which some route fits.
type digitGate struct {
	shapes digitShapes // of groups
	unions []digitUnion
	of     [maxDigitGroups]uint8 // the union of each group
	keyed  uint64                // the groups that are of rules with keywords, too
	near   nearGate              // of rules that count near their words only
}

// digitUnion is all rules with so many bytes before their first digit.
type digitUnion struct {
	automaton *automaton
	apart     []int32 // those that the automaton has no classes for: each is tried by itself
	headroom  int
	groups    uint64
}

// digitShapes tells by the bytes around a number's begin what it may be of, a bit for each.
type digitShapes struct {
	// fits has, for the bytes before the first digit, that digit and those behind it, what may have each byte there.
	fits   [digitsBack + digitsLook][256]uint64
	atText uint64 // what a number at the begin of a text may be of
}

const (
	// digitsLook is how many bytes from a number's begin on are looked at before an automaton runs. Most numbers are short.
	digitsLook     = 8
	digitsBack     = 3 // and how many before
	maxDigitGroups = 64
)

func (g *digitGate) used() bool { return len(g.unions)+len(g.near.rules) > 0 }

// digitRoute is what the gate looks at of a route, and its union.
type digitRoute struct {
	union int
	keyed bool // some rule that is like that has keywords
	sets  [digitsBack + digitsLook]byteset
}

func newDigitGate(pool *statePool, rules []*compiled) *digitGate {
	g := &digitGate{near: nearGate{watch: int32(len(rules))}}
	var progs [][]*syntax.Prog
	var ids [][]int32
	var routes []digitRoute
	seen := make(map[digitRoute]bool)
	for i, c := range rules {
		for _, p := range c.plans {
			if p.kind != planDigits {
				continue
			}
			for _, w := range p.routes {
				w.sets = c.dfa.followed(w.sets, w.even+digitsLook)
				if c.watch >= 0 && len(c.filter.words) > 0 && c.longest < unbounded {
					g.near.add(int32(i), c, &w)
					continue
				}
				u := slices.IndexFunc(g.unions, func(u digitUnion) bool { return u.headroom == w.even })
				if u < 0 {
					u = len(g.unions)
					g.unions = append(g.unions, digitUnion{headroom: w.even})
					progs, ids = append(progs, nil), append(ids, nil)
				}
				if n := len(ids[u]); n == 0 || ids[u][n-1] != int32(i) {
					progs[u], ids[u] = append(progs[u], c.prog), append(ids[u], int32(i))
				}
				if r := digitRouteOf(&w, u, len(c.keywords) > 0); !seen[r] {
					seen[r] = true
					routes = append(routes, r)
				}
			}
		}
	}
	for u := range g.unions {
		a, n := united(progs[u], ids[u])
		pool.register(a)
		g.unions[u].automaton, g.unions[u].apart = a, ids[u][n:]
	}
	g.group(gathered(routes, maxDigitGroups))
	return g
}

// united is an automaton of the first of some programs, all of them unless they tell more classes apart than one can have, and how
// many these are. Each by itself has few enough.
func united(progs []*syntax.Prog, rules []int32) (a *automaton, n int) {
	if a = newAutomaton(true, progs, rules); !a.tooManyClasses() {
		return a, len(progs)
	}
	n = sort.Search(len(progs), func(n int) bool { return newAutomaton(true, progs[:n+1], rules[:n+1]).tooManyClasses() })
	return newAutomaton(true, progs[:n], rules[:n]), n
}

// followed says what bytes may stand where a match goes on as a route does, and behind the route's end too: the planner cuts
// routes short where there are many.
func (a *automaton) followed(route []byteset, n int) []byteset {
	sets := make([]byteset, 0, n)
	threads := a.starts
	for len(sets) < n {
		w := walk{a: a, flags: ^syntax.EmptyOp(0)}
		a.pass++
		for _, pc := range threads {
			w.follow(pc)
		}
		if w.matched {
			break // whatever comes then
		}
		var set byteset
		threads = nil
		for _, pc := range w.found {
			bytes := a.bytesOf(a.insts[pc].runes)
			if i := len(sets); i < len(route) {
				bytes = bytes.both(route[i])
			}
			if bytes != (byteset{}) {
				threads = append(threads, a.insts[pc].out)
				set.union(bytes)
			}
		}
		sets = append(sets, set)
		if set.intersects(beyondASCII) {
			break // the next byte may be of the same character
		}
	}
	for i := len(sets); i < min(len(route), n); i++ {
		sets = append(sets, route[i])
	}
	return sets
}

var beyondASCII = func() (s byteset) { s.add(utf8.RuneSelf, 0xFF); return s }()

// bytesOf are the bytes that the characters of a set begin with.
func (a *automaton) bytesOf(runes uint32) (bytes byteset) {
	set := a.accepts[runes]
	for c, class := range a.ascii {
		if set.has(class) {
			bytes.add(byte(c), byte(c))
		}
	}
	if slices.ContainsFunc(a.class, set.has) {
		bytes.union(beyondASCII)
	}
	return bytes
}

func digitRouteOf(w *plannedRoute, union int, keyed bool) digitRoute {
	r := digitRoute{union: union, keyed: keyed}
	for i := range r.sets {
		switch at := w.even - digitsBack + i; {
		case at >= 0 && at < len(w.sets):
			r.sets[i] = w.sets[at]
		case at == -1 && (w.alone || w.even == 0): // with no byte before its first digit, a rule has a word boundary there
			r.sets[i] = aroundWords
		default:
			r.sets[i] = anyByte
		}
	}
	return r
}

// group enters the groups.
func (g *digitGate) group(groups []digitRoute) {
	for i, r := range groups {
		u := &g.unions[r.union]
		bit := uint64(1) << i
		g.of[i] = uint8(r.union)
		if r.keyed {
			g.keyed |= bit
		}
		u.groups |= bit
		g.shapes.add(bit, &r, u.headroom)
	}
}

// add says that what has a bit may be like a route.
func (s *digitShapes) add(bit uint64, r *digitRoute, headroom int) {
	if headroom == 0 {
		s.atText |= bit
	}
	for at := range r.sets {
		for b := range 256 {
			if r.sets[at].has(byte(b)) {
				s.fits[at][b] |= bit
			}
		}
	}
}

// numbers looks at the numbers that begin at some places, which it overwrites. No branch of the first stages depends on what is
// frequent in texts.
func (g *digitGate) numbers(f *Scratch, text string, places []int32) {
	if len(f.zones) > 0 {
		for _, d := range places {
			if rules := f.zones[d/zoneBytes]; rules != 0 {
				g.near.number(f, text, int(d), rules)
			}
		}
	}
	some := 0
	for _, d := range places {
		places[some] = d
		may := g.shapes.of(text, int(d))
		some += int((may | -may) >> 63)
	}
	for _, d := range places[:some] {
		g.number(f, text, int(d))
	}
}

// of is what the number that begins at d may be of.
func (s *digitShapes) of(text string, d int) uint64 {
	const back, look = digitsBack, digitsLook
	if d < back || d+look > len(text) {
		return s.atEdge(text, d)
	}
	t := text[d-back:][:back+look]
	// All at once: half the numbers would get through any part of it, and a processor can't guess which.
	return s.fits[0][t[0]] & s.fits[1][t[1]] & s.fits[2][t[2]] & s.fits[3][t[3]] & s.fits[4][t[4]] & s.fits[5][t[5]] &
		s.fits[6][t[6]] & s.fits[7][t[7]] & s.fits[8][t[8]] & s.fits[9][t[9]] & s.fits[10][t[10]]
}

// atEdge is of near an end of the text.
func (s *digitShapes) atEdge(text string, d int) uint64 {
	may := ^uint64(0)
	for i := max(0, d-digitsBack); i < min(d+digitsLook, len(text)); i++ {
		may &= s.fits[i-d+digitsBack][text[i]]
	}
	if d == 0 {
		may &= s.atText
	}
	return may
}

// number runs the unions that the number which begins at d may be of.
func (g *digitGate) number(f *Scratch, text string, d int) {
	may := g.shapes.of(text, d)
	if f.keyed {
		may &= g.keyed
	}
	for may != 0 {
		u := &g.unions[g.of[bits.TrailingZeros64(may)]]
		may &^= u.groups
		if at := d - u.headroom; at >= 0 {
			f.union(u.automaton, text, at)
			for _, rule := range u.apart {
				f.note(rule, at, at)
			}
		}
	}
}
