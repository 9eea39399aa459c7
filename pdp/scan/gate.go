package scan

import (
	"encoding/binary"
	"unicode/utf8"
)

// gramGate finds places where a gram of some rule stands: four bytes, folded, at every second place of the text. It is
// the only thing that looks at all of a text, so it is kept to a handful of instructions a place: a multiplication, a
// bit of a bitmap. What gets through is sifted by the bytes around the gram, then compared with fifteen bytes of its route,
// as far as they are known, and what then is left with the rest of its pattern.
type gramGate struct {
	bitmap  *[bitmapWords]uint64
	buckets *[buckets + 1]gramBucket // by hash; the last is none
	slots   []gramSlot
	probes  []probe
	checks  []routeCheck // by probe
	// letters has, by probe, how many bytes the route begins with that folding leaves no choice about. It is apart from the probes,
	// for all that a gate needs of most of them.
	letters []uint8
	sets    []byteset // distinct ones; probes refer to them
	tails   tails

	mostHits int // that compare writes
}

const (
	bitmapBits  = 21
	bitmapWords = 1 << bitmapBits / 64
	hashFactor  = 0x9E3779B1

	bucketBits = 16
	buckets    = 1 << bucketBits

	foldWord = 0x20202020
	foldWide = foldWord<<32 | foldWord
)

// gramSlot is a gram of a route.
type gramSlot struct {
	// tag is the part of the gram's hash that its bucket does not tell. Both together tell the gram, for no two have the same
	// hash.
	tag   uint16
	at    int16 // where in the probe's route the gram begins; -1: one byte before
	probe int32
}

// probe is a route of a rule, to compare the text with.
type probe struct {
	rule        int32
	tail        int32    // of its pattern, or noTail: the route is all there is
	least, most int32    // how far after the begin of a match the route stands
	sets        []uint32 // index of each byte's set
	prefix      uint32   // index of the set of what may stand between
	alone       bool     // no word character may stand before it
}

func gramHash(word uint32) uint32 { return word * hashFactor }

// gramBit is its bit of the bitmap.
func gramBit(word uint32) uint32 { return word * hashFactor >> (32 - bitmapBits) }

// gateBuilder gathers what the gates need of all rules.
type gateBuilder struct {
	planner  *planner
	setIndex map[byteset]uint32
	hashes   []uint32 // of the slots
	gate     gramGate
}

// probeOf registers a route and gives its probe's index.
func (b *gateBuilder) probeOf(rule int32, p *plan, r *plannedRoute, tail int32) int32 {
	ids := make([]uint32, len(r.sets))
	for i, s := range r.sets {
		ids[i] = b.setID(s)
	}
	b.gate.probes = append(b.gate.probes, probe{
		rule: rule, tail: tail, least: int32(p.least), most: int32(p.most), sets: ids, prefix: b.setID(p.prefix), alone: r.alone,
	})
	letters := untold
	if tail != noTail {
		letters = b.letters(r.sets)
	}
	b.gate.letters = append(b.gate.letters, letters)
	b.gate.checks = append(b.gate.checks, routeCheck{})
	return int32(len(b.gate.probes) - 1)
}

// letters counts the ASCII at the begin of a route that is known once it is folded.
func (b *gateBuilder) letters(sets []byteset) uint8 {
	for i, s := range sets[:min(len(sets), maxLetters)] {
		if len(b.planner.fold(s).bytes) != 1 || s.least() >= utf8.RuneSelf || s.intersects(aroundWords) && s.intersects(wordBytes) {
			return uint8(i)
		}
	}
	return uint8(min(len(sets), maxLetters))
}

const (
	// maxLetters is so small that a check of the route compares them all.
	maxLetters = 6
	untold     = uint8(255) // there is no tail behind them
)

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
	t := b.gate.tails.add(p)
	var a *ahead
	if p.nodes != nil {
		a = newAhead(p.nodes)
	}
	for i := range p.routes {
		r := &p.routes[i]
		id := b.probeOf(rule, p, r, t)
		known := r.sets
		if a != nil {
			known = a.behind(r.sets)
		}
		b.gate.checks[id] = checkOf(known, r.alone)
		for _, at := range [...]int{r.even, r.odd} {
			b.addWords(r, known, at, id)
		}
	}
}

