package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a Stream keeps. A match that takes more than the window is not found, and makes the stream incomplete.
const (
	streamWindow = 4 << 20
	streamChunk  = 256 << 10 // gathered before it is looked at
	// streamBefore is what is kept in front of where a match may begin: room for a context and what a prefix may take.
	streamBefore = maxPrefix + utf8.UTFMax*maxContextWithin + 1024
	// streamAfter is how much must stand behind a place before it is decided whether a gate finds it.
	streamAfter = maxPrefix + utf8.UTFMax*(maxContextWithin+expandBytes) + 1024
)

// maxPending bounds the matches that wait for a keyword.
const maxPending = 100_000

// Stream finds matches in a text that comes in pieces: the same as Find in all of it, wherever the pieces are cut, in
// memory that does not grow with the text. Of a rule it gives the first 10,000 matches that count; Find looks at no more
// than so many of its regex. It is for one goroutine.
type Stream struct {
	scanner *Scanner
	f       Scratch
	text    string // what is kept, and what is new
	fresh   strings.Builder
	base    int    // where text begins in the stream
	decided int    // in text: no match begins before that is not known
	next    []int  // by rule: where the next match may begin, in the stream
	count   []int  // by rule: matches so far that count
	heard   []bool // by rule: one of its keywords was there
	pending []Match
	found   []Match
	partial bool
}

// Stream begins an inspection.
func (s *Scanner) Stream() *Stream {
	t := &Stream{scanner: s, next: make([]int, len(s.rules)), count: make([]int, len(s.rules)), heard: make([]bool, len(s.rules))}
	for i, c := range s.rules {
		t.heard[i] = len(c.keywords) == 0
	}
	if k := s.keywords(); k != nil {
		for _, rule := range k.assumed {
			t.heard[rule] = true
		}
	}
	return t
}

// Write takes the next piece in and gives the matches that are certain now, at their place in the stream, in no
// particular order. They are good until the next call.
func (t *Stream) Write(ctx context.Context, piece string) []Match {
	t.found = t.found[:0]
	for len(piece) > 0 {
		n := min(len(piece), streamChunk-t.fresh.Len())
		t.fresh.WriteString(piece[:n])
		piece = piece[n:]
		if t.fresh.Len() >= streamChunk {
			t.advance(ctx, false)
		}
	}
	return t.found
}

// Close ends the stream: the matches that were still open, and whether all was inspected.
func (t *Stream) Close(ctx context.Context) (found []Match, complete bool) {
	t.found = t.found[:0]
	t.advance(ctx, true)
	return t.found, !t.partial
}

// advance looks at what came in.
func (t *Stream) advance(ctx context.Context, last bool) {
	text := t.text + t.fresh.String()
	t.fresh.Reset()
	held := ""
	if !last { // a character is not cut in two
		end := wholeRunes(text)
		text, held = text[:end], text[end:]
	}
	t.hear(ctx, text)
	limit := len(text)
	if !last {
		limit = max(len(text)-streamAfter, t.decided)
	}
	open := t.find(ctx, text, limit, last)
	if ctx.Err() != nil {
		t.partial = true
	}
	if len(text)-open > streamWindow {
		t.partial = true
		open = limit
	}
	keep := max(open-streamBefore, 0)
	if keep > 0 { // not amidst a character; what is no character's is a place like any other
		for range utf8.UTFMax - 1 {
			if !utf8.RuneStart(text[keep]) {
				keep++
			}
		}
	}
	t.text = strings.Clone(text[keep:]) + held
	t.base += keep
	t.decided = open - keep
}

