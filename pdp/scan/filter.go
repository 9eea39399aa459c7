package scan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of the filters of one row.
const (
	maxContextWords  = 64
	maxContextWithin = 500
	maxAllow         = 32
	maxSourceBytes   = 512
)

// filter is what a row demands of a match beyond its regex. The order is that of the Rego reference, and of price:
// validator, allowlist, context.
type filter struct {
	validator validator
	minMilli  int64
	allow     []*regexp.Regexp // anchored at both ends
	words     []contextWord
	within    int
}

// contextWord is a word to stand near a match.
type contextWord struct {
	text   string
	prefix bool // what follows it does not matter
}

// accepts says whether the match text[start:end] counts.
func (f *filter) accepts(text string, start, end int) bool {
	match := text[start:end]
	if f.validator != nil && !f.validator(match, f.minMilli) {
		return false
	}
	for _, a := range f.allow {
		if a.MatchString(match) {
			return false
		}
	}
	return len(f.words) == 0 || f.inContext(text, start, end)
}

// inContext says whether one of the words stands near text[start:end].
func (f *filter) inContext(text string, start, end int) bool {
	from, to := start, end
	for range f.within {
		if from == 0 {
			break
		}
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	for range f.within {
		if to == len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[to:])
		to += size
	}
	window := text[from:to]
	if !isPlainLower(window) {
		window = strings.ToLower(window)
	}
	return slices.ContainsFunc(f.words, func(w contextWord) bool { return w.in(window) })
}

func (w contextWord) in(lower string) bool {
	for at := 0; ; {
		i := strings.Index(lower[at:], w.text)
		if i < 0 {
			return false
		}
		start := at + i
		end := start + len(w.text)
		if (start == 0 || !isAlnum(lower[start-1])) && (w.prefix || end == len(lower) || !isAlnum(lower[end])) {
			return true
		}
		at = start + 1
	}
}

// isPlainLower says whether lower-casing would change nothing, for sure.
func isPlainLower(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// setFilter checks and compiles a row's filters other than the validator.
func (c *compiled) setFilter(p Pattern, bad func(field string, reason Reason, format string, args ...any)) {
	if p.Context != nil {
		if n := len(p.Context.Words); n == 0 || n > maxContextWords {
			bad("context.words", ReasonBadContext, "%d words, 1 to %d", n, maxContextWords)
		}
		if n := p.Context.Within; n < 1 || n > maxContextWithin {
			bad("context.within", ReasonBadContext, "%d characters, 1 to %d", n, maxContextWithin)
		}
		for i, w := range p.Context.Words {
			text, prefix := strings.CutSuffix(w, "*")
			if !isContextWord(text) {
				bad("context.words", ReasonBadContext, "words[%d] is empty, long, not lower-case, or has blanks at its ends", i)
			}
			c.filter.words = append(c.filter.words, contextWord{text, prefix})
		}
		c.filter.within = p.Context.Within
	}
	if n := len(p.Allow); n > maxAllow {
		bad("allow", ReasonBadAllow, "%d regexes, at most %d", n, maxAllow)
	}
	for i, expr := range p.Allow {
		re, detail := compileAllow(expr)
		if detail != "" {
			bad("allow", ReasonBadAllow, "allow[%d]: %s", i, detail)
		}
		c.filter.allow = append(c.filter.allow, re)
	}
	if len(p.Source) > maxSourceBytes || !utf8.ValidString(p.Source) || strings.ContainsFunc(p.Source, func(r rune) bool { return r < ' ' }) {
		bad("source", ReasonBadSource, "one line of at most %d bytes", maxSourceBytes)
	}
}

// compileAllow compiles a regex that must match the whole of a match.
func compileAllow(expr string) (*regexp.Regexp, string) {
	if _, reason, detail := parseRegex(expr); reason != "" && reason != ReasonMatchesEmpty {
		return nil, detail
	}
	re, err := regexp.Compile(`^(?:` + expr + `)$`)
	if err != nil {
		return nil, fmt.Sprintf("cannot be anchored: %v", err)
	}
	return re, ""
}

func isContextWord(w string) bool {
	return w != "" && len(w) <= maxKeywordBytes && w == strings.ToLower(w) && w == strings.TrimSpace(w) && utf8.ValidString(w) &&
		!strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == '*' })
}
