package scan

import (
	"math/bits"
	"unicode/utf8"
)

// runGate finds rules that need a long run of letters of one class.
type runGate struct {
	// tokens are the rules whose match begins where a word does. first has, for each byte, those that may begin with it; long,
	// for each length of a word, those that fit into it.
	tokens []runRule
	first  [256]uint64
	long   [maxWordLength + 1]uint64
	// words are other rules whose class has word characters only; others are all the rest.
	words, others runBank
	// What markWork.mark wants to know: whether one of others is short, and between which bytes all is that short words are
	// made of, as what added to the least makes 128, and added to the one after the last.
	short       bool
	narrow      byteset
	least, most uint64
}

const (
	// longWord is the length from which on a word fills two eights on end; wideRun that from which on a run fills three.
	longWord = 23
	wideRun  = 31
)

// maxWordLength is the length of a word from where on it makes no difference.
const maxWordLength = 128

// maxTokens is how many rules have bits of their own.
const maxTokens = 64

type runRule struct {
	rule        int32
	class       byteset
	length      int
	longest     int // of a run that is a word by itself, else 0
	least, most int
	prefix      byteset
}

// runBank has rules by their class.
type runBank struct {
	by      [256]uint64 // for each byte, the classes that have it; runShared stands for all from there on
	classes []runClass
	at      int // its first place in Scratch.runs
}

const runShared = 63

type runClass struct {
	set   byteset
	rules []runRule
}

func (g *runGate) add(rule int32, p *plan) {
	r := runRule{rule, p.run, p.runLength, p.runMost, p.least, p.most, p.prefix}
	switch {
	case p.beginsWord && len(g.tokens) < maxTokens:
		g.addToken(r)
		if r.least+r.length < longWord {
			g.narrow.union(r.class)
			g.narrow.union(r.prefix)
		}
	case !p.run.intersects(aroundWords):
		g.words.add(r)
		g.others.at = len(g.words.classes)
		if r.length < longWord {
			g.narrow.union(r.class)
		}
	default:
		g.others.add(r)
		g.short = g.short || r.length < wideRun
	}
	g.least, g.most = 0, highBits // nothing is in between
	for b := range utf8.RuneSelf {
		if g.narrow.has(byte(b)) {
			if g.least == 0 {
				g.least = (utf8.RuneSelf - uint64(b)) * lowBits
			}
			g.most = (utf8.RuneSelf - 1 - uint64(b)) * lowBits
		}
	}
}

func (g *runGate) addToken(r runRule) {
	bit := uint64(1) << len(g.tokens)
	g.tokens = append(g.tokens, r)
	begins := r.class
	if r.least > 0 {
		begins = r.prefix
	}
	for b := range 256 {
		if begins.has(byte(b)) {
			g.first[b] |= bit
		}
	}
	for n := min(r.least+r.length, maxWordLength); n <= maxWordLength; n++ {
		if n == maxWordLength || r.longest == 0 || n <= r.least+r.longest {
			g.long[n] |= bit
		}
	}
}

func (b *runBank) add(r runRule) {
	for i := range b.classes {
		if b.classes[i].set == r.class {
			b.classes[i].rules = append(b.classes[i].rules, r)
			return
		}
	}
	bit := uint64(1) << min(len(b.classes), runShared)
	b.classes = append(b.classes, runClass{r.class, []runRule{r}})
	for c := range 256 {
		if r.class.has(byte(c)) {
			b.by[c] |= bit
		}
	}
}

func (g *runGate) wantsWords() bool { return len(g.tokens)+len(g.words.classes) > 0 }

func (g *runGate) begin(f *Scratch) {
	f.word = 0
	if n := len(g.words.classes) + len(g.others.classes); len(f.runs) < n {
		f.runs = make([]int, n)
	}
	clear(f.runs)
}

// word looks at the words that sixteen bytes may be amidst.
func (g *runGate) word(f *Scratch, text string, at int) {
	g.wordAt(f, text, at)
	g.wordAt(f, text, at+8)
}

