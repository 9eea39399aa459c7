package scan

import "unicode/utf8"

// traits say which kinds of bytes a text has, a bit for each kind. Most readings of a text need bytes that most texts do not have.
type traits uint8

const (
	hasEscapes traits = 1<<0 | 1<<1 | 1<<2 // some of escapeMarks; no kind of byte has all three
	hasDigits  traits = 1 << 3             // 0 to 9
	hasSlashes traits = 1<<4 | 1<<2        // of either sort, without which there is no URL
	hasLines   traits = 1 << 5             // line feeds
	hasWide    traits = 1 << 7             // what is not ASCII
)

// traitsOfByte has the bits of each byte. The assembly knows them.
var traitsOfByte = func() (of [256]traits) {
	for _, kind := range []struct {
		bytes string
		trait traits
	}{{"%&", 1 << 0}, {"<=", 1 << 1}, {`\`, 1 << 2}, {"0123456789", 1 << 3}, {"/", 1 << 4}, {"\n", 1 << 5}} {
		for _, c := range []byte(kind.bytes) {
			of[c] = kind.trait
		}
	}
	for c := utf8.RuneSelf; c < len(of); c++ {
		of[c] = hasWide
	}
	return of
}()

// has says whether a text has any of some kinds.
func (t traits) has(some traits) bool { return t&some != 0 }

// portableTraits is what the traits of a text are; traitsOf gives the same, by wider registers where a processor has some.
func portableTraits(text string) (all traits) {
	for i := range len(text) {
		all |= traitsOfByte[text[i]]
	}
	return all
}
