package scan

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// kinds of encodings, as bits so that one pass can report several.
type kinds uint16

const (
	kindBase64 kinds = 1 << iota
	kindBase64URL
	kindGzip
	kindHex
	kindHTML
	kindJSON
	kindMarkup
	kindPercent
	kindQuoted
)

var kindNames = []string{"base64", "base64url", "gzip", "hex", "html", "json", "markup", "percent", "quoted"}

func (k kinds) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// escape is one thing that stands for another within a text: n bytes that read as text, or as raw bytes which may
// not be valid UTF-8. A kind of 0 says that the n bytes stand for themselves.
type escape struct {
	n    int
	kind kinds
	text string
	raw  []byte
	// hides is set where what is said is hidden. A backslash before a quote hides nothing, and text has many of those.
	hides bool
}

// escapes rewrites what is written as escapes within text, in one pass: percent-encoding, HTML entities, the
// backslash escapes of JSON and of programs, quoted-printable, and tags within words. A pass for each would make
// as many views of every web page. hides says whether something was decoded that hid what it says.
func (w *rewriting) escapes(buf []byte) (kind kinds, hides bool) {
	marks := seek(w.from)
	quoted := isQuotedPrintable(w.from)
	for i := marks.next(0); i < len(w.from); i = marks.next(i) {
		e := escapeAt(w.from, i, quoted, buf)
		switch {
		case e.n == 0:
			i++
			continue
		case e.kind == 0:
		case e.raw != nil:
			w.decoded(i, i+e.n, e.raw)
		default:
			w.replace(i, i+e.n, e.text)
		}
		kind |= e.kind
		hides = hides || e.hides
		i += e.n
	}
	return kind, hides
}

func escapeAt(s string, i int, quoted bool, buf []byte) escape {
	switch s[i] {
	case '%':
		return hexEscapes(s[i:], "%", kindPercent, buf)
	case '&':
		return entity(s[i:])
	case '\\':
		return backslash(s[i:], buf)
	case '=':
		if quoted {
			return quotedAt(s[i:], buf)
		}
	case '<':
		if i > 0 && isAlnum(s[i-1]) {
			return tagsWithinWord(s[i:])
		}
	}
	return escape{}
}

// escapeMarks begin all escapes.
const escapeMarks = `%\&=<`

// seeker finds the next of the marks. Each byte is looked at once a mark, by a search that takes 32 at a time.
type seeker struct {
	s  string
	at [len(escapeMarks)]int
}

func seek(s string) seeker {
	k := seeker{s: s}
	for m := range k.at {
		k.at[m] = k.find(m, 0)
	}
	return k
}

func (k *seeker) find(mark, from int) int {
	if at := strings.IndexByte(k.s[from:], escapeMarks[mark]); at >= 0 {
		return from + at
	}
	return len(k.s)
}

// next is the first mark at or after a place, or the end.
func (k *seeker) next(from int) int {
	least := len(k.s)
	for m := range k.at {
		if k.at[m] < from {
			k.at[m] = k.find(m, from)
		}
		least = min(least, k.at[m])
	}
	return least
}

// hexEscapes decodes a run of mark and two hex digits (`%41%42`, `\x41\x42`) if it holds text. A run that
// holds none is passed over as a whole: looking at its tail again and again would take quadratic time.
func hexEscapes(s, mark string, kind kinds, raw []byte) escape {
	n, step := 0, len(mark)+2
	for strings.HasPrefix(s[n:], mark) && len(s) >= n+step {
		hi, lo := unhex(s[n+step-2]), unhex(s[n+step-1])
		if hi < 0 || lo < 0 {
			break
		}
		raw = append(raw, byte(hi<<4|lo))
		n += step
	}
	if n == 0 || !isText(raw) {
		return escape{n: n}
	}
	return escape{n: n, kind: kind, raw: raw, hides: true}
}

// maxEntity bounds the name of an HTML entity; the longest that there is has 33 characters.
const maxEntity = 40

func entity(s string) escape {
	n := 1
	for n < len(s) && n < maxEntity && (s[n] == '#' || isAlnum(s[n])) {
		n++
	}
	if n < len(s) && s[n] == ';' {
		n++
	}
	out := html.UnescapeString(s[:n])
	if out == s[:n] {
		return escape{}
	}
	return escape{n: n, kind: kindHTML, text: out, hides: true}
}

func backslash(s string, buf []byte) escape {
	if len(s) < 2 {
		return escape{}
	}
	switch s[1] {
	case 'u', 'U':
		return unicodeEscapes(s)
	case 'x':
		return hexEscapes(s, `\x`, kindJSON, buf)
	case '"', '\\', '/', '\'':
		return escape{n: 2, kind: kindJSON, text: s[1:2]}
	case 'n':
		return escape{n: 2, kind: kindJSON, text: "\n"}
	case 'r':
		return escape{n: 2, kind: kindJSON, text: "\r"}
	case 't':
		return escape{n: 2, kind: kindJSON, text: "\t"}
	case '0', '1', '2', '3':
		return octalEscapes(s, buf)
	}
	return escape{}
}

