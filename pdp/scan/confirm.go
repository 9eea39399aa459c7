package scan

import (
	"regexp"
	"sync"
	"unicode/utf8"
)

// confirmer lets regexp have the last word on what the automaton found: in a window that holds all that decides the
// match, and the character before it, which assertions may ask for. Findings are few, so this costs next to nothing.
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

// confirms says whether regexp, too, finds the match text[start:end]; death is where the automaton saw nothing more
// to come.
func (c *compiled) confirms(text string, start, end, death int) bool {
	from, re := start, c.confirm.first
	if start > 0 {
		_, width := utf8.DecodeLastRuneInString(text[:start])
		from, re = start-width, c.confirm.later
	}
	if re() == nil {
		return false
	}
	at := re().FindStringIndex(text[from:death])
	return at != nil && from+at[1] == end
}
