package scan

import (
	"regexp"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// confirmer lets regexp have the last word on what the automaton found: in a window that holds all that decides the
// match, and the character before it, which assertions may ask for. Where findings are few, this costs next to nothing; where
// they are many, as addresses are in mail, it would be most of what a text costs. So regexp is asked about the first matches of
// a rule, and about some of all later ones. Should it ever say no, the automaton has no say in that rule any more.
type confirmer struct {
	first   func() *regexp.Regexp // for a match at the begin of the text
	later   func() *regexp.Regexp // for one behind a character
	matches atomic.Uint32         // that the automaton found, in all texts
	refuted atomic.Bool           // regexp said no
}

const (
	// confirmFirst matches of a rule are confirmed, and then one in confirmEvery.
	confirmFirst = 64
	confirmEvery = 32
)

// due says whether the next match is to be confirmed.
func (c *confirmer) due() bool {
	n := c.matches.Add(1)
	return n <= confirmFirst || n%confirmEvery == 0
}

func newConfirmer(expr string) *confirmer {
	anchored := func(head string) func() *regexp.Regexp {
		return sync.OnceValue(func() *regexp.Regexp {
			re, err := regexp.Compile(head + `(?:` + expr + `)`)
			if err != nil { // a little longer than the regex, and that is at its limit
				return nil
			}
			return re
		})
	}
	return &confirmer{first: anchored(`\A`), later: anchored(`\A(?s:.)`)}
}

// maxConfirm bounds the window, in bytes. A match that takes more to decide is the automaton's alone, as are the places where
// there is none: regexp takes fifty times as long for each byte, and a text can be one long match of several rules.
const maxConfirm = 1 << 10

// confirmed says whether the match text[start:end] stands, and pays for regexp where that is asked; death is where the automaton
// saw nothing more to come.
func (f *Scratch) confirmed(c *compiled, text string, start, end, death int) bool {
	if c.confirm.due() && !f.confirms(c, text, start, end, death) {
		c.confirm.refuted.Store(true)
	}
	return !c.confirm.refuted.Load()
}

// confirms says whether regexp, too, finds a match.
func (f *Scratch) confirms(c *compiled, text string, start, end, death int) bool {
	from, re := start, c.confirm.first
	if start > 0 {
		_, width := utf8.DecodeLastRuneInString(text[:start])
		from, re = start-width, c.confirm.later
	}
	if death-from > maxConfirm {
		return true
	}
	f.budget -= plainCall + (plainSteps/2+min(len(c.dfa.insts)/16, 2*plainSteps))*(death-from)
	if re() == nil {
		return false
	}
	at := re().FindStringIndex(text[from:death])
	return at != nil && from+at[1] == end
}
