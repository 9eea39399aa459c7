package scan

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// opening has, for each byte, where about the begin of a match it may stand: the lowest bit is for the byte just before, the
// next ones for the first bytes of the match. Where a rule is known by what stands far behind its begin, thousands of places
// have to be tried, and this tells nearly all of them apart from a begin.
type opening [256]uint8

const (
	openingBytes = 4
	// openingWide is the bit of a first byte before which any byte may stand: that of a character beyond ASCII, which is no
	// word character to \b, even if it is a letter.
	openingWide = 1 + openingBytes
	// openingFrom is how many places a plan must leave open for an opening to be worth its memory.
	openingFrom = 32
)

// openingOf is for a rule with these plans; it is nil where they leave few places open.
func openingOf(prog *syntax.Prog, a *automaton, plans []plan) *opening {
	if !slices.ContainsFunc(plans, func(p plan) bool { return p.most-p.least >= openingFrom }) {
		return nil
	}
	sets := slices.Insert(aheadOf(prog).behind(nil), 0, a.before())
	o := new(opening)
	for i := range 1 + openingBytes {
		set := anyByte
		if i < len(sets) {
			set = sets[i]
		}
		for b := range set.all() {
			o[b] |= 1 << i
			if i == 1 && b >= utf8.RuneSelf {
				o[b] |= 1 << openingWide
			}
		}
	}
	return o
}

// before are the bytes that may stand before a match which begins with ASCII: all, or those that are no word characters.
func (a *automaton) before() byteset {
	w := walk{a: a, flags: syntax.EmptyNoWordBoundary} // between two word characters
	a.pass++
	for _, pc := range a.starts {
		w.follow(pc)
	}
	first, inWord := a.firstBytes(), w.matched
	for _, pc := range w.found {
		may := a.bytesOf(a.insts[pc].runes)
		inWord = inWord || may.intersects(wordBytes)
	}
	if apart := first.both(beyondASCII.complement()); inWord || apart.intersects(aroundWords) {
		return anyByte
	}
	return aroundWords
}

// next is the first place from one on, and before another, where a match may begin as far as the opening says, or the latter.
// The bits of seen say which of the places just before are still those of a begin, each with as many bytes as its bit says.
func (o *opening) next(text string, from, to int) int {
	if from >= to {
		return to
	}
	if from == 0 {
		return 0
	}
	seen := o[text[from-1]] & 1
	for at, b := range []byte(text[from:min(to-1+openingBytes, len(text))]) {
		may := o[b]
		if seen = (seen<<1 | may>>openingWide<<1 | 1) & may; seen>>openingBytes&1 != 0 {
			return from + at - openingBytes + 1
		}
	}
	return min(max(from, len(text)-openingBytes+1), to) // at the end of the text, whatever is there
}
