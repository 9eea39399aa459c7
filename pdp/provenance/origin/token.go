package origin

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// word is a piece of text between separators that vouch: `bob@example.com`, `bill-december.txt`, `https://example.com/a`.
// What joins its parts is part of it: `a.b@c` and `a@b.c` name two people.
type word struct {
	text string
	// broken says that more than blanks stands before it, so that it does not go on with the word before.
	broken bool
}

// words takes a text apart. plain says that nothing but blanks, commas, apostrophes and signs of currency stood around and
// between the words: a value that has more than that is not the same as its words, as `ls a; b` is not `ls a b`.
func words(text string) (out []word, plain bool) {
	plain = true
	broken := false
	text = norm.NFC.String(text)
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		if !joins(r) {
			broken = broken || !separates(r)
			plain = plain && (separates(r) || r == ',')
			text = text[size:]
			continue
		}
		n := extent(text)
		kept := trimmed(text[:n])
		if squeezed(kept) == "" { // a dash, or the mark of a list
			plain, broken = false, true
		} else {
			cut := len(kept) < len(strings.TrimRight(text[:n], "/")) // a full stop, say
			plain = plain && !climbs(text[:n], kept)
			out = append(out, word{cased(kept), broken})
			broken = cut
		}
		text = text[n:]
	}
	return out, plain
}

// climbs says whether what was trimmed off the end of a word leads elsewhere: `reports/..` is no folder `reports`.
func climbs(text, kept string) bool {
	_, tail, _ := strings.Cut(text, kept)
	return strings.Contains(tail, "/.")
}

// extent is how far the word at the beginning of a text goes. It is never 0.
func extent(text string) int {
	if n := strings.IndexFunc(text, ends); addressed(text[:max(n, 0)]) {
		return n
	} else if n < 0 && addressed(text) {
		return len(text)
	}
	before := rune(0)
	for i, r := range text {
		next, _ := utf8.DecodeRuneInString(text[i+runeBytes(text[i:]):])
		switch {
		case r == ',' && unicode.IsDigit(before) && unicode.IsDigit(next): // 1,000
		case r == ':' && !unicode.IsDigit(next) && next != '/':
			return max(i, 1)
		case !joins(r):
			return i
		}
		before = r
	}
	return len(text)
}

func runeBytes(text string) int {
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// addressed says whether a text begins with a scheme and two slashes.
func addressed(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && scheme != "" && !strings.ContainsFunc(scheme, func(r rune) bool {
		return r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '+' && r != '-' && r != '.'
	})
}

// ends is where an address that is written out ends for sure.
func ends(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("\"'<>`(){}[]|\\,;", r)
}

func joins(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("._-@/:+~%", r)
}

// separates is what may stand between two words of a phrase. A line that ends ends nothing: texts are folded.
func separates(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'’#$€£", r) }

// lines are the lines of a text, each a phrase of its own.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// Links are the addresses that stand in a text: with a scheme, or as one would type them (`www.example.com/a`).
// Markdown and HTML put brackets and quotes around them, which end a word.
func Links(text string) (out []string) {
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		if !joins(r) {
			text = text[size:]
			continue
		}
		n := extent(text)
		if w := trimmed(text[:n]); addressed(w) || typed(w) {
			out = append(out, w)
		}
		text = text[n:]
	}
	return out
}

// Addressed says whether a text, as a whole, is an address by its shape: of mail, of a page, an account or a telephone number.
func Addressed(text string) bool {
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return false
	}
	f := form(text)
	return addressed(text) || strings.IndexByte(text, '@') > 0 || strings.HasPrefix(f, "iban ") || strings.HasPrefix(f, "phone ")
}

// typed says whether a word is an address without a scheme: it begins with www, or is a host with a path, be it after two slashes.
func typed(w string) bool {
	if len(w) > 4 && strings.EqualFold(w[:4], "www.") {
		return true
	}
	host, _, found := strings.Cut(strings.TrimPrefix(w, "//"), "/") // browsers take the scheme of the page for //
	dot := strings.LastIndexByte(host, '.')
	return found && dot > 0 && len(host)-dot > 2 && !strings.ContainsFunc(host[dot+1:], func(r rune) bool { return !unicode.IsLetter(r) })
}

// trimmed takes off what ends a sentence rather than a word.
func trimmed(w string) string {
	return strings.TrimLeft(strings.TrimRight(w, ".:,/!?"), ":@,")
}

// cased folds the case where it makes no difference: not in paths, where it may.
func cased(w string) string {
	if strings.Contains(w, "://") {
		// A URL with a name before its host, or one that readers take differently, is nothing but itself.
		if u, ok := action.CanonicalURL(w); ok && u.Host != "" && len(u.Flags) == 0 {
			return u.Scheme + "://" + u.Host + ":" + strconv.Itoa(u.Port) + u.Rest
		}
		return w
	}
	if strings.ContainsAny(w, "/\\") {
		return w
	}
	return strings.ToLower(w)
}

// number is the exact decimal that a word writes; empty if it is none. `1,000.50` and `1000.5` are the same.
func number(w string) string {
	if w == "" || !strings.ContainsAny(w[len(w)-1:], "0123456789") {
		return ""
	}
	n, err := action.NormaliseNumber(strings.TrimLeft(strings.ReplaceAll(w, ",", ""), "+"))
	if err != nil {
		return ""
	}
	return string(n)
}

// squeezed is the letters and digits of a text in lower case: what is left of a value however it is set out.
func squeezed(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// Folded is one spelling of a value: its form if it has one, as a telephone number does, else its letters and digits in lower
// case, so that two ways to set out one value are the same.
func Folded(text string) string {
	text = norm.NFKC.String(text)
	if f := form(text); f != "" {
		return f
	}
	return squeezed(text)
}

// parts are the runs of letters and digits of a text, in lower case.
func parts(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// minVouched and minTelling are how many characters a value or a part must have to say anything about where it is from.
const (
	minVouched = 3
	minTelling = 4
)

// common are words that stand in any text: that they were seen says nothing.
var common = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq("the and for you your yours with this that from have has was are not can will all any " +
		"please send give make them they what when where which who how about into over also just then than been out our " +
		"http https www com org net mail email message file user name null none true false new old yes") {
		m[w] = true
	}
	return m
}()