// addWords enters every word that the route can have at a place; sets are what is known of the text from its begin on.
func (b *gateBuilder) addWords(r *plannedRoute, sets []byteset, at int, id int32) {
	var gram [gramBytes]*foldedSet
	for i := range gram {
		set := anyByte
		if at+i < 0 && r.alone {
			set = aroundWords
		} else if j := at + i; j >= 0 && j < len(r.sets) {
			set = sets[j]
		}
		gram[i] = b.planner.fold(set)
	}
	cells := cellsOf(r, sets, at)
	for _, word := range gramWords(&gram) {
		h := gramHash(word)
		b.hashes = append(b.hashes, h)
		b.gate.slots = append(b.gate.slots, gramSlot{tag: uint16(h), at: int16(at), probe: id})
		b.gate.add(h, cells)
	}
}

// finish gives the gate.
func (b *gateBuilder) finish() *gramGate {
	g := &b.gate
	g.tails.probes = len(g.probes)
	g.sortSlots(b.hashes)
	b.planner, b.setIndex, b.hashes = nil, nil, nil // the gate is part of the builder, and would keep them alive
	return g
}

// sortSlots sorts the slots by hash, of which these are, and tells the buckets.
func (g *gramGate) sortSlots(hashes []uint32) {
	for _, h := range hashes {
		g.buckets[h>>(32-bucketBits)].first++
	}
	end, most := uint32(0), uint32(0)
	for i := range g.buckets {
		most = max(most, g.buckets[i].first)
		end += g.buckets[i].first
		g.buckets[i].first = end
	}
	sorted := make([]gramSlot, len(g.slots))
	for i, h := range hashes {
		at := &g.buckets[h>>(32-bucketBits)].first
		*at--
		sorted[*at] = g.slots[i]
	}
	g.slots, g.mostHits = sorted, enoughHits+int(most)+vectorSlots
}

// gramBatch is how many bytes of a text go through the stages of the gate at a time. Each stage goes through all that the
// one before it let through: a processor that waits for memory on behalf of one place, or has guessed wrong whether it
// gets through, is at work on the next ones by then.
const gramBatch = 8192

// gramWork is what is between the stages.
type gramWork struct {
	places [gramBatch]int32 // half as many are ever used; the index never leaves it
	hits   []gramHit
	runs   tailRuns
}

// gramHit is a place where the route of a probe may begin. The assembly knows how it lies in memory.
type gramHit struct{ start, probe int32 }

// enoughHits is how many hits go on to the next stage before more are looked for. It bounds what a text can make the stages
// keep, what it can spend before anybody looks at its budget, and for how long no loop of assembly gives way to the collector.
const enoughHits = 4096

// vectorSlots is how many slots of a bucket are compared at a time where that is possible.
const vectorSlots = 8

// scan looks for grams, and for characters beyond ASCII, in all of a text.
func (g *gramGate) scan(f *Scratch, leads *leadGate, text string) {
	for from := 0; from < len(text) && f.budget >= 0; from += gramBatch {
		end := min(from+gramBatch, len(text))
		n, wide := g.mark(&f.grams, text, from, end)
		f.budget -= n
		n = g.sift(&f.grams, text, n)
		for at := 0; at < n && f.budget >= 0; { // once, unless a gram is that of very many patterns
			at = g.compare(&f.grams, text, at, n)
			f.budget -= len(f.grams.hits)
			g.check(&f.grams, text)
			g.probeAll(f, text)
		}
		if wide && leads.pairs != nil {
			leads.scan(f, g, text, from, end)
		}
	}
}

// mark gathers the even places of text[from:to] at which the bitmap knows the gram, and says how many there are, and whether
// not all of it is ASCII.
func (g *gramGate) mark(w *gramWork, text string, from, to int) (n int, wide bool) {
	if hasVectors && to-from <= gramBatch {
		var high, highAtEnd uint32
		n, from, high = markVectors(g.bitmap, text, from, to, 0, &w.places)
		if last := from - (from+markReach-len(text)+1)&^1; to == len(text) && last >= 0 && to-from > markAlone {
			// The end is marked by a whole block, which is quicker, but for what has been marked already.
			known, left := n, from
			n, from, highAtEnd = markVectors(g.bitmap, text, last, to, n, &w.places)
			again := known
			for again < n && int(w.places[again]) < left {
				again++
			}
			n = known + copy(w.places[known:], w.places[again:n])
		}
		wide = high|highAtEnd != 0
	}
	n, beyond := markPlaces(g.bitmap, text, from, to, n, &w.places)
	return n, wide || beyond
}

const (
	markReach = 34 // bytes that a block of markVectors has, with the two behind it
	markAlone = 8  // bytes that are marked by themselves as quickly
)

