package scan

import "unicode/utf8"

// blockMarks says of blockBytes bytes of a text which are of a kind: a bit for each, the first byte's the lowest.
type blockMarks [3]uint64

// The kinds.
const (
	digitMarks = iota // 0 to 9
	wordMarks         // letters, digits and the underscore
	tokenMarks        // what tokens are made of: words, and + - /
)

const blockBytes = 64

// blockKinds has a bit for each kind that a byte of ASCII is of.
var blockKinds = func() (kinds [utf8.RuneSelf]uint8) {
	for c := range kinds {
		for kind, mark := range marksOf(string(rune(c))) {
			kinds[c] |= uint8(mark) << kind
		}
	}
	return kinds
}()

// portableMarks marks the blocks that a text begins with, as many as there are marks. This is what marks are; markBlocks gives
// the same, by wider registers where a processor has some.
func portableMarks(marks []blockMarks, text string) {
	for i := range marks {
		marks[i] = marksOf(text[i*blockBytes : (i+1)*blockBytes])
	}
}

// marksOf marks a block, or less.
func marksOf(text string) (m blockMarks) {
	for at := 0; at < len(text); at += 8 {
		var x uint64
		if at+8 <= len(text) {
			x = load64(text[at : at+8])
		} else {
			x = loadAcross(text, at)
		}
		digits, words := digitsIn(x), wordsIn(x)
		m[digitMarks] |= highOf(digits) << at
		m[wordMarks] |= highOf(words) << at
		m[tokenMarks] |= highOf(words|equalIn(x, '+')|equalIn(x, '-')|equalIn(x, '/')) << at
	}
	return m
}

const lowBits = 0x0101010101010101

// highOf gathers the high bits of eight bytes, those of the others being zero.
func highOf(x uint64) uint64 { return x >> 7 * 0x0102040810204080 >> 56 }

// digitsIn marks those of eight bytes that are 0 to 9, by the high bit of each.
func digitsIn(x uint64) uint64 {
	x7 := x &^ highBits
	return (x7 + (0x80-'0')*lowBits) &^ (x7 + (0x80-'9'-1)*lowBits) &^ x & highBits
}

// wordsIn marks those of eight bytes that are letters, digits or underscores.
func wordsIn(x uint64) uint64 {
	letters := x&^highBits | foldWide
	return (letters+(0x80-'a')*lowBits)&^(letters+(0x80-'z'-1)*lowBits)&^x&highBits | digitsIn(x) | equalIn(x, '_')
}

// equalIn marks those of eight bytes that are one of ASCII.
func equalIn(x uint64, c byte) uint64 {
	return ^((x&^highBits ^ uint64(c)*lowBits) + (0x80-1)*lowBits) &^ x & highBits
}
