package scan

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// Match is one match of a rule in one text, in bytes: text[Start:End].
type Match struct {
	Rule       int32 // see Scanner.Rule
	Start, End int
}

// The budget of Find, once for the gates and once for what they find, in steps of an automaton: all other work is counted as so
// many steps as take about its time. A step takes one to three nanoseconds. Ordinary text needs less than one a byte; what is
// always there is enough for some hundred findings in a short text. Beyond the budget the result is incomplete.
const (
	stepsPerByte = 12
	stepsAlways  = 1 << 21
	// plainSteps is what a byte costs when regexp itself runs, and plainCall each time that it does. Where it runs over all of a
	// text, a byte costs one more for each instruction, for it may have to follow them all.
	plainSteps = 16
	plainCall  = 75
)

// maxCandidates bounds the ranges of places that the gates may note, for each byte of the text: memory, then.
const candidatesPerByte = 1.0 / 4

// Scratch is what Find works with. Each goroutine that calls Find needs one of its own; it keeps no text and nothing of
// a Scanner between calls. The zero value is ready.
type Scratch struct {
	found      []Match
	candidates []candidate
	last       []lastCandidate // by rule
	rules      []int32         // that have candidates
	watches    int             // the first number that is a watch's and no rule's
	group      []candidate     // those of one rule
	watched    []candidate     // those of its watch
	epoch      uint32
	budget     int  // what is left; negative once it is used up
	room       int  // for candidates
	full       bool // there was none
	cut        bool // the text is a later part of a stream
	keyed      bool // only what rules with keywords find is asked for
	quiet      bool // the text has neither a digit nor a long run
	overran    bool // a match may begin in front of that part

	grams  gramWork
	walks  []walks // by tail
	marks  markWork
	runs   []int   // by class of the run gate: the end of the last run
	zones  zones   // where numbers with words count
	heard  []int32 // watches that saw something
	memo   []memoEntry
	dirty  []int32
	visits []visit
	window []byte // what stands around a match, in lower case
}

// candidate is a range of places where a match of a rule may begin, both included.
type candidate struct {
	before   int32 // the one of its rule before it, or -1
	from, to int32
	end      int32 // where a match from there ends, if that can be one place only, else 0
}

// lastCandidate is the latest candidate of a rule, if it is of this epoch.
type lastCandidate struct {
	epoch uint32
	index int32
}

// touching is how near two candidates are joined. To try the places between costs less than to keep them apart.
const touching = 4

// note takes a candidate in, joined with the latest one of its rule where they touch.
func (f *Scratch) note(rule int32, from, to int) {
	from = max(from, 0)
	if to < from {
		return
	}
	f.budget -= 2
	last := &f.last[rule]
	before := int32(-1)
	if last.epoch == f.epoch {
		before = last.index
		if c := &f.candidates[last.index]; from <= int(c.to)+touching && to+touching >= int(c.from) {
			c.from, c.to, c.end = min(c.from, int32(from)), max(c.to, int32(to)), 0
			return
		}
	}
	if len(f.candidates) >= f.room {
		f.full = true
		return
	}
	if before < 0 {
		if int(rule) >= f.watches {
			f.heard = append(f.heard, rule)
		} else {
			f.rules = append(f.rules, rule)
		}
	}
	*last = lastCandidate{f.epoch, int32(len(f.candidates))}
	f.candidates = append(f.candidates, candidate{before, int32(from), int32(to), 0})
}

// union runs an automaton of many rules at a place and notes those that match there, and where that ends if it can be one place only.
func (f *Scratch) union(a *automaton, text string, p int) {
	budget, known := f.budget, len(f.candidates)
	if budget < 0 {
		return
	}
	t, s := a.startAt(text, p, &budget)
	pos := p
	for s&refDead == 0 && budget >= 0 {
		class, width := uint8(len(a.example)), 1
		if pos < len(text) {
			if b := text[pos]; b < 0x80 {
				class = a.ascii[b]
			} else {
				class, width = a.classOf(text, pos)
			}
		}
		next := ref(t.next[int(s>>refShift)+int(class)].Load())
		if next == 0 {
			t, next = a.step(t, s, class, &budget)
		}
		if s = next; s&refMatched != 0 {
			for _, rule := range t.at(s).rules {
				n := len(f.candidates)
				if f.note(rule, p, p); len(f.candidates) > n { // else it was noted, for another end or place
					f.candidates[n].end = int32(pos)
				}
			}
		}
		pos += width
	}
	if budget < 0 { // there may be other ends
		for i := range f.candidates[known:] {
			f.candidates[known+i].end = 0
		}
	}
	f.budget = min(f.budget, budget) - (pos - p)
}

