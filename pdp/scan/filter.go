package scan

import (
	"math/bits"
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
	heads         *wordHeads // of the words
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

// wordHeads tells where a word may stand: for the lower five bits of a byte in lower case, first has the words that begin with
// such a byte, and second those that go on with one, which words of one byte do with any.
type wordHeads struct{ first, second [1 << headBits]uint64 }

const headBits = 5

func headsOf(words []contextWord) *wordHeads {
	h := new(wordHeads)
	for i, w := range words {
		bit := uint64(1) << i
		h.first[w.text[0]%(1<<headBits)] |= bit
		for c := range h.second {
			if len(w.text) == 1 || int(w.text[1])%(1<<headBits) == c {
				h.second[c] |= bit
			}
		}
	}
	return h
}

// hasWord says whether one of the words stands in a text, which is in lower case but for its ASCII. Which of the bytes before a
// match are letters is not for a processor to guess, so there is one branch for all that is no word's begin.
func hasWord[T string | []byte](f *filter, text T) bool {
	h := f.heads
	var may, inWord uint64 // the words that may begin with the byte before, and all ones where that is a letter or digit
	for at := range len(text) {
		kind := headKinds[text[at]]
		if may &= h.second[kind%(1<<headBits)]; may != 0 && wordOf(f.words, may, text[at-1:]) {
			return true
		}
		may = h.first[kind%(1<<headBits)] &^ inWord
		inWord = uint64(int8(kind) >> 7)
	}
	return may != 0 && wordOf(f.words, may, text[len(text)-1:])
}

// headKinds has the lower bits of each byte, in lower case, and the highest bit for the letters and digits of ASCII.
var headKinds = func() (kinds [256]uint8) {
	for c := range kinds {
		kinds[c] = foldASCII(byte(c)) % (1 << headBits)
		if isAlnum(byte(c)) {
			kinds[c] |= 1 << 7
		}
	}
	return kinds
}()

// wordOf says whether one of the words that may stands at the begin of such a text.
func wordOf[T string | []byte](words []contextWord, may uint64, text T) bool {
	for ; may != 0; may &= may - 1 {
		if wordAt(&words[bits.TrailingZeros64(may)], text) {
			return true
		}
	}
	return false
}

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
				continue
			}
			c.filter.words = append(c.filter.words, contextWord{text, prefix})
		}
		c.filter.within, c.filter.heads = p.Context.Within, headsOf(c.filter.words)
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
