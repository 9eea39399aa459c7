package scan

import "math/bits"

// runGate finds rules that need a long run of letters of one class.
type runGate struct {
	// tokens are the rules whose match begins where a word does. first has, for each byte, those that may begin with it; long,
	// for each length of a word, those that fit into it.
	tokens []runRule
	first  [256]uint64
	later  [256]uint64 // those that may have it further on
	long   [maxWordLength + 1]uint64
	// words are other rules whose class has word characters only; others are all the rest.
	words, others runBank
}

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
	least   int // bytes of a run that some rule wants
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
	case !p.run.intersects(aroundWords):
		g.words.add(r)
		g.others.at = len(g.words.classes)
	default:
		g.others.add(r)
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
		if r.class.has(byte(b)) || r.least > 0 && r.prefix.has(byte(b)) {
			g.later[b] |= bit
		}
	}
	for n := min(r.least+r.length, maxWordLength); n <= maxWordLength; n++ {
		if n == maxWordLength || r.longest == 0 || n <= r.least+r.longest {
			g.long[n] |= bit
		}
	}
}

func (b *runBank) add(r runRule) {
	if len(b.classes) == 0 || r.length < b.least {
		b.least = r.length
	}
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
	if n := len(g.words.classes) + len(g.others.classes); len(f.runs) < n {
		f.runs = make([]int, n)
	}
	clear(f.runs)
}

// look looks at the long runs that begin at some places, which it overwrites; they are of the batch at a place. Nearly all of them
// are words that no rule wants, and no branch of the first stage depends on which.
func (g *runGate) look(f *Scratch, text string, batch int, places []int32) {
	w := &f.marks
	whole, some := uint64(g.wholeFrom()), 0
	for _, start := range places {
		places[some] = start
		tokens, words := w.from(batch, int(start), tokenMarks), w.from(batch, int(start), wordMarks)
		n, word := bits.TrailingZeros64(^tokens), bits.TrailingZeros64(^words)
		// What is behind the first word of the run: has it a long one, too?
		more := words & (words + 1) & (1<<n - 1)
		more &= more >> 1
		more &= more >> 2
		more &= more >> 4
		more &= more >> 8
		t := text[start:][:longRunBytes]
		later := &g.later
		fit := g.first[t[0]] & g.long[word] & later[t[1]] & later[t[2]] & later[t[3]] & later[t[4]] & later[t[5]] & later[t[6]] & later[t[7]] &
			later[t[8]] & later[t[9]] & later[t[10]] & later[t[11]] & later[t[12]] & later[t[13]] & later[t[14]] & later[t[15]]
		may := fit | more | (whole-1-uint64(n))>>63
		some += int((may | -may) >> 63)
	}
	for _, start := range places[:some] {
		g.run(f, text, batch, int(start))
	}
}

// wholeFrom is the length of runs from which on they are looked at whatever they begin with.
func (g *runGate) wholeFrom() int {
	n := blockBytes // it may be longer
	for _, b := range []*runBank{&g.words, &g.others} {
		if len(b.classes) > 0 {
			n = min(n, b.least)
		}
	}
	return n
}

// run looks at the run of what tokens are made of that begins at a place.
func (g *runGate) run(f *Scratch, text string, batch, start int) {
	end := f.marks.end(text, batch, start, tokenMarks, &runBytes)
	f.budget -= (end - start) / 4
	g.others.within(f, text, start, end)
	for at := start; at < end; at++ {
		from := at
		if at = f.marks.end(text, batch, at, wordMarks, &wordBytes); at-from >= longRunBytes {
			g.word(f, text, from, at)
		}
	}
}

// word looks at a word.
func (g *runGate) word(f *Scratch, text string, start, end int) {
	g.words.within(f, text, start, end)
	for try := g.first[text[start]] & g.long[min(end-start, maxWordLength)]; try != 0; try &= try - 1 {
		r := &g.tokens[bits.TrailingZeros64(try)]
		if r.begins(text[start:end]) {
			f.note(r.rule, start, start)
		}
	}
}

// begins says whether a word begins as the rule has it.
func (r *runRule) begins(word string) bool {
	if len(word) < r.least+r.length || r.longest > 0 && len(word) > r.least+r.longest {
		return false
	}
	if !r.prefixed(word) {
		return false
	}
	for i := range r.length {
		if !r.class.has(word[r.least+i]) {
			return false
		}
	}
	return true
}

// prefixed says whether what stands before the run may stand there.
func (r *runRule) prefixed(text string) bool {
	for i := range r.least {
		if !r.prefix.has(text[i]) {
			return false
		}
	}
	return true
}

// within looks at the runs of all classes within a stretch.
func (b *runBank) within(f *Scratch, text string, start, end int) {
	if len(b.classes) == 0 || end-start < b.least {
		return
	}
	// Each run has eight bytes that begin at a multiple of eight, and one of 23 eight at a multiple of sixteen.
	step := 8
	if b.least >= 23 {
		step = 16
	}
	for at := (start + step - 1) &^ (step - 1); at+8 <= end; at += step {
		b.eight(f, text, at)
	}
}

// eight looks at the runs that eight bytes are amidst.
func (b *runBank) eight(f *Scratch, text string, at int) {
	for try := b.all(text, at); try != 0; try &= try - 1 {
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
	start, end := b.extend(text, at, class)
	*seen = end
	n := end - start
	f.budget -= n / 4
	for i := range c.rules {
		r := &c.rules[i]
		if n < r.length || r.longest > 0 && n > r.longest {
			continue
		}
		from, to := f.reach(&r.prefix, text, start, r.least, r.most, noTail), end-r.length-r.least
		if r.least == r.most && r.least > 0 {
			from = max(from, 0)
			first := from
			for from <= to && !r.prefixed(text[from:]) {
				from++
			}
			f.budget -= (from - first) / 2
		}
		f.note(r.rule, from, to)
	}
}

// extend is the run of one of its classes around a place.
func (b *runBank) extend(text string, at, class int) (start, end int) {
	start, end = at, at
	if class < runShared { // eight bytes at a time, as far as that goes
		for start >= 8 && b.all(text, start-8)>>class&1 != 0 {
			start -= 8
		}
		for end+8 <= len(text) && b.all(text, end)>>class&1 != 0 {
			end += 8
		}
	}
	set := &b.classes[class].set
	for start > 0 && set.has(text[start-1]) {
		start--
	}
	for end < len(text) && set.has(text[end]) {
		end++
	}
	return start, end
}
