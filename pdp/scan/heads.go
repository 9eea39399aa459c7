package scan

import (
	"math/bits"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// digitGate finds the rules that begin with a digit, or soon come to one: at every run of digits it runs the union
// automaton of all of them. Such rules have no gram that is rare.
type digitGate struct {
	// unions[k] is of the rules with k bytes before their first digit.
	unions [maxHeadroom + 1]*automaton
	before [256]uint16             // by the byte just before that digit: the k that may be, as bits
	behind [digitsLook][256]uint16 // by the bytes behind it
	used   uint16                  // the k that there are
	sole   uint16                  // those of them that a number at the begin of the text may be of
}

// digitsLook is how many bytes behind a digit are looked at before an automaton runs. Most numbers are short.
const digitsLook = 4

func newDigitGate(pool *statePool, rules []*compiled) digitGate {
	var g digitGate
	var progs [maxHeadroom + 1][]*syntax.Prog
	var ids [maxHeadroom + 1][]int32
	for i, c := range rules {
		var has [maxHeadroom + 1]bool
		for _, p := range c.plans {
			if p.kind != planDigits {
				continue
			}
			for _, w := range p.routes {
				has[w.even] = true
				before := aroundWords // with no byte before its first digit, a rule has a word boundary there
				if w.even > 0 {
					before = w.sets[w.even-1]
				}
				mark(&g.before, before, w.even)
				for i := range digitsLook {
					set := anyByte
					if at := w.even + 1 + i; at < len(w.sets) {
						set = w.sets[at]
					}
					mark(&g.behind[i], set, w.even)
				}
			}
		}
		for k := range has {
			if has[k] {
				progs[k], ids[k] = append(progs[k], c.prog), append(ids[k], int32(i))
			}
		}
	}
	for k := range progs {
		if len(progs[k]) > 0 {
			g.unions[k] = newAutomaton(true, progs[k], ids[k])
			pool.register(g.unions[k])
			g.used |= 1 << k
		}
	}
	g.sole = g.used & 1
	return g
}

// mark notes that bytes of a set may stand there for k.
func mark(table *[256]uint16, set byteset, k int) {
	for b := range table {
		if set.has(byte(b)) {
			table[b] |= 1 << k
		}
	}
}

// scan looks at the runs of digits that begin in text[from:to].
func (g *digitGate) scan(f *Scratch, text string, from, to int) {
	const low, high = 0x0101010101010101, 0x8080808080808080
	carry := uint64(0) // the byte before is a digit
	if from > 0 && isDigit(text[from-1]) {
		carry = 0x80
	}
	i := from
	for ; i+8 <= to; i += 8 {
		x := load64(text[i:i+8]) ^ '0'*low
		// The high bit of each byte that is 0 to 9.
		digits := ^(x | (x&^high + (0x80-10)*low)) & high
		if digits == 0 {
			carry = 0
			continue
		}
		starts := digits &^ (digits<<8 | carry)
		carry = digits >> 56
		for ; starts != 0; starts &= starts - 1 {
			g.number(f, text, i+bits.TrailingZeros64(starts)/8)
		}
	}
	for ; i < to; i++ {
		if isDigit(text[i]) && (i == 0 || !isDigit(text[i-1])) {
			g.number(f, text, i)
		}
	}
}

// number looks at the run of digits that begins at d.
func (g *digitGate) number(f *Scratch, text string, d int) {
	may := g.used
	if d > 0 {
		may &= g.before[text[d-1]]
	} else {
		may = g.sole
	}
	if d+digitsLook < len(text) {
		for i := range digitsLook {
			may &= g.behind[i][text[d+1+i]]
		}
	}
	for ; may != 0; may &= may - 1 {
		if k := bits.TrailingZeros16(may); d >= k {
			f.union(g.unions[k], text, d-k)
		}
	}
}

// leadGate finds rules that need a character beyond ASCII: by the pair of bytes that such a character begins with.
type leadGate struct {
	pairs   *[1 << 16 / 64]uint64
	entries map[uint16][]leadEntry
}

type leadEntry struct {
	probe int32
	at    int32
}

func (g *leadGate) add(b *gateBuilder, rule int32, p *plan) {
	if g.pairs == nil {
		g.pairs = new([1 << 16 / 64]uint64)
		g.entries = make(map[uint16][]leadEntry)
	}
	t := b.gate.tails.add(p.nodes)
	for i := range p.routes {
		w := &p.routes[i]
		id := b.probeOf(rule, p, w, t)
		for first := range w.sets[w.even].all() {
			for second := range w.sets[w.even+1].all() {
				pair := uint16(first)<<8 | uint16(second)
				g.pairs[pair/64] |= 1 << (pair % 64)
				g.entries[pair] = append(g.entries[pair], leadEntry{id, int32(w.even)})
			}
		}
	}
}

// scan looks at the characters that begin in text[from:to].
func (g *leadGate) scan(f *Scratch, grams *gramGate, text string, from, to int) {
	const high = 0x8080808080808080
	for i := from; i < to; {
		if i+8 <= len(text) && load64(text[i:i+8])&high == 0 {
			i += 8
			continue
		}
		end := min(i+8, to)
		for ; i < end; i++ {
			if text[i] < 0xC2 || i+1 == len(text) {
				continue
			}
			pair := uint16(text[i])<<8 | uint16(text[i+1])
			if g.pairs[pair/64]>>(pair%64)&1 == 0 {
				continue
			}
			for _, e := range g.entries[pair] {
				grams.probe(f, text, i-int(e.at), e.probe, false)
			}
			f.budget -= 4
		}
	}
}

// byteGate finds rules that need the rare byte.
type byteGate struct{ probes []int32 }

func (g *byteGate) add(b *gateBuilder, rule int32, p *plan) {
	// What all routes begin with; the tail tells the rest.
	at := plannedRoute{sets: []byteset{rareByteSet}}
	g.probes = append(g.probes, b.probeOf(rule, p, &at, b.gate.tails.add(p.nodes)))
}

// scan looks at text[from:to].
func (g *byteGate) scan(f *Scratch, grams *gramGate, text string, from, to int) {
	for {
		i := strings.IndexByte(text[from:to], rareByte)
		if i < 0 {
			return
		}
		for _, id := range g.probes {
			grams.probe(f, text, from+i, id, false)
		}
		f.budget -= len(g.probes)
		from += i + 1
	}
}

// runGate finds rules that need a long run of letters of one class.
type runGate struct {
	rules []runRule
	// by has, for each byte, the rules whose class it is of; runShared stands for all rules from there on.
	by    [256]uint64
	above uint64 // eight times what makes 128 with the least byte of any class
	// fill has the rules whose run fills eight such bytes at least, or sixteen, and so on.
	fill [4]uint64
}

const runShared = 63

type runRule struct {
	rule        int32
	class       byteset
	length      int
	longest     int // of a run that is a word by itself, else 0
	least, most int
	prefix      byteset
}

func (g *runGate) add(rule int32, p *plan) {
	bit := min(len(g.rules), runShared)
	fills := (p.runLength - 7) / 8
	if bit == runShared {
		fills = 1
	}
	g.fill[min(fills, len(g.fill))-1] |= 1 << bit
	g.rules = append(g.rules, runRule{rule, p.run, p.runLength, p.runMost, p.least, p.most, p.prefix})
	low := byte(255)
	for b := range 256 {
		if p.run.has(byte(b)) {
			g.by[b] |= 1 << bit
		}
		if g.by[b] != 0 {
			low = min(low, byte(b))
		}
	}
	g.above = (utf8.RuneSelf - uint64(low)) * 0x0101010101010101
}

// scan looks at the runs of a text. A run fills eight bytes that begin at a multiple of eight, or
// several of them, the longer the more; in ordinary text few such eight are without a blank, or another byte below all classes.
func (g *runGate) scan(f *Scratch, text string) {
	clear(f.runs[:min(len(g.rules), runShared+1)])
	if len(text) < 8 {
		return
	}
	var last filled
	before, here := uint64(highBits), g.none(load64(text))
	for i := 0; i+8 <= len(text); i += 8 {
		var behind uint64
		if i+16 <= len(text) {
			behind = g.none(load64(text[i+8 : i+16]))
		} else {
			behind = g.none(loadAcross(text, i+8))
		}
		// Four more of the run stand in front, or behind.
		if here|before>>32*(behind&(1<<32-1)) == 0 {
			g.eight(f, &last, text, i)
		}
		before, here = here, behind
	}
}

// none marks those of eight bytes that are below all classes, or no ASCII.
func (g *runGate) none(x uint64) uint64 { return (^(x&^highBits + g.above) | x) & highBits }

// filled are the rules whose class fills the last eight bytes before a place, the last sixteen, and so on.
type filled struct {
	end             int
	one, two, three uint64
}

// eight looks at eight bytes, none of them below all classes.
func (g *runGate) eight(f *Scratch, last *filled, text string, i int) {
	t, by := text[i:i+8], &g.by
	fit := by[t[0]] & by[t[1]] & by[t[2]] & by[t[3]] & by[t[4]] & by[t[5]] & by[t[6]] & by[t[7]]
	if last.end != i {
		*last = filled{}
	}
	try := fit&g.fill[0] | fit&last.one&g.fill[1] | fit&last.two&g.fill[2] | fit&last.three&g.fill[3]
	*last = filled{i + 8, fit, fit & last.one, fit & last.two}
	for ; try != 0; try &= try - 1 {
		bit := bits.TrailingZeros64(try)
		if i < f.runs[bit] {
			continue // a run that was seen
		}
		if bit < runShared {
			f.runs[bit] = g.rules[bit].around(f, text, i)
			continue
		}
		for r := range g.rules[runShared:] {
			g.rules[runShared+r].around(f, text, i)
		}
	}
}

// around notes where a match may begin in the run of the rule's class that text[at] is in, and gives the run's end.
func (r *runRule) around(f *Scratch, text string, at int) (end int) {
	start, end := extend(&r.class, text, at)
	if n := end - start; n >= r.length && (r.longest == 0 || n <= r.longest) {
		f.note(r.rule, f.reach(&r.prefix, text, start, r.least, r.most, noTail), end-r.length-r.least)
	}
	f.budget -= (end - start) / 4
	return end
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
