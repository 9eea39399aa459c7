package scan

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// gramGate finds places where a gram of some rule stands: four bytes, folded, at every second place of the text. It is
// the only thing that looks at all of a text, so it is kept to a handful of instructions a place: a multiplication, a
// bit of a bitmap. What gets through is compared byte by byte with the route that the gram stands for.
type gramGate struct {
	bitmap *[bitmapWords]uint64
	// second is for what gets through the first: a word with the two bytes behind it, or before it, or by itself where
	// neither pair is known.
	second *[secondWords]uint64
	// index[h>>shift] to index[h>>shift+1] are the entries of hash h and its neighbours.
	index   []uint32
	shift   uint
	entries []gramEntry
	probes  []probe
	sets    []byteset // distinct ones; probes refer to them
}

const (
	bitmapBits  = 22
	bitmapWords = 1 << bitmapBits / 64
	hashFactor  = 0x9E3779B1

	secondBits   = 20
	secondWords  = 1 << secondBits / 64
	secondFactor = 0x85EBCA6B

	foldWord = 0x20202020
	foldWide = foldWord<<32 | foldWord
)

type gramEntry struct {
	word  uint32
	probe int32
	at    int16 // where in the probe's route the word begins; -1: one byte before
	// The word so many bytes further on must be beside, as far as mask goes: most hits end here.
	side         int16
	beside, mask uint32
	pair         uint32 // for the second bitmap
}

// probe is a route of a rule, to compare the text with.
type probe struct {
	rule        int32
	sets        []uint32 // index of each byte's set
	least, most int32    // how far after the begin of a match the route stands
	prefix      uint32   // index of the set of what may stand between
	alone       bool     // no word character may stand before it
}

func gramHash(word uint32) uint32 { return word * hashFactor >> (32 - bitmapBits) }

// Beside which bytes of a word the second bitmap was told of.
const (
	noPair    = 0
	rightPair = 1 << 16
	leftPair  = 2 << 16
	startPair = 3 << 16 // no word character before
)

func secondHash(word, pair uint32) uint32 {
	return (word ^ pair*hashFactor) * secondFactor >> (32 - secondBits)
}

func (g *gramGate) passesSecond(word, pair uint32) bool {
	h := secondHash(word, pair)
	return g.second[h/64]>>(h%64)&1 != 0
}

// promising says whether an entry may be beside the bytes that it needs.
func (g *gramGate) promising(text string, at int, word uint32) bool {
	if at+gramBytes+2 <= len(text) && g.passesSecond(word, rightPair|uint32(text[at+4])|uint32(text[at+5])<<8|0x2020) {
		return true
	}
	if at >= 2 && g.passesSecond(word, leftPair|uint32(text[at-2])|uint32(text[at-1])<<8|0x2020) {
		return true
	}
	if (at == 0 || !isWord(text[at-1])) && g.passesSecond(word, startPair) {
		return true
	}
	return g.passesSecond(word, noPair)
}

// gateBuilder gathers what the gates need of all rules.
type gateBuilder struct {
	planner  *planner
	setIndex map[byteset]uint32
	gate     gramGate
}

// probeOf registers a route and gives its probe's index.
func (b *gateBuilder) probeOf(rule int32, p *plan, r *plannedRoute) int32 {
	ids := make([]uint32, len(r.sets))
	for i, s := range r.sets {
		ids[i] = b.setID(s)
	}
	b.gate.probes = append(b.gate.probes, probe{rule, ids, int32(p.least), int32(p.most), b.setID(p.prefix), r.alone})
	return int32(len(b.gate.probes) - 1)
}

func (b *gateBuilder) setID(s byteset) uint32 {
	id, known := b.setIndex[s]
	if !known {
		id = uint32(len(b.gate.sets))
		b.setIndex[s] = id
		b.gate.sets = append(b.gate.sets, s)
	}
	return id
}

func (b *gateBuilder) addGrams(rule int32, p *plan) {
	for i := range p.routes {
		r := &p.routes[i]
		id := b.probeOf(rule, p, r)
		for _, at := range [...]int{r.even, r.odd} {
			b.addWords(r, at, id)
		}
	}
}

// addWords enters every word that the route can have at a place.
func (b *gateBuilder) addWords(r *plannedRoute, at int, id int32) {
	sets := r.sets
	var gram [gramBytes]*foldedSet
	for i := range gram {
		set := anyByte
		if at+i < 0 && r.alone {
			set = aroundWords
		} else if j := at + i; j >= 0 && j < len(sets) {
			set = sets[j]
		}
		gram[i] = b.planner.fold(set)
	}
	e := gramEntry{probe: id, at: int16(at)}
	e.setBeside(b.planner, sets)
	if e.pair == noPair && at == 0 && r.alone {
		e.pair = startPair
	}
	for _, e.word = range gramWords(gram) {
		b.gate.entries = append(b.gate.entries, e)
	}
}

// setBeside chooses which of the neighbouring words to compare: the one of which more is known.
func (e *gramEntry) setBeside(pl *planner, sets []byteset) {
	for _, side := range [...]int{gramBytes, -gramBytes} {
		var word, mask uint32
		for i := range gramBytes {
			if j := int(e.at) + side + i; j >= 0 && j < len(sets) {
				if f := pl.fold(sets[j]); len(f.bytes) == 1 {
					word |= uint32(f.bytes[0]) << (8 * i)
					mask |= 0xFF << (8 * i)
				}
			}
		}
		if bits.OnesCount32(mask) > bits.OnesCount32(e.mask) {
			e.side, e.beside, e.mask = int16(side), word, mask
		}
	}
	known := func(j int) (c uint32, ok bool) {
		if j < 0 || j >= len(sets) {
			return 0, false
		}
		f := pl.fold(sets[j])
		return uint32(f.bytes[0]), len(f.bytes) == 1
	}
	for _, p := range [...]struct {
		at   int
		kind uint32
	}{{int(e.at) + gramBytes, rightPair}, {int(e.at) - 2, leftPair}} {
		a, first := known(p.at)
		b, second := known(p.at + 1)
		if first && second {
			e.pair = p.kind | a | b<<8
			return
		}
	}
}

