package scan

import (
	"math/bits"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// digitGate finds the rules that begin with a digit, or soon come to one. Such rules have no gram that is rare. At each
// number it looks at three bytes before and at eight from there on, all at once for groups of routes that are alike, and then runs
// the union automaton of those rules of which some route fits.
type digitGate struct {
	// fits has, for the bytes before the first digit, that digit and those behind it, the groups that may have each byte there.
	fits   [digitsBack + digitsLook][256]uint64
	atText uint64 // the groups that a number at the begin of a text may be of
	unions []digitUnion
	of     [maxDigitGroups]uint8 // the union of each group
	near   uint64                // the groups of rules that count near their words only
	words  []digitWatch
}

// digitUnion is all rules with so many bytes before their first digit, those that count near their words only or the others.
type digitUnion struct {
	automaton *automaton
	headroom  int
	watched   bool
	groups    uint64
}

// digitWatch is the watch of a rule: its numbers begin at most so far in front of a word that it saw, or behind one.
type digitWatch struct {
	watch          int32
	before, behind int
}

const (
	// digitsLook is how many bytes from a number's begin on are looked at before an automaton runs. Most numbers are short.
	digitsLook     = 8
	digitsBack     = 3 // and how many before
	maxDigitGroups = 64
)

// zones are the stretches of a text, of zoneBytes each, in which numbers count that do near their words only: a bit for each.
type zones []uint64

const zoneBytes = 64

// room makes room for the zones of so many bytes, none of them set.
func (z zones) room(bytes int) zones {
	n := bytes/(64*zoneBytes) + 1
	z = slices.Grow(z[:0], n)[:n]
	clear(z)
	return z
}

// set sets the zones of the bytes from one to another, both included.
func (z zones) set(from, to int) {
	first, last := uint(from)/zoneBytes, uint(to)/zoneBytes
	for i := first / 64; i <= last/64; i++ {
		bits := ^uint64(0)
		if i == first/64 {
			bits <<= first % 64
		}
		if i == last/64 {
			bits &= ^uint64(0) >> (63 - last%64)
		}
		z[i] |= bits
	}
}

// has says whether a byte is in a zone that is set.
func (z zones) has(at int) bool { return z[uint(at)/(64*zoneBytes)]>>(uint(at)/zoneBytes%64)&1 != 0 }

func (g *digitGate) used() bool { return len(g.unions) > 0 }

// digitRoute is what the gate looks at of a route, and its union.
type digitRoute struct {
	union int
	sets  [digitsBack + digitsLook]byteset
}

func newDigitGate(pool *statePool, rules []*compiled) *digitGate {
	g := new(digitGate)
	var progs [][]*syntax.Prog
	var ids [][]int32
	var routes []digitRoute
	seen := make(map[digitRoute]bool)
	for i, c := range rules {
		watched := false
		for _, p := range c.plans {
			if p.kind != planDigits {
				continue
			}
			watched = c.watch >= 0 && len(c.filter.words) > 0 && c.longest < unbounded
			for _, w := range p.routes {
				u := slices.IndexFunc(g.unions, func(u digitUnion) bool { return u.headroom == w.even && u.watched == watched })
				if u < 0 {
					u = len(g.unions)
					g.unions = append(g.unions, digitUnion{headroom: w.even, watched: watched})
					progs, ids = append(progs, nil), append(ids, nil)
				}
				if n := len(ids[u]); n == 0 || ids[u][n-1] != int32(i) {
					progs[u], ids[u] = append(progs[u], c.prog), append(ids[u], int32(i))
				}
				w.sets = c.dfa.followed(w.sets, w.even+digitsLook)
				if r := digitRouteOf(&w, u); !seen[r] {
					seen[r] = true
					routes = append(routes, r)
				}
			}
		}
		if watched {
			g.words = append(g.words, watchOf(c))
		}
	}
	for u := range g.unions {
		g.unions[u].automaton = newAutomaton(true, progs[u], ids[u])
		pool.register(g.unions[u].automaton)
	}
	g.group(gathered(routes, maxDigitGroups))
	return g
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

// watchOf is how far from its words a rule's numbers count.
func watchOf(c *compiled) digitWatch {
	return digitWatch{c.watch, c.reach() + c.longest, c.reach() + maxHeadroom}
}

func digitRouteOf(w *plannedRoute, union int) digitRoute {
	r := digitRoute{union: union}
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
		u.groups |= bit
		if u.headroom == 0 {
			g.atText |= bit
		}
		if u.watched {
			g.near |= bit
		}
		for at := range r.sets {
			for b := range 256 {
				if r.sets[at].has(byte(b)) {
					g.fits[at][b] |= bit
				}
			}
		}
	}
}

// begin gathers where numbers count only because of words there.
func (g *digitGate) begin(f *Scratch, text string) {
	f.zones = f.zones[:0]
	if !f.heard {
		return
	}
	f.zones = f.zones.room(len(text))
	for i := range g.words {
		w := &g.words[i]
		last := f.last[w.watch]
		if last.epoch != f.epoch {
			continue
		}
		for at := last.index; at >= 0; {
			c := f.candidates[at]
			from, to := max(int(c.from)-w.before, 0), min(int(c.to)+w.behind, len(text)-1)
			f.zones.set(from, to)
			f.budget -= 2 + (to-from)/(64*zoneBytes)
			at = c.before
		}
	}
}

// numbers looks at the numbers that begin in the batch at a place. As in the gram gate, no branch of the first stages depends on
// what is frequent in texts.
func (g *digitGate) numbers(f *Scratch, text string, from int) {
	w := &f.marks
	n := 0
	for i := range w.used {
		digits, at := w.blocks[i+1][digitMarks], from+i*blockBytes
		starts := digits &^ (digits<<1 | w.blocks[i][digitMarks]>>63)
		// Nearly all blocks have two at most.
		for range 2 {
			w.places[n] = int32(at + bits.TrailingZeros64(starts))
			n += int((starts | -starts) >> 63)
			starts &= starts - 1
		}
		for ; starts != 0; starts &= starts - 1 {
			w.places[n] = int32(at + bits.TrailingZeros64(starts))
			n++
		}
	}
	groups := ^uint64(0)
	if len(f.zones) == 0 {
		groups = ^g.near
	}
	some := 0
	for _, d := range w.places[:n] {
		w.places[some] = d
		may := g.groups(text, int(d)) & groups
		some += int((may | -may) >> 63)
	}
	for _, d := range w.places[:some] {
		g.number(f, text, int(d), groups)
	}
}

// groups are those that the number that begins at d may be of.
func (g *digitGate) groups(text string, d int) uint64 {
	const back, look = digitsBack, digitsLook
	if d < back || d+look > len(text) {
		return g.groupsAtEdge(text, d)
	}
	t := text[d-back : d+look]
	// All at once: half the numbers would get through any part of it, and a processor can't guess which.
	return g.fits[0][t[0]] & g.fits[1][t[1]] & g.fits[2][t[2]] & g.fits[3][t[3]] & g.fits[4][t[4]] & g.fits[5][t[5]] &
		g.fits[6][t[6]] & g.fits[7][t[7]] & g.fits[8][t[8]] & g.fits[9][t[9]] & g.fits[10][t[10]]
}

// groupsAtEdge is groups near an end of the text.
func (g *digitGate) groupsAtEdge(text string, d int) uint64 {
	may := ^uint64(0)
	for i := max(0, d-digitsBack); i < min(d+digitsLook, len(text)); i++ {
		may &= g.fits[i-d+digitsBack][text[i]]
	}
	if d == 0 {
		may &= g.atText
	}
	return may
}

// number looks at the number that begins at d, which may be of some groups.
func (g *digitGate) number(f *Scratch, text string, d int, may uint64) {
	may &= g.groups(text, d)
	if may&g.near != 0 && !f.zones.has(d) {
		may &^= g.near
	}
	for may != 0 {
		u := &g.unions[g.of[bits.TrailingZeros64(may)]]
		may &^= u.groups
		if d >= u.headroom {
			f.union(u.automaton, text, d-u.headroom)
		}
	}
}
