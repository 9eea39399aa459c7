package scan

import (
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
	// validatorCost is what a validator costs beside its bytes, in steps.
	validatorCost int
	allow         *allowlist
	words         []contextWord
	begins        byteset // what the words begin with
	within        int
}

// contextWord is a word to stand near a match.
type contextWord struct {
	text   string
	prefix bool // what follows it does not matter
}

// accepts says whether the match text[start:end] counts. The window is room for what stands around it.
func (f *filter) accepts(text string, start, end int, window *[]byte) bool {
	match := text[start:end]
	if !f.valid(match) {
		return false
	}
	if f.allow != nil && f.allow.allowed(match) {
		return false
	}
	return len(f.words) == 0 || f.inContext(text, start, end, window)
}

func (f *filter) valid(match string) bool {
	return f.validator == nil || f.validator(match, f.minMilli)
}

// inContext says whether one of the words stands near text[start:end].
func (f *filter) inContext(text string, start, end int, window *[]byte) bool {
	if near := text[max(start-f.within, 0):min(end+f.within, len(text))]; isASCII(near) {
		return hasWord(f, near)
	}
	from, to := start, end
	for range f.within {
		if from == 0 {
			break
		}
		size := 1
		if text[from-1] >= utf8.RuneSelf {
			_, size = utf8.DecodeLastRuneInString(text[:from])
		}
		from -= size
	}
	for range f.within {
		if to == len(text) {
			break
		}
		size := 1
		if text[to] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(text[to:])
		}
		to += size
	}
	lower := lowered((*window)[:0], text[from:to])
	*window = lower
	return hasWord(f, lower)
}

// hasWord says whether one of the words stands in a text, which is in lower case but for its ASCII. Which of the bytes before a
// match are letters is not for a processor to guess, so there is one branch for all that is no word's begin.
func hasWord[T string | []byte](f *filter, text T) bool {
	inWord := uint64(0)
	for at := range len(text) {
		c := foldedBytes[text[at]]
		if f.begins[c>>6]>>(c&63)&1&^inWord != 0 {
			for i := range f.words {
				if w := &f.words[i]; w.text[0] == c && wordAt(w, text[at:]) {
					return true
				}
			}
		}
		inWord = alnumBytes[c>>6] >> (c & 63) & 1
	}
	return false
}

// foldedBytes are the bytes with ASCII in lower case, and alnumBytes the letters and digits of ASCII.
var (
	foldedBytes = func() (folded [256]byte) {
		for c := range folded {
			folded[c] = foldASCII(byte(c))
		}
		return folded
	}()
	alnumBytes = func() (s byteset) {
		for c := range 256 {
			if isAlnum(byte(c)) {
				s.add(byte(c), byte(c))
			}
		}
		return s
	}()
)

// wordAt says whether the word stands at the begin of such a text.
func wordAt[T string | []byte](w *contextWord, text T) bool {
	n := len(w.text)
	if len(text) < n {
		return false
	}
	for i := range n {
		if foldASCII(text[i]) != w.text[i] {
			return false
		}
	}
	return w.prefix || len(text) == n || !isAlnum(text[n])
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
			if text != "" {
				c.filter.begins.add(text[0], text[0])
			}
		}
		c.filter.within = p.Context.Within
	}
	if n := len(p.Allow); n > maxAllow {
		bad("allow", ReasonBadAllow, "%d regexes, at most %d", n, maxAllow)
	}
	c.filter.allow = newAllowlist(p.Allow, func(i int, detail string) {
		bad("allow", ReasonBadAllow, "allow[%d]: %s", i, detail)
	})
	if len(p.Source) > maxSourceBytes || !utf8.ValidString(p.Source) || strings.ContainsFunc(p.Source, func(r rune) bool { return r < ' ' }) {
		bad("source", ReasonBadSource, "one line of at most %d bytes", maxSourceBytes)
	}
}

func isContextWord(w string) bool {
	return w != "" && len(w) <= maxKeywordBytes && w == strings.ToLower(w) && w == strings.TrimSpace(w) && utf8.ValidString(w) &&
		!strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == '*' })
}
