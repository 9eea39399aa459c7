package scan

import (
	"math/bits"
	"unicode/utf8"
)

// gramBucket has what is known of the grams whose hashes begin alike. The assembly knows how it lies in memory.
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

// siftKinds has what a byte counts as in a pair. Behind a gram, letters are of one case and all blanks are one. Before it, all
// that are no word character are one too, the zero, and what stands before such a one does not matter: that is what most
// patterns want there. Whatever is not ASCII is zero. The assembly knows how it lies in memory.
type siftKinds struct{ before, behind [256]uint8 }

var kindsBeside = func() (kinds siftKinds) {
	for b := range utf8.RuneSelf {
		c := byte(b)
		switch {
		case isWord(c):
			kinds.before[c], kinds.behind[c] = foldByte(c), foldByte(c)
		case blanks.has(c):
			kinds.behind[c] = ' '
		default:
			kinds.behind[c] = c
		}
	}
	return kinds
}()

// blanks are those of \s.
var blanks = func() (s byteset) { s.add('\t', '\n'); s.add('\f', '\r'); s.add(' ', ' '); return s }()

// siftFactor makes of a pair, one byte above the other, a number whose upper five bits differ for letters that follow one another.
const siftFactor = 0x9E37

// pairBit is the bit of a pair of kinds in a cell.
func pairBit(first, second uint8) uint32 {
	return uint32((uint16(first) | uint16(second)<<8) * siftFactor >> 11)
}

// pairBefore is that of the pair before a gram.
func pairBefore(first, second byte) uint32 {
	k := kindsBeside.before[second]
	matters := uint8(-int64(k) >> 63) // all bits, unless the kind is zero
	return pairBit(kindsBeside.before[first]&matters, k)
}

// pairBehind is that of a pair behind it.
func pairBehind(first, second byte) uint32 {
	return pairBit(kindsBeside.behind[first], kindsBeside.behind[second])
}

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
	cells[siftBefore] = cellOf(&kindsBeside.before, pairBefore, get(at-2), get(at-1))
	cells[siftBehind] = cellOf(&kindsBeside.behind, pairBehind, get(at+gramBytes), get(at+gramBytes+1))
	cells[siftBeyond] = cellOf(&kindsBeside.behind, pairBehind, get(at+gramBytes+2), get(at+gramBytes+3))
	return cells
}

// cellOf has the bits of all pairs of two sets, or none if there are so many that they tell little.
func cellOf(kinds *[256]uint8, pair func(first, second byte) uint32, first, second byteset) (cell uint32) {
	firsts, seconds := oneOfEach(kinds, first), oneOfEach(kinds, second)
	for s := range seconds.all() {
		for f := range firsts.all() {
			if cell |= 1 << pair(f, s); bits.OnesCount32(cell) > maxPairs {
				return 0
			}
		}
	}
	return cell
}

// oneOfEach leaves one byte of each kind.
func oneOfEach(kinds *[256]uint8, set byteset) (some byteset) {
	var seen byteset
	for b := range set.all() {
		if k := kinds[b]; !seen.has(k) {
			seen.add(k, k)
			some.add(b, b)
		}
	}
	return some
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

const (
	siftBack  = 2 // bytes before a gram that are looked at
	siftAhead = gramBytes + 4

	// vectorReach is how many bytes from the begin of a gram on the assembly reads.
	vectorReach = 16 - siftBack
)

// sift keeps of the first n places those where the bytes around the gram are such as it has.
func (g *gramGate) sift(w *gramWork, text string, n int) (kept int) {
	if !hasVectors {
		return g.siftPlaces(&w.places, text, 0, n, 0)
	}
	from, to := 0, n // without those at the ends of the text
	for from < to && w.places[from] < siftBack {
		from++
	}
	for from < to && int(w.places[to-1])+vectorReach > len(text) {
		to--
	}
	var last [vectorReach]int32 // what comes behind those that are sifted is written over
	n = copy(last[:], w.places[to:n])
	kept = from + siftVectors(g.buckets, &kindsBeside, text, &w.places, from, to)
	n = kept + copy(w.places[kept:], last[:n])
	return g.siftPlaces(&w.places, text, kept, n, kept)
}

// siftPlaces is sift for places[from:to], place by place, where some are kept already. What it keeps is what sift means.
func (g *gramGate) siftPlaces(places *[gramBatch]int32, text string, from, to, kept int) (all int) {
	buckets := g.buckets
	for _, at := range places[from:to] {
		places[kept&(gramBatch-1)] = at
		from := int(at) - siftBack
		if from < 0 || from+siftBack+siftAhead > len(text) {
			kept++ // at an end of the text, a few times: the next stage looks closer
			continue
		}
		t := text[from : from+siftBack+siftAhead]
		h := gramHash(load32(t[siftBack:]) | foldWord)
		b := &buckets[h>>(32-bucketBits)]
		lone, turn := loneBit(h), turnOf(h)
		before, behind, beyond := b.cells[siftBefore], b.cells[siftBehind], b.cells[siftBeyond]
		kept += int((before>>lone | before>>((pairBefore(t[0], t[1])^turn)&31)) &
			(behind>>lone | behind>>((pairBehind(t[6], t[7])^turn)&31)) &
			(beyond>>lone | beyond>>((pairBehind(t[8], t[9])^turn)&31)) & 1)
	}
	return kept
}
