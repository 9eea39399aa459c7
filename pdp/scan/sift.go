package scan

import "slices"

// gramBucket has what is known of the grams whose hashes begin alike.
type gramBucket struct {
	// cells have a bit for each pair of bytes that may stand beside one of the grams, by siftPair: just before it, just
	// behind it and behind that. A gram of which that is not known has a bit by itself.
	cells [siftPairs]uint32
	first uint32 // its first slot; the last is before the first one of the next bucket
}

const (
	siftBefore = iota
	siftBehind
	siftBeyond
	siftPairs

	maxPairs = 16 // of one gram; more would fill its cell

	// noPair is no pair of bytes.
	noPair     = 1 << 16
	pairFactor = 0x85EBCA77
)

// beforeKind and behindKind are the bytes as pairs have them. Before a gram all that are no word character are one: that is
// what most patterns want there. Behind it, all blanks are.
var beforeKind, behindKind = func() (before, behind [256]uint8) {
	for b := range 256 {
		c := byte(b)
		behind[c] = c
		switch {
		case isWord(c):
			before[c], behind[c] = foldByte(c), foldByte(c)
		case blanks.has(c):
			behind[c] = ' '
		}
	}
	return before, behind
}()

// blanks are those of \s.
var blanks = func() (s byteset) { s.add('\t', '\n'); s.add('\f', '\r'); s.add(' ', ' '); return s }()

// beforePair is the pair of the bytes before a gram. What stands before one that is no word character does not matter.
func beforePair(first, second byte) uint32 {
	k := uint32(beforeKind[second])
	return (uint32(beforeKind[first]) << 8 & -(-k >> 31 & 1)) | k
}

func behindPair(first, second byte) uint32 {
	return uint32(behindKind[first]) | uint32(behindKind[second])<<8
}

// pairBit is the bit of a pair in a cell.
func pairBit(hash, pair uint32) uint32 { return (hash + pair) * pairFactor >> 27 }

// gramCells are the pairs of a gram, by cell.
type gramCells [siftPairs][]uint32

// cellsOf are the pairs that may stand beside a route's gram at a place.
func (b *gateBuilder) cellsOf(r *plannedRoute, sets []byteset, at int) (cells gramCells) {
	get := func(i int) byteset {
		switch {
		case i >= 0 && i < len(sets):
			return sets[i]
		case i == -1 && r.alone:
			return aroundWords
		}
		return anyByte
	}
	cells[siftBefore] = pairsOf(get(at-2), get(at-1), &beforeKind, beforePair)
	cells[siftBehind] = pairsOf(get(at+gramBytes), get(at+gramBytes+1), &behindKind, behindPair)
	cells[siftBeyond] = pairsOf(get(at+gramBytes+2), get(at+gramBytes+3), &behindKind, behindPair)
	return cells
}

// pairsOf are the pairs of two sets, or noPair if there are too many.
func pairsOf(first, second byteset, kind *[256]uint8, pair func(a, b byte) uint32) (pairs []uint32) {
	firsts := examplesOf(first, kind)
	for _, b := range examplesOf(second, kind) {
		for _, a := range firsts {
			if p := pair(a, b); !slices.Contains(pairs, p) {
				pairs = append(pairs, p)
			}
			if len(pairs) > maxPairs {
				return []uint32{noPair}
			}
		}
	}
	return pairs
}

// examplesOf has a byte of each kind that there is in a set.
func examplesOf(s byteset, kind *[256]uint8) (examples []byte) {
	var seen byteset
	for b := range s.all() {
		if k := kind[b]; !seen.has(k) {
			seen.add(k, k)
			examples = append(examples, b)
		}
	}
	return examples
}

// add enters a gram.
func (g *gramGate) add(hash uint32, cells gramCells) {
	bit := hash >> (32 - bitmapBits)
	g.bitmap[bit/64] |= 1 << (bit % 64)
	bucket := &g.buckets[hash>>(32-bucketBits)]
	for i, pairs := range cells {
		for _, pair := range pairs {
			bucket.cells[i] |= 1 << pairBit(hash, pair)
		}
	}
}

// sift keeps of the first n places those where the bytes around the gram are such as it has.
func (g *gramGate) sift(w *gramWork, text string, n int) (kept int) {
	cells := g.buckets
	for _, at := range w.places[:n] {
		i := int(at)
		from := i - siftBack
		if from < 0 || from+siftBack+slotBytes > len(text) {
			w.places[kept&(gramBatch-1)] = at
			kept++ // at an end of the text, once or twice: the next stage looks closer
			continue
		}
		t := text[from : from+siftBack+slotBytes]
		x := load64(t[siftBack:])
		h := gramHash(uint32(x) | foldWord)
		b := &cells[h>>(32-bucketBits)]
		none := pairBit(h, noPair)
		fits := (b.cells[siftBefore]>>none | b.cells[siftBefore]>>pairBit(h, beforePair(t[0], t[1]))) &
			(b.cells[siftBehind]>>none | b.cells[siftBehind]>>pairBit(h, behindPair(byte(x>>32), byte(x>>40)))) &
			(b.cells[siftBeyond]>>none | b.cells[siftBeyond]>>pairBit(h, behindPair(byte(x>>48), byte(x>>56))))
		w.places[kept&(gramBatch-1)] = at
		kept += int(fits & 1)
	}
	return kept
}

// siftBack is how many bytes before a gram are looked at.
const siftBack = 2