// Rule is what can be told about the rule of a Match.
func (s *Scanner) Rule(i int32) Rule { return s.rules[i].Rule }

// Find gives what every rule finds in one text: for each rule the matches of FindAllStringIndex(text, -1), the first
// 10,000 at most, less those that the rule's keywords, validator, allowlist or context refuse. They are sorted by rule,
// the strongest first, and then by place; they belong to the scratch and are good until it is used again. complete is
// false if a bound, the work budget or the context's end left something out: the text must not be taken for clean then.
func (s *Scanner) Find(ctx context.Context, text string, f *Scratch) (found []Match, complete bool) {
	f.begin(s, text)
	defer f.end()
	if len(text) > maxText || ctx.Err() != nil {
		return nil, false
	}
	s.gates(f, text)
	return s.settle(ctx, f, text)
}

// settle finds the matches that begin in what the gates have noted.
func (s *Scanner) settle(ctx context.Context, f *Scratch, text string) (found []Match, complete bool) {
	complete = f.budget >= 0 && !f.full
	f.budget = stepsAlways + stepsPerByte*len(text) // its own, so that a text can't spend it at the gates
	slices.Sort(f.rules)
	for i, rule := range f.rules {
		if i%deadlineRules == 0 && ctx.Err() != nil {
			return f.found, false
		}
		c := s.rules[rule]
		if c.watch >= 0 && f.last[c.watch].epoch != f.epoch || f.keyed && len(c.keywords) == 0 {
			continue
		}
		if !s.resolve(f, text, rule, f.candidatesOf(rule)) {
			complete = false
		}
	}
	return f.found, complete
}

// deadlineRules is after how many rules the deadline is looked at.
const deadlineRules = 16

// candidatesOf gathers the candidates of a rule, in the order of the text.
func (f *Scratch) candidatesOf(rule int32) []candidate { return f.sorted(&f.group, rule) }

// sorted gathers the candidates of a rule or watch into a buffer.
func (f *Scratch) sorted(into *[]candidate, rule int32) []candidate {
	group := (*into)[:0]
	inOrder := true
	for i := f.last[rule].index; i >= 0; {
		c := f.candidates[i]
		inOrder = inOrder && (len(group) == 0 || group[len(group)-1].from >= c.from)
		group = append(group, c)
		i = c.before
	}
	slices.Reverse(group)
	if !inOrder {
		slices.SortFunc(group, func(a, b candidate) int { return int(a.from) - int(b.from) })
	}
	*into = group
	return group
}

// maxText bounds one text, so that places fit into 32 bits.
const maxText = 1 << 30

func (f *Scratch) begin(s *Scanner, text string) {
	f.found = f.found[:0]
	f.candidates, f.rules, f.heard = f.candidates[:0], f.rules[:0], f.heard[:0]
	f.watches = len(s.rules)
	if n := len(s.rules) + s.watches; len(f.last) < n {
		f.last = make([]lastCandidate, n)
	}
	if n := len(s.grams.tails.nodes); len(f.walks) < n {
		f.walks = make([]walks, n)
	}
	if f.epoch++; f.epoch == 0 {
		clear(f.last)
		clear(f.walks)
		f.epoch = 1
	}
	f.budget = stepsAlways + stepsPerByte*len(text)
	f.room = 1024 + int(candidatesPerByte*float64(len(text)))
	f.full, f.cut, f.overran = false, false, false
}

func (f *Scratch) end() {
	f.keyed, f.quiet = false, false // they are about one text
	f.forget()
	clear(f.window)
	if f.window = f.window[:0]; cap(f.window) > maxWindow {
		f.window = nil
	}
}

// maxWindow is how much room for what stands around a match is kept.
const maxWindow = 64 << 10

// gates lets every gate look at the text once.
func (s *Scanner) gates(f *Scratch, text string) {
	s.grams.scan(f, &s.leads, text)
	if len(s.bytes.probes) > 0 {
		s.bytes.scan(f, s.grams, text, 0, len(text))
	}
	if !f.quiet {
		s.marks(f, text)
	}
	for _, rule := range s.everywhere {
		if len(text) > 0 {
			f.note(rule, 0, len(text)-1)
		}
	}
}

