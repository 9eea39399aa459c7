package scan

import (
	"iter"
	"math/bits"
	"unicode/utf8"
)

// byteset is a set of bytes.
type byteset [4]uint64

func (s *byteset) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteset) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func (s *byteset) union(o byteset) {
	for i := range s {
		s[i] |= o[i]
	}
}

// both are the bytes that are of either set.
func (s *byteset) both(o byteset) byteset {
	return byteset{s[0] & o[0], s[1] & o[1], s[2] & o[2], s[3] & o[3]}
}

func (s *byteset) complement() byteset { return byteset{^s[0], ^s[1], ^s[2], ^s[3]} }

func (s *byteset) intersects(o byteset) bool {
	return s[0]&o[0]|s[1]&o[1]|s[2]&o[2]|s[3]&o[3] != 0
}

func (s *byteset) size() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// least is the first of them; the set must not be empty.
func (s *byteset) least() byte {
	for i, w := range s {
		if w != 0 {
			return byte(64*i + bits.TrailingZeros64(w))
		}
	}
	return 0
}

// all gives them in order.
func (s *byteset) all() iter.Seq[byte] {
	return func(yield func(byte) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(byte(64*i + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// anyByte is also what stands where the text has ended: the gate pads with zero bytes.
var anyByte = byteset{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

var digitBytes = func() (s byteset) { s.add('0', '9'); return s }()

// byteSequences gives a class of runes, as ranges, as sequences of byte sets: each string of bytes that the class
// accepts is in exactly one of them, byte by byte. As regexp does, it reads a byte that is no UTF-8 as U+FFFD. ok is
// false if that takes more than most sequences.
func byteSequences(ranges []rune, most int) (seqs [][]byteset, ok bool) {
	var ascii byteset
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo < utf8.RuneSelf {
			ascii.add(byte(lo), byte(min(hi, utf8.RuneSelf-1)))
		}
		if lo <= utf8.RuneError && hi >= utf8.RuneError {
			ascii.add(utf8.RuneSelf, 0xFF)
		}
	}
	if ascii != (byteset{}) {
		seqs = append(seqs, []byteset{ascii})
	}
	for i := 0; i < len(ranges); i += 2 {
		if hi := ranges[i+1]; hi >= utf8.RuneSelf {
			if seqs = splitRange(seqs, max(ranges[i], utf8.RuneSelf), hi); len(seqs) > 8*most {
				return nil, false
			}
		}
	}
	seqs = mergeSequences(seqs)
	return seqs, len(seqs) <= most
}

// splitRange appends the sequences of the runes lo to hi, none of them ASCII.
func splitRange(seqs [][]byteset, lo, hi rune) [][]byteset {
	if lo > hi {
		return seqs
	}
	if lo < 0xE000 && hi > 0xD7FF { // surrogates are no UTF-8
		seqs = splitRange(seqs, lo, 0xD7FF)
		return splitRange(seqs, 0xE000, hi)
	}
	for _, last := range []rune{0x7FF, 0xFFFF} { // where encodings grow by a byte
		if lo <= last && hi > last {
			return splitRange(splitRange(seqs, lo, last), last+1, hi)
		}
	}
	for shift := 6; shift <= 18; shift += 6 { // where a byte in front changes while those behind are not all of theirs
		mask := rune(1)<<shift - 1
		if lo&^mask == hi&^mask {
			continue
		}
		if lo&mask != 0 {
			return splitRange(splitRange(seqs, lo, lo|mask), (lo|mask)+1, hi)
		}
		if hi&mask != mask {
			return splitRange(splitRange(seqs, lo, hi&^mask-1), hi&^mask, hi)
		}
	}
	var from, to [utf8.UTFMax]byte
	n := utf8.EncodeRune(from[:], lo)
	utf8.EncodeRune(to[:], hi)
	seq := make([]byteset, n)
	for i := range n {
		seq[i].add(from[i], to[i])
	}
	return append(seqs, seq)
}

// mergeSequences joins neighbours that differ in their last byte only.
func mergeSequences(seqs [][]byteset) [][]byteset {
	out := seqs[:0]
	for _, seq := range seqs {
		if n := len(out); n > 0 && len(out[n-1]) == len(seq) && len(seq) > 1 && equalSets(out[n-1][:len(seq)-1], seq[:len(seq)-1]) {
			out[n-1][len(seq)-1].union(seq[len(seq)-1])
			continue
		}
		out = append(out, seq)
	}
	return out
}

func equalSets(a, b []byteset) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