// markPlaces is mark, where n places are known already. What it gathers is what mark means.
func markPlaces(m *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32) (marked int, wide bool) {
	i, all := from, uint64(0)
	for ; i+8 <= to && i+10 <= len(text); i += 8 {
		t := text[i : i+10]
		x := load64(t) | foldWide
		all |= x
		w3 := uint32(x>>48) | (uint32(t[8])|uint32(t[9])<<8|0x2020)<<16
		k0, k1, k2, k3 := gramBit(uint32(x)), gramBit(uint32(x>>16)), gramBit(uint32(x>>32)), gramBit(w3)
		// No branch: in ordinary text one would be wrong every other time.
		places[n&(gramBatch-1)] = int32(i)
		n += int(m[k0/64] >> (k0 % 64) & 1)
		places[n&(gramBatch-1)] = int32(i + 2)
		n += int(m[k1/64] >> (k1 % 64) & 1)
		places[n&(gramBatch-1)] = int32(i + 4)
		n += int(m[k2/64] >> (k2 % 64) & 1)
		places[n&(gramBatch-1)] = int32(i + 6)
		n += int(m[k3/64] >> (k3 % 64) & 1)
	}
	for ; i < to; i += 2 {
		x := loadAcross(text, i)
		all |= x
		k := gramBit(uint32(x) | foldWord)
		places[n&(gramBatch-1)] = int32(i)
		n += int(m[k/64] >> (k % 64) & 1)
	}
	return n, all&highBits != 0
}

// compare finds the slots of the grams at places[from:to], or at the first of these if there are many: it says where it stopped.
func (g *gramGate) compare(w *gramWork, text string, from, to int) (stopped int) {
	if cap(w.hits) < g.mostHits {
		w.hits = make([]gramHit, g.mostHits)
	}
	w.hits = w.hits[:g.mostHits]
	stopped, found := from, 0
	if hasVectors {
		whole := to // without those at the end of the text
		for whole > from && int(w.places[whole-1])+gramBytes > len(text) {
			whole--
		}
		stopped, found = compareVectors(g.buckets, g.slots, text, &w.places, from, whole, w.hits)
	}
	stopped, found = g.comparePlaces(&w.places, text, stopped, to, w.hits, found)
	w.hits = w.hits[:found]
	return stopped
}

// comparePlaces is compare, place by place, where some hits are found already. What it finds is what compare means.
func (g *gramGate) comparePlaces(places *[gramBatch]int32, text string, from, to int, hits []gramHit, found int) (stopped, all int) {
	for ; from < to && found < enoughHits; from++ {
		place := places[from]
		var word uint32
		if at := int(place); at+gramBytes <= len(text) {
			word = load32(text[at : at+gramBytes])
		} else {
			word = uint32(loadAcross(text, at))
		}
		h := gramHash(word | foldWord)
		b := h >> (32 - bucketBits)
		slots := g.slots[g.buckets[b].first:g.buckets[b+1].first]
		for i := range slots {
			s := &slots[i]
			hits[found] = gramHit{place - int32(s.at), s.probe}
			found += int((uint32(s.tag^uint16(h)) - 1) >> 31) // no branch: 1 if they are the same
		}
	}
	return from, found
}

// loadAcross is load64 where not all bytes are of the text: the others are zero.
func loadAcross(text string, from int) uint64 {
	var b [8]byte
	if from < 0 {
		copy(b[-from:], text)
	} else {
		copy(b[:], text[min(from, len(text)):])
	}
	return binary.LittleEndian.Uint64(b[:])
}

// probe notes the places where a match may begin if the text at start is the probe's route, and goes on as its pattern does.
func (g *gramGate) probe(f *Scratch, text string, start int, id int32) {
	p := &g.probes[id]
	if start < 0 || start+len(p.sets) > len(text) || p.alone && start > 0 && isWord(text[start-1]) {
		return
	}
	t := text[start : start+len(p.sets)]
	for i, id := range p.sets {
		if !g.sets[id].has(t[i]) {
			return
		}
	}
	if p.tail == noTail || g.tails.fits(f, g, text, start, id, false) {
		g.found(f, text, start, p)
	}
}

// tailEnd is how far a text is looked at for the tail of a probe whose route begins at a place.
func (g *gramGate) tailEnd(text string, start int, id int32) int {
	return min(start+int(g.tails.followed[g.probes[id].tail]), len(text))
}

// found notes the places where a match may begin of which a probe stands at a place.
func (g *gramGate) found(f *Scratch, text string, start int, p *probe) {
	f.note(p.rule, f.reach(&g.sets[p.prefix], text, start, int(p.least), int(p.most), p.tail), start-int(p.least))
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