// resolve finds the matches of one rule, which can begin in the candidates only, and says whether those are all.
func (s *Scanner) resolve(f *Scratch, text string, rule int32, candidates []candidate) (complete bool) {
	c := s.rules[rule]
	count := 0
	next := 0  // where the next match may begin
	tried := 0 // where nothing was tried yet
	wanted := keywordsUnknown
	spent := 0 // on runs
	near := f.nearbyOf(c)
	reach := c.reach()
	if c.confirm.refuted.Load() {
		return s.plainly(f, text, rule, 0, 0)
	}
	for _, at := range candidates {
		for p := max(int(at.from), tried); p <= int(at.to) && p < len(text); tried = p {
			if !c.mayBegin(text, p) {
				p = c.skip(f, text, p+1, int(at.to)+1)
				continue
			}
			if spent > c.perRule(len(text)) && f.budget >= c.plainCost(len(text)) {
				return s.plainly(f, text, rule, next, count)
			}
			before := f.budget
			end, death := int(at.end), 0
			if end == 0 {
				if end = -1; f.mayMatch(c, text, p) {
					end, death = f.run(c.dfa, text, p)
				}
			}
			spent += before - f.budget
			if f.budget < 0 {
				return false
			}
			if end < 0 {
				p++
				continue
			}
			if count++; count > maxMatches {
				return false
			}
			// The filters look at the match alone, so they come before the keywords, which may be anywhere.
			if wanted != keywordsMissing && (near.hits == nil || near.has(p-reach, end+reach)) && f.accepts(c, text, p, end) {
				if wanted == keywordsUnknown {
					wanted = f.keywords(c, text, p, end)
				}
			} else {
				p, next = end, end
				continue
			}
			if wanted == keywordsThere {
				if at.end > 0 { // what decides it is not known yet
					if _, death = f.run(c.dfa, text, p); f.budget < 0 {
						return false
					}
				}
				if !f.confirmed(c, text, p, end, death) {
					f.drop(rule)
					return s.plainly(f, text, rule, 0, 0)
				}
				f.found = append(f.found, Match{rule, p, end})
			}
			p, next = end, end
		}
	}
	return f.budget >= 0 // else a filter may not have been asked
}

// reach is how far from a match a word that counts may begin.
func (c *compiled) reach() int { return utf8.UTFMax * c.filter.within }

// mayBegin says whether a match may begin at text[p], as far as its first bytes tell.
func (c *compiled) mayBegin(text string, p int) bool {
	return c.first.has(text[p]) && (c.opening == nil || c.opening.next(text, p, p+1) == p) && isBoundary(text, p)
}

// skip goes on to where a match might begin in text[from:to].
func (c *compiled) skip(f *Scratch, text string, from, to int) int {
	to = min(to, len(text))
	start := from
	if c.only >= 0 && from < to {
		if i := strings.IndexByte(text[from:to], byte(c.only)); i >= 0 {
			from += i
		} else {
			from = to
		}
		f.budget -= 1 + (from-start)/16
		return from
	}
	if c.opening != nil {
		from = c.opening.next(text, from, to)
	} else {
		for from < to && !c.first.has(text[from]) {
			from++
		}
	}
	f.budget -= 1 + (from-start)/2
	return from
}

// perRule is what one rule may spend on runs over a text before regexp is asked to go through it once, which is linear whatever
// the text is. It is a good part of what that costs, too: where places are many, or states are still to be built, runs are
// dearer than that for a while and cheaper in the end, and a short text's budget would be gone.
func (c *compiled) perRule(n int) int { return max(8*n+1<<14, c.plainCost(n)/plainPart) }

const plainPart = 4

// plainCost is what it costs to let regexp go through a text.
func (c *compiled) plainCost(n int) int { return n * (plainSteps + len(c.dfa.insts)) }

// plainly runs regexp over the text for the matches of a rule that begin at from or later.
func (s *Scanner) plainly(f *Scratch, text string, rule int32, from, count int) (complete bool) {
	c := s.rules[rule]
	cost := c.plainCost(len(text))
	if f.budget < cost {
		return false
	}
	f.budget -= cost
	wanted := keywordsUnknown
	for _, m := range c.re.FindAllStringIndex(text, maxMatches+1) {
		start, end := m[0], m[1]
		if start < from {
			continue
		}
		if count++; count > maxMatches {
			return false
		}
		if wanted == keywordsMissing || !f.accepts(c, text, start, end) {
			continue
		}
		if wanted == keywordsUnknown {
			wanted = f.keywords(c, text, start, end)
		}
		if wanted == keywordsThere {
			f.found = append(f.found, Match{rule, start, end})
		}
	}
	return f.budget >= 0
}

// drop takes back what was found of a rule, the latest.
func (f *Scratch) drop(rule int32) {
	for n := len(f.found); n > 0 && f.found[n-1].Rule == rule; n-- {
		f.found = f.found[:n-1]
	}
}