// finish sorts the entries by hash.
func (b *gateBuilder) finish() gramGate {
	g := &b.gate
	if len(g.entries) == 0 {
		return *g
	}
	g.bitmap, g.second = new([bitmapWords]uint64), new([secondWords]uint64)
	g.shift = bitmapBits - uint(min(bitmapBits, bits.Len(uint(len(g.entries)))))
	slices.SortFunc(g.entries, func(a, b gramEntry) int { return int(gramHash(a.word)) - int(gramHash(b.word)) })
	g.entries = slices.Clip(g.entries)
	g.index = make([]uint32, 1<<(bitmapBits-g.shift)+1)
	for _, e := range g.entries {
		h := gramHash(e.word)
		g.bitmap[h/64] |= 1 << (h % 64)
		g.index[h>>g.shift+1]++
		second := secondHash(e.word, e.pair)
		g.second[second/64] |= 1 << (second % 64)
	}
	for i := range len(g.index) - 1 {
		g.index[i+1] += g.index[i]
	}
	return *g
}

// scan looks for grams that begin at an even place of text[from:to], both even, and are within the text.
func (g *gramGate) scan(f *Scratch, text string, from, to int) {
	m := g.bitmap
	i := from
	for ; i+8 <= to && i+12 <= len(text); i += 8 {
		t := text[i : i+12]
		x := load64(t) | foldWide
		w3 := uint32(x>>48) | (uint32(t[8])|uint32(t[9])<<8|0x2020)<<16
		w0, w1, w2 := uint32(x), uint32(x>>16), uint32(x>>32)
		h0, h1, h2, h3 := w0*hashFactor>>(32-bitmapBits), w1*hashFactor>>(32-bitmapBits), w2*hashFactor>>(32-bitmapBits), w3*hashFactor>>(32-bitmapBits)
		b0, b1, b2, b3 := m[h0/64]>>(h0%64), m[h1/64]>>(h1%64), m[h2/64]>>(h2%64), m[h3/64]>>(h3%64)
		if (b0|b1|b2|b3)&1 == 0 {
			continue
		}
		if b0&1 != 0 {
			g.hit(f, text, i, w0)
		}
		if b1&1 != 0 {
			g.hit(f, text, i+2, w1)
		}
		if b2&1 != 0 {
			g.hit(f, text, i+4, w2)
		}
		if b3&1 != 0 {
			g.hit(f, text, i+6, w3)
		}
	}
	for ; i < to && i+gramBytes <= len(text); i += 2 {
		g.test(f, text, i, load32(text[i:i+gramBytes])|foldWord)
	}
}

func (g *gramGate) test(f *Scratch, text string, at int, word uint32) {
	if h := gramHash(word); g.bitmap[h/64]>>(h%64)&1 != 0 {
		g.hit(f, text, at, word)
	}
}

// edge looks for grams that reach past the end of the text, for zero bytes there.
func (g *gramGate) edge(f *Scratch, text string) {
	n := len(text)
	for i := max((n-gramBytes+1)+(n-gramBytes+1)&1, 0); i < n; i += 2 {
		var end [gramBytes]byte
		copy(end[:], text[i:])
		g.test(f, text, i, binary.LittleEndian.Uint32(end[:])|foldWord)
	}
}

// hit compares what stands at a place with the routes that have the word there.
func (g *gramGate) hit(f *Scratch, text string, at int, word uint32) {
	if f.budget--; f.budget < 0 || !g.promising(text, at, word) {
		return
	}
	bucket := gramHash(word) >> g.shift
	for i := g.index[bucket]; i < g.index[bucket+1]; i++ {
		e := &g.entries[i]
		if e.word != word {
			continue
		}
		if e.mask != 0 {
			side := at + int(e.side)
			if side >= 0 && side+gramBytes <= len(text) && (load32(text[side:side+gramBytes])|foldWord)&e.mask != e.beside {
				f.budget--
				continue
			}
		}
		g.probe(f, text, at-int(e.at), e.probe)
	}
}

// probe notes the places where a match may begin if the text at start is the probe's route.
func (g *gramGate) probe(f *Scratch, text string, start int, id int32) {
	p := &g.probes[id]
	if start < 0 || start+len(p.sets) > len(text) || p.alone && start > 0 && isWord(text[start-1]) {
		return
	}
	t := text[start : start+len(p.sets)]
	for i, id := range p.sets {
		c := t[i]
		if g.sets[id][c>>6]>>(c&63)&1 == 0 {
			return
		}
	}
	f.note(p.rule, f.reach(&g.sets[p.prefix], text, start, int(p.least), int(p.most)), start-int(p.least))
}

// reach is the leftmost place where a match may begin whose prefix, of least to most bytes of a set, ends at start.
func (f *Scratch) reach(prefix *byteset, text string, start, least, most int) int {
	if least == most {
		return start - most
	}
	from := start
	for stop := max(start-most, 0); from > stop && prefix.has(text[from-1]); {
		from--
	}
	if from == 0 && most >= unbounded {
		f.overran = f.overran || f.cut
	}
	f.budget -= (start - from) / 4
	return from
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