// wordAt looks at the word that the eight bytes at a place are amidst, if they are.
func (g *runGate) wordAt(f *Scratch, text string, at int) {
	if at < f.word || at+8 > len(text) || wordsIn(load64(text[at:at+8])) != highBits {
		return
	}
	start, end := extend(&wordBytes, text, at)
	f.word = end
	n := end - start
	f.budget -= n / 4
	if len(g.words.classes) > 0 {
		g.words.word(f, text, start, end)
	}
	for try := g.first[text[start]] & g.long[min(n, maxWordLength)]; try != 0; try &= try - 1 {
		r := &g.tokens[bits.TrailingZeros64(try)]
		if r.begins(text[start:end]) {
			f.note(r.rule, start, start)
		}
	}
}

// word looks at the runs of a word: each of sixteen fills eight bytes that begin at a multiple of eight.
func (b *runBank) word(f *Scratch, text string, start, end int) {
	for at := (start + 7) &^ 7; at+8 <= end; at += 8 {
		b.eight(f, text, at, ^uint64(0))
	}
}

// wordsIn marks those of eight bytes that are letters, digits or underscores.
func wordsIn(x uint64) uint64 {
	x7 := x &^ highBits
	letters := x7 | foldWide
	return ((letters+(0x80-'a')*lowBits)&^(letters+(0x80-'z'-1)*lowBits) | (x7+(0x80-'0')*lowBits)&^(x7+(0x80-'9'-1)*lowBits) |
		^((x7 ^ '_'*lowBits) + (0x80-1)*lowBits)) &^ x & highBits
}

// begins says whether a word begins as the rule has it.
func (r *runRule) begins(word string) bool {
	if len(word) < r.least+r.length || r.longest > 0 && len(word) > r.least+r.longest {
		return false
	}
	for i := range r.least {
		if !r.prefix.has(word[i]) {
			return false
		}
	}
	for i := range r.length {
		if !r.class.has(word[r.least+i]) {
			return false
		}
	}
	return true
}

// sixteen looks at the runs that sixteen bytes are amidst, or eight of them. One that is not short fills the first eight and
// two more on end.
func (b *runBank) sixteen(f *Scratch, text string, at int, short bool) {
	if short {
		b.eight(f, text, at, ^uint64(0))
		b.eight(f, text, at+8, ^uint64(0))
		return
	}
	if before := b.all(text, at-8); before != 0 {
		b.eight(f, text, at, before&(b.all(text, at-16)|b.all(text, at+8)))
	}
}

// eight looks at the runs of some classes that eight bytes are amidst.
func (b *runBank) eight(f *Scratch, text string, at int, classes uint64) {
	for try := b.all(text, at) & classes; try != 0; try &= try - 1 {
		i := bits.TrailingZeros64(try)
		b.around(f, text, at, i)
		if i == runShared {
			for i++; i < len(b.classes); i++ {
				b.around(f, text, at, i)
			}
		}
	}
}

// all are the classes that all of eight bytes are of.
func (b *runBank) all(text string, at int) uint64 {
	if at < 0 || at+8 > len(text) {
		return 0
	}
	t, by := text[at:at+8], &b.by
	four := by[t[0]] & by[t[1]] & by[t[2]] & by[t[3]]
	if four == 0 {
		return 0
	}
	return four & by[t[4]] & by[t[5]] & by[t[6]] & by[t[7]]
}

// around notes where a match may begin in the run of a class that text[at] is in.
func (b *runBank) around(f *Scratch, text string, at, class int) {
	seen := &f.runs[b.at+class]
	c := &b.classes[class]
	if at < *seen || !c.set.has(text[at]) {
		return
	}
	start, end := extend(&c.set, text, at)
	*seen = end
	n := end - start
	f.budget -= n / 4
	for i := range c.rules {
		if r := &c.rules[i]; n >= r.length && (r.longest == 0 || n <= r.longest) {
			f.note(r.rule, f.reach(&r.prefix, text, start, r.least, r.most, noTail), end-r.length-r.least)
		}
	}
}

// extend is the run of a class around a place.
func extend(class *byteset, text string, at int) (start, end int) {
	start, end = at, at
	for start > 0 && class.has(text[start-1]) {
		start--
	}
	for end < len(text) && class.has(text[end]) {
		end++
	}
	return start, end
}
