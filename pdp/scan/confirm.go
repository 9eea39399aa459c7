package scan

import (
	"regexp"
	"sync"
	"unicode/utf8"
)

// confirmer lets regexp have the last word on what the automaton found: in a window that holds all that decides the
// match, and the character before it, which assertions may ask for. Where findings are few, this costs next to nothing; where
// they are many, as addresses are in a log, it would be nearly all that a text costs, and regexp is asked for the first of them.
type confirmer struct {
	first func() *regexp.Regexp // for a match at the begin of the text
	later func() *regexp.Regexp // for one behind a character
}

func newConfirmer(expr string) confirmer {
	anchored := func(head string) func() *regexp.Regexp {
		return sync.OnceValue(func() *regexp.Regexp {
			re, err := regexp.Compile(head + `(?:` + expr + `)`)
			if err != nil { // a little longer than the regex, and that is at its limit
				return nil
			}
			return re
		})
	}
	return confirmer{anchored(`\A`), anchored(`\A(?s:.)`)}
}

// maxConfirm bounds the window, in bytes. A match that takes more to decide is the automaton's alone, as are the places where
// there is none: regexp takes fifty times as long for each byte, and a text can be one long match of several rules.
const maxConfirm = 1 << 10

// maxConfirmed is for how many matches of a rule in one text regexp is asked.
const maxConfirmed = 64

// confirms pays for regexp, and says whether it, too, finds the match text[start:end]; death is where the automaton saw nothing
// more to come.
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
