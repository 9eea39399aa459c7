package scan

import "math/bits"

// gramBucket has what is known of the grams whose hashes begin alike.
type gramBucket struct {
	// cells have the bits of the pairs of bytes that may stand beside one of the grams: just before it, just behind it, and
	// behind that. A gram of which that is not known has a bit by itself.
	cells [siftPairs]uint32
	first uint32 // its first slot; the last is before the first one of the next bucket
}

const (
	siftBefore = iota
	siftBehind
	siftBeyond
	siftPairs
)

// sifting has what a byte makes of the bit of a pair, as the first or the second of it: some five bits each, which are
// joined by an exclusive or. Behind a gram, letters are of one case and all blanks are one. Before it, all that are no word
// character are one too, and what stands before such a one does not matter: that is what most patterns want there.
type sifting struct {
	first, second [256]uint8
	matters       [256]uint8 // of the first byte's bits, by the second
}

var siftedBefore, siftedBehind = func() (before, behind sifting) {
	for b := range 256 {
		c := byte(b)
		kind := c
		switch {
		case isWord(c):
			kind = foldByte(c)
			before.matters[c] = 31
		case blanks.has(c):
			kind = ' '
		}
		behind.first[c], behind.second[c], behind.matters[c] = scatter(kind, 1), scatter(kind, 2), 31
		if !isWord(c) {
			kind = 0
		}
		before.first[c], before.second[c] = scatter(kind, 3), scatter(kind, 4)
	}
	return before, behind
}()

// scatter gives five bits for a byte. Letters that follow one another have different ones.
func scatter(b byte, way uint32) uint8 {
	return uint8((uint32(b) + way<<8) * 0x9E3779B1 >> 27)
}

// bit is the bit of a pair in a cell.
func (s *sifting) bit(first, second byte) uint32 {
	return uint32(s.first[first]&s.matters[second]^s.second[second]) & 31
}

// blanks are those of \s.
var blanks = func() (s byteset) { s.add('\t', '\n'); s.add('\f', '\r'); s.add(' ', ' '); return s }()

// cellsOf are the pairs that may stand beside a route's gram at a place.
func cellsOf(r *plannedRoute, sets []byteset, at int) (cells [siftPairs]uint32) {
	get := func(i int) byteset {
		switch {
		case i >= 0 && i < len(sets):
			return sets[i]
		case i == -1 && r.alone:
			return aroundWords
		}
		return anyByte
	}
	cells[siftBefore] = siftedBefore.cell(get(at-2), get(at-1))
	cells[siftBehind] = siftedBehind.cell(get(at+gramBytes), get(at+gramBytes+1))
	cells[siftBeyond] = siftedBehind.cell(get(at+gramBytes+2), get(at+gramBytes+3))
	return cells
}

// cell has the bits of all pairs of two sets, or none if there are so many that they tell little.
func (s *sifting) cell(first, second byteset) (cell uint32) {
	firsts := uint32(0) // the first bytes that there are, by their bits
	for a := range first.all() {
		firsts |= 1 << s.first[a]
	}
	var seen [2]uint32 // the second ones, by theirs, those that the first matters to apart
	for b := range second.all() {
		done := &seen[s.matters[b]&1]
		if *done>>s.second[b]&1 != 0 {
			continue
		}
		*done |= 1 << s.second[b]
		for left := firsts; left != 0; left &= left - 1 {
			cell |= 1 << (uint8(bits.TrailingZeros32(left))&s.matters[b] ^ s.second[b])
		}
	}
	if bits.OnesCount32(cell) > maxPairs {
		return 0
	}
	return cell
}

// A gram's own bits are those of its hash that neither the bitmap nor the buckets look at.
func loneBit(hash uint32) uint32 { return hash >> 6 & 31 }
func turnOf(hash uint32) uint32  { return hash >> 1 & 31 }

// add enters a gram.
func (g *gramGate) add(hash uint32, cells [siftPairs]uint32) {
	bit := hash >> (32 - bitmapBits)
	g.bitmap[bit/64] |= 1 << (bit % 64)
	bucket := &g.buckets[hash>>(32-bucketBits)]
	for i, cell := range cells {
		if cell == 0 {
			bucket.cells[i] |= 1 << loneBit(hash)
		}
		for ; cell != 0; cell &= cell - 1 {
			bucket.cells[i] |= 1 << (uint32(bits.TrailingZeros32(cell)) ^ turnOf(hash))
		}
	}
}

// sift keeps of the first n places those where the bytes around the gram are such as it has.
func (g *gramGate) sift(w *gramWork, text string, n int) (kept int) {
	buckets := g.buckets
	for _, at := range w.places[:n] {
		w.places[kept&(gramBatch-1)] = at
		from := int(at) - siftBack
		if from < 0 || from+siftBack+slotBytes > len(text) {
			kept++ // at an end of the text, a few times: the next stage looks closer
			continue
		}
		t := text[from : from+siftBack+slotBytes]
		h := gramHash(load32(t[siftBack:]) | foldWord)
		b := &buckets[h>>(32-bucketBits)]
		lone, turn := loneBit(h), turnOf(h)
		before, behind, beyond := b.cells[siftBefore], b.cells[siftBehind], b.cells[siftBeyond]
		kept += int((before>>lone | before>>((siftedBefore.bit(t[0], t[1])^turn)&31)) &
			(behind>>lone | behind>>((siftedBehind.bit(t[6], t[7])^turn)&31)) &
			(beyond>>lone | beyond>>((siftedBehind.bit(t[8], t[9])^turn)&31)) & 1)
	}
	return kept
}

// siftBack is how many bytes before a gram are looked at.
const siftBack = 2