// wholeRunes is the length of text less a character at its end that may still go on.
func wholeRunes(text string) int {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// find looks for matches that begin before limit, and says from where on nothing is decided.
func (t *Stream) find(ctx context.Context, text string, limit int, last bool) (open int) {
	s, f := t.scanner, &t.f
	f.begin(s, text)
	f.cut = t.base > 0
	defer f.end()
	s.gates(f, text)
	if f.budget < 0 || f.full || f.overran {
		t.partial = true
	}
	f.budget = stepsAlways + stepsPerByte*len(text)
	open = limit
	slices.Sort(f.rules)
	for i, rule := range f.rules {
		if i%deadlineRules == 0 && ctx.Err() != nil {
			break
		}
		open = min(open, t.resolve(text, rule, limit, last))
	}
	return open
}

// resolve finds the matches of one rule that begin before limit. It gives the place of one that can't be told yet, or
// limit.
func (t *Stream) resolve(text string, rule int32, limit int, last bool) (open int) {
	f := &t.f
	c := t.scanner.rules[rule]
	p := max(t.next[rule]-t.base, t.decided)
	for _, at := range f.candidatesOf(rule) {
		for p = max(p, int(at.from)); p <= int(at.to) && p < limit; {
			if !c.mayBegin(text, p) {
				p = c.skip(f, text, p+1, int(at.to)+1)
				continue
			}
			end, death := -1, 0
			if f.mayMatch(c, text, p) {
				end, death = f.run(c.dfa, text, p)
			}
			if f.budget < 0 {
				t.partial = true
				return limit
			}
			behind := 0
			if len(c.filter.words) > 0 {
				behind = utf8.UTFMax * c.filter.within
			}
			if !last && (death >= len(text) || end >= 0 && end+behind > len(text)) {
				return p // what comes next decides
			}
			if end < 0 {
				p++
				continue
			}
			if f.accepts(c, text, p, end) {
				if t.count[rule]++; t.count[rule] > maxMatches {
					t.partial = true
					t.next[rule] = int(^uint(0) >> 1)
					return limit
				}
				if !f.confirmed(c, text, p, end, death) {
					t.partial = true
				}
				t.take(rule, p, end)
			}
			p = end
			t.next[rule] = t.base + end
		}
	}
	return limit
}

// take reports a match, or lets it wait for a keyword.
func (t *Stream) take(rule int32, start, end int) {
	m := Match{rule, t.base + start, t.base + end}
	switch {
	case t.heard[rule]:
		t.found = append(t.found, m)
	case len(t.pending) < maxPending:
		t.pending = append(t.pending, m)
	default:
		t.partial = true
	}
}

// hear looks for keywords, and lets go of the matches that waited for them.
func (t *Stream) hear(ctx context.Context, text string) {
	k := t.scanner.keywords()
	if k == nil {
		return
	}
	var f Scratch
	found, complete := k.scanner.Find(ctx, text, &f)
	heard := complete
	if !complete {
		// So many keywords that the budget is used up: then they are looked for one by one.
		lower := strings.ToLower(text)
		for i, c := range t.scanner.rules {
			t.heard[i] = t.heard[i] || c.mayMatch(lower)
		}
	}
	for _, m := range found {
		for _, rule := range k.rules[k.scanner.rules[m.Rule].ID] {
			heard = heard || !t.heard[rule]
			t.heard[rule] = true
		}
	}
	if !heard {
		return
	}
	t.pending = slices.DeleteFunc(t.pending, func(m Match) bool {
		if t.heard[m.Rule] {
			t.found = append(t.found, m)
		}
		return t.heard[m.Rule]
	})
}

// keywordIndex finds the keywords of all rules in one go.
type keywordIndex struct {
	scanner *Scanner
	rules   map[string][]int32 // keyword → rules
	assumed []int32            // rules with a keyword that can't be looked for: it counts as there
}

// keywords builds the index when the first stream wants it; nil if there is no keyword.
func (s *Scanner) keywords() *keywordIndex {
	s.keywordOnce.Do(func() {
		k := &keywordIndex{rules: make(map[string][]int32)}
		for i, c := range s.rules {
			for _, w := range c.keywords {
				k.rules[w] = append(k.rules[w], int32(i))
			}
		}
		if len(k.rules) == 0 {
			return
		}
		planner := newPlanner()
		var rules []*compiled
		for w := range k.rules {
			c := &compiled{Rule: Rule{ID: w}}
			if reason, _ := c.setRegex(Pattern{Regex: loweredRegex(w), Slow: true}, planner); reason != "" {
				k.assumed = append(k.assumed, k.rules[w]...)
				continue
			}
			rules = append(rules, c)
		}
		slices.SortFunc(rules, func(a, b *compiled) int { return strings.Compare(a.ID, b.ID) })
		k.scanner = newScanner(rules, &statePool{})
		s.keywordIndex = k
	})
	return s.keywordIndex
}

// loweredRegex matches what lower-casing turns into the word.
func loweredRegex(word string) string {
	var b strings.Builder
	for _, r := range word {
		b.WriteByte('[')
		for i, c := range loweredTo(r) {
			if i%2 == 0 {
				fmt.Fprintf(&b, `\x{%x}`, c)
			}
		}
		b.WriteByte(']')
	}
	return b.String()
}
