package scan

import "strings"

// leadGate finds rules that need a character beyond ASCII: by the pair of bytes that such a character begins with.
type leadGate struct {
	pairs   *[1 << 16 / 64]uint64
	entries map[uint16]*leadEntries
}

// leadEntries are the routes with a pair.
type leadEntries struct {
	third  byteset // that may stand behind it in any of them: a dash and a character that nobody sees begin alike
	routes []leadEntry
}

type leadEntry struct {
	probe int32
	at    int32
}

func (g *leadGate) add(b *gateBuilder, rule int32, p *plan) {
	if g.pairs == nil {
		g.pairs = new([1 << 16 / 64]uint64)
		g.entries = make(map[uint16]*leadEntries)
	}
	t := b.gate.tails.add(p.nodes)
	for i := range p.routes {
		w := &p.routes[i]
		id := b.probeOf(rule, p, w, t)
		third := anyByte
		if i := w.even + 2; i < len(w.sets) {
			third = w.sets[i]
		}
		for first := range w.sets[w.even].all() {
			for second := range w.sets[w.even+1].all() {
				pair := uint16(first)<<8 | uint16(second)
				g.pairs[pair/64] |= 1 << (pair % 64)
				e := g.entries[pair]
				if e == nil {
					e = &leadEntries{}
					g.entries[pair] = e
				}
				e.third.union(third)
				e.routes = append(e.routes, leadEntry{id, int32(w.even)})
			}
		}
	}
}

// scan looks at the characters that begin in text[from:to].
func (g *leadGate) scan(f *Scratch, grams *gramGate, text string, from, to int) {
	const high = 0x8080808080808080
	for i := from; i < to; {
		if i+8 <= len(text) && load64(text[i:i+8])&high == 0 {
			i += 8
			continue
		}
		end := min(i+8, to)
		for ; i < end; i++ {
			if text[i] < 0xC2 || i+1 == len(text) {
				continue
			}
			pair := uint16(text[i])<<8 | uint16(text[i+1])
			if g.pairs[pair/64]>>(pair%64)&1 == 0 {
				continue
			}
			entries, third := g.entries[pair], byte(0)
			if i+2 < len(text) {
				third = text[i+2]
			}
			if !entries.third.has(third) {
				f.budget--
				continue
			}
			for _, e := range entries.routes {
				grams.probe(f, text, i-int(e.at), e.probe)
			}
			f.budget -= 4 + len(entries.routes)
		}
	}
}

// byteGate finds rules that need the rare byte.
type byteGate struct{ probes []int32 }

func (g *byteGate) add(b *gateBuilder, rule int32, p *plan) {
	// What all routes begin with; the tail tells the rest.
	at := plannedRoute{sets: []byteset{rareByteSet}}
	g.probes = append(g.probes, b.probeOf(rule, p, &at, b.gate.tails.add(p.nodes)))
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
