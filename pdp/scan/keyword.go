package scan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// containsFolded is strings.Contains(strings.ToLower(text), word) for a keyword, without the memory that lower-casing
// takes. The word has no capitals. Beside capitals, two characters turn into ASCII: the Kelvin sign and the
// capital I with a dot.
func containsFolded(text, word string) bool {
	at := anchor(word)
	if at < 0 {
		return strings.Contains(strings.ToLower(text), word)
	}
	lower := word[at]
	upper := lower
	if 'a' <= lower && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	next := [2]int{indexByteFrom(text, lower, 0), len(text)}
	if upper != lower {
		next[1] = indexByteFrom(text, upper, 0)
	}
	for {
		i, c := next[0], lower
		if next[1] < i {
			i, c = next[1], upper
		}
		if i == len(text) {
			return false
		}
		if foldedBefore(text[:i], word[:at]) && foldedAfter(text[i+1:], word[at+1:]) {
			return true
		}
		if c == lower {
			next[0] = indexByteFrom(text, lower, i+1)
		} else {
			next[1] = indexByteFrom(text, upper, i+1)
		}
	}
}

// anchor is the place of the byte of a word that is rarest in texts and is nothing else's lower case, or -1: there is none, or
// the word is not ASCII, as those of a table are.
func anchor(word string) int {
	at, least := -1, float32(0)
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf {
			return -1
		}
		if word[i] == 'i' || word[i] == 'k' {
			continue
		}
		if share := frequency.one[kindOf(foldByte(word[i]))]; at < 0 || share < least {
			at, least = i, share
		}
	}
	return at
}

// indexByteFrom is where a byte stands from a place on, or the text's end.
func indexByteFrom(text string, c byte, from int) int {
	if i := strings.IndexByte(text[from:], c); i >= 0 {
		return from + i
	}
	return len(text)
}

const (
	kelvin  = "\u212a"
	dottedI = "\u0130"
)

// foldedBefore says whether a text ends with a word, folded.
func foldedBefore(text, word string) bool {
	for i := len(word) - 1; i >= 0; i-- {
		switch n := len(text); {
		case n > 0 && foldASCII(text[n-1]) == word[i]:
			text = text[:n-1]
		case word[i] == 'k' && strings.HasSuffix(text, kelvin):
			text = text[:n-len(kelvin)]
		case word[i] == 'i' && strings.HasSuffix(text, dottedI):
			text = text[:n-len(dottedI)]
		default:
			return false
		}
	}
	return true
}

// foldedAfter says whether a text begins with a word, folded.
func foldedAfter(text, word string) bool {
	for i := range len(word) {
		switch {
		case text != "" && foldASCII(text[0]) == word[i]:
			text = text[1:]
		case word[i] == 'k' && strings.HasPrefix(text, kelvin):
			text = text[len(kelvin):]
		case word[i] == 'i' && strings.HasPrefix(text, dottedI):
			text = text[len(dottedI):]
		default:
			return false
		}
	}
	return true
}

func foldASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// lowered appends a text in lower case.
func lowered(into []byte, text string) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			into = append(into, foldASCII(c))
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(text[i:])
		into = utf8.AppendRune(into, unicode.ToLower(r))
		i += width
	}
	return into
}