// unicodeEscapes decodes a run of \uXXXX, surrogate pairs included, \u{X…} and \UXXXXXXXX.
func unicodeEscapes(s string) escape {
	var units []uint16
	n := 0
	for n+2 < len(s) && s[n] == '\\' {
		digits, size := "", 0
		switch {
		case s[n+1] == 'u' && s[n+2] == '{':
			if end := strings.IndexByte(s[n:min(len(s), n+10)], '}'); end > 0 {
				digits, size = s[n+3:n+end], end+1
			}
		case s[n+1] == 'u' && len(s) >= n+6:
			digits, size = s[n+2:n+6], 6
		case s[n+1] == 'U' && len(s) >= n+10:
			digits, size = s[n+2:n+10], 10
		}
		r, ok := codePoint(digits)
		if !ok {
			break
		}
		units = utf16.AppendRune(units, r)
		if len(digits) == 4 { // a surrogate is for its pair to make sense of
			units[len(units)-1] = uint16(r)
		}
		n += size
	}
	if n == 0 {
		return escape{}
	}
	return escape{n: n, kind: kindJSON, text: string(utf16.Decode(units)), hides: true}
}

func codePoint(digits string) (r rune, ok bool) {
	for _, c := range []byte(digits) {
		v := unhex(c)
		if v < 0 || r > unicode.MaxRune>>4 {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, digits != "" && r <= unicode.MaxRune
}

// octalEscapes decodes a run of \ooo if it holds text.
func octalEscapes(s string, raw []byte) escape {
	n := 0
	for len(s) >= n+4 && s[n] == '\\' && s[n+1] <= '3' {
		v := 0
		for _, c := range []byte(s[n+1 : n+4]) {
			if c < '0' || c > '7' {
				v = -1
				break
			}
			v = v<<3 | int(c-'0')
		}
		if v < 0 {
			break
		}
		raw = append(raw, byte(v))
		n += 4
	}
	if n == 0 || !isText(raw) {
		return escape{n: n}
	}
	return escape{n: n, kind: kindJSON, raw: raw, hides: true}
}

// maxTag bounds what of a tag or comment is looked at.
const maxTag = 256

// tagsWithinWord takes tags and comments out that stand between two letters of a word (`ig<!-- -->nore`): a browser
// shows one word (D8).
func tagsWithinWord(s string) escape {
	n := 0
	for n < len(s) && s[n] == '<' {
		rest := s[n:min(len(s), n+maxTag)]
		end := -1
		switch {
		case strings.HasPrefix(rest, "<!--"):
			if end = strings.Index(rest, "-->"); end >= 0 {
				end += 2
			}
		case len(rest) > 1 && (rest[1] == '/' || isLetter(rest[1])):
			end = strings.IndexByte(rest, '>')
		}
		if end < 0 {
			break
		}
		n += end + 1
	}
	if n == 0 || n == len(s) || !isAlnum(s[n]) {
		return escape{n: n}
	}
	return escape{n: n, kind: kindMarkup, hides: false}
}

// urls writes URLs that are spelt oddly as a program that follows them would read them (D14). Which URL a text names is
// pdp/action's to say, for the whole program; how many it may name, too, and complete says whether that was enough.
func (w *rewriting) urls() (complete bool) {
	if !strings.Contains(w.from, "//") && !strings.Contains(w.from, ":/") && !strings.Contains(w.from, `:\`) {
		return true
	}
	return action.OddURLs(w.from, func(canonical string, from, to int) { w.replace(from, to, canonical) })
}

// tagFirst and tagLast bound the Unicode tag characters that stand for ASCII and show nothing (THREATS D3).
const tagFirst, tagLast = 0xE0020, 0xE007E

// tags reads tag characters as the ASCII that they stand for.
func (w *rewriting) tags() {
	const lead = "\xf3\xa0" // how all of them begin in UTF-8
	for i := 0; ; {
		at := strings.Index(w.from[i:], lead)
		if at < 0 {
			return
		}
		i += at
		r, size := utf8.DecodeRuneInString(w.from[i:])
		if r >= tagFirst && r <= tagLast {
			c := r - tagFirst + ' '
			w.replace(i, i+size, asciiText[c:c+1])
		}
		i += size
	}
}

// isText says whether at least nine in ten characters are ones that a text has. Invisible ones count as text:
// otherwise a few of them would keep an encoded secret from being decoded.
func isText(b []byte) bool {
	t := textCheck{most: len(b) / 10} // there are no more characters than bytes, so more bad ones than this are too many
	return t.check(b, true) && t.all > 0 && t.bad*10 <= t.all
}

// textCheck is an isText under way.
type textCheck struct{ seen, bad, all, most int }

// check goes on with what was appended to b since the last time. It is false once there is too much that is no text.
// Unless b is whole, a character that may go on is left for the next time.
func (t *textCheck) check(b []byte, whole bool) bool {
	for t.seen < len(b) {
		c, size := b[t.seen], 1
		good := c >= ' ' && c <= '~' || c == '\n' || c == '\r' || c == '\t'
		if c >= utf8.RuneSelf {
			if !whole && !utf8.FullRune(b[t.seen:]) {
				return true
			}
			var r rune
			if r, size = utf8.DecodeRune(b[t.seen:]); r != utf8.RuneError || size > 1 {
				good = unicode.IsPrint(r) || unicode.In(r, unicode.Cf, unicode.Zs)
			}
		}
		t.seen += size
		t.all++
		if !good {
			if t.bad++; t.bad > t.most {
				return false
			}
		}
	}
	return true
}

func unhex(c byte) int { return int(hexValue[c]) }

// hexValue is the value of a hex digit, or -1.
var hexValue = func() (t [256]int8) {
	for c := range t {
		t[c] = -1
	}
	for i := range int8(16) {
		t["0123456789abcdef"[i]], t["0123456789ABCDEF"[i]] = i, i
	}
	return t
}()

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || isLetter(c) }
