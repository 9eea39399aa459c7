package scan

import (
	"slices"
	"strings"
)

// leadGate finds rules that need a character beyond ASCII: by the pair of bytes that such a character begins with.
type leadGate struct {
	pairs   *[1 << 12]uint16 // the entries of a pair, counted from one, or 0
	entries []leadEntries
	routes  [][]leadRoute // by entries, until these are finished
}

// leadEntries are the routes with a pair, by what stands behind it: a dash and a character that nobody sees begin alike.
type leadEntries struct {
	by    [256]uint8 // which of the lists a byte has
	lists [][]leadEntry
}

type leadEntry struct{ probe, at int32 }

// leadRoute is an entry for the bytes that may stand behind its pair.
type leadRoute struct {
	leadEntry
	third byteset
}

// probeSteps is about what it takes to try a route.
const probeSteps = 3

// pairOf tells apart what UTF-8 has of pairs that begin a character; those of others are nobody's.
func pairOf(first, second byte) uint16 { return uint16(first&0x3F)<<6 | uint16(second&0x3F) }

func (g *leadGate) add(b *gateBuilder, rule int32, p *plan) {
	if g.pairs == nil {
		g.pairs = new([1 << 12]uint16)
	}
	t := b.gate.tails.add(p)
	for i := range p.routes {
		w := &p.routes[i]
		id := b.probeOf(rule, p, w, t)
		third := anyByte
		if i := w.even + 2; i < len(w.sets) {
			third = w.sets[i]
		}
		for first := range w.sets[w.even].all() {
			for second := range w.sets[w.even+1].all() {
				of := &g.pairs[pairOf(first, second)]
				if *of == 0 {
					g.routes = append(g.routes, nil)
					*of = uint16(len(g.routes)) // #nosec G115 -- there are no more than pairs
				}
				g.routes[*of-1] = append(g.routes[*of-1], leadRoute{leadEntry{id, int32(w.even)}, third})
			}
		}
	}
}

// finish makes the entries.
func (g *leadGate) finish() {
	g.entries = make([]leadEntries, len(g.routes))
	var list []leadEntry
	for i, routes := range g.routes {
		e := &g.entries[i]
		for b := range e.by {
			list = list[:0]
			for _, r := range routes {
				if r.third.has(byte(b)) {
					list = append(list, r.leadEntry)
				}
			}
			at := slices.IndexFunc(e.lists, func(l []leadEntry) bool { return slices.Equal(l, list) })
			if at < 0 {
				at = len(e.lists)
				e.lists = append(e.lists, slices.Clone(list))
			}
			e.by[b] = uint8(at) // #nosec G115 -- there are no more than bytes
		}
	}
	g.routes = nil
}

// scan looks at the characters that begin in text[from:to].
func (g *leadGate) scan(f *Scratch, grams *gramGate, text string, from, to int) {
	for i := from; i < to; {
		if i = pastASCII(text, i, to); i >= to {
			return
		}
		for end := min(i+8, to); i < end; i++ {
			if text[i] < 0xC2 || i+1 == len(text) {
				continue
			}
			of := g.pairs[pairOf(text[i], text[i+1])]
			if of == 0 {
				continue
			}
			e, third := &g.entries[of-1], byte(0)
			if i+2 < len(text) {
				third = text[i+2]
			}
			if routes := e.lists[e.by[third]]; len(routes) > 0 {
				look(f, grams, text, i, routes)
			} else {
				f.budget--
			}
		}
	}
}

// look tries some routes of the pair at a place.
func look(f *Scratch, grams *gramGate, text string, at int, routes []leadEntry) {
	f.budget -= 2 + probeSteps*len(routes)
	for _, r := range routes {
		grams.probe(f, text, at-int(r.at), r.probe)
	}
}

// pastASCII goes on from a place by eights of bytes to the first that are not all ASCII, or may not be for the text ends there,
// or past an end.
func pastASCII(text string, from, to int) int {
	for ; from < to && from+64 <= len(text); from += 64 {
		t := text[from : from+64]
		if (load64(t)|load64(t[8:])|load64(t[16:])|load64(t[24:])|load64(t[32:])|load64(t[40:])|load64(t[48:])|load64(t[56:]))&highBits != 0 {
			break
		}
	}
	for from < to && from+8 <= len(text) && load64(text[from:from+8])&highBits == 0 {
		from += 8
	}
	return from
}

// byteGate finds rules that need the rare byte.
type byteGate struct{ probes []int32 }

func (g *byteGate) add(b *gateBuilder, rule int32, p *plan) {
	// What all routes begin with; the tail tells the rest.
	at := plannedRoute{sets: []byteset{rareByteSet}}
	g.probes = append(g.probes, b.probeOf(rule, p, &at, b.gate.tails.add(p)))
}

// scan looks at text[from:to].
func (g *byteGate) scan(f *Scratch, grams *gramGate, text string, from, to int) {
	for {
		i := strings.IndexByte(text[from:to], rareByte)
		if i < 0 {
			return
		}
		for _, id := range g.probes {
			grams.probe(f, text, from+i, id)
		}
		f.budget -= len(g.probes)
		from += i + 1
	}
}
