package scan

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// decoding is a text with some of it decoded in place. What stands around a decoded run stays, because a
// pattern may need it (`password=` before an encoded value).
type decoding struct {
	text string
	// how names the encodings that were found, such as `percent` or `html+percent`.
	how string
	// hard is set where something was decoded that hides what it says. A backslash before a quote hides
	// nothing, and text has many of those.
	hard bool
}

// kinds of encodings, as bits so that one pass can report several.
const (
	kindBase64 = 1 << iota
	kindBase64URL
	kindHex
	kindHTML
	kindJSON
	kindPercent
)

var kindNames = []string{"base64", "base64url", "hex", "html", "json", "percent"}

func nameKinds(kinds int) string {
	var names []string
	for i, name := range kindNames {
		if kinds&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// decodeEscapes decodes what is written as escapes within text, in one pass: percent-encoding, HTML entities
// and the backslash escapes of JSON. Three passes would make three times as many views of every web page.
func decodeEscapes(s string) (decoding, bool) {
	if !strings.ContainsAny(s, `%\&`) {
		return decoding{}, false
	}
	var b strings.Builder
	kinds, hard := 0, false
	for i := 0; i < len(s); {
		var out string
		var n, kind int
		var hides bool
		switch s[i] {
		case '%':
			out, n, kind, hides = hexEscapes(s[i:], "%", kindPercent)
		case '&':
			out, n, kind, hides = entity(s[i:])
		case '\\':
			out, n, kind, hides = backslash(s[i:])
		}
		if n == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteString(out)
		i += n
		kinds |= kind
		hard = hard || hides
	}
	if kinds == 0 {
		return decoding{}, false
	}
	return decoding{text: strings.ToValidUTF8(b.String(), "\uFFFD"), how: nameKinds(kinds), hard: hard}, true
}

// hexEscapes decodes a run of mark and two hex digits (`%41%42`, `\x41\x42`) if it holds text. A run that
// holds none is passed over as a whole: looking at its tail again and again would take quadratic time.
func hexEscapes(s, mark string, kind int) (out string, n, kinds int, hard bool) {
	var raw []byte
	step := len(mark) + 2
	for strings.HasPrefix(s[n:], mark) && len(s) >= n+step {
		hi, lo := unhex(s[n+step-2]), unhex(s[n+step-1])
		if hi < 0 || lo < 0 {
			break
		}
		raw = append(raw, byte(hi<<4|lo))
		n += step
	}
	if n == 0 || !isText(raw) {
		return s[:n], n, 0, false
	}
	return string(raw), n, kind, true
}

// maxEntity bounds the name of an HTML entity; the longest that there is has 33 characters.
const maxEntity = 40

func entity(s string) (out string, n, kinds int, hard bool) {
	for n = 1; n < len(s) && n < maxEntity && (s[n] == '#' || isAlnum(s[n])); {
		n++
	}
	if n < len(s) && s[n] == ';' {
		n++
	}
	out = html.UnescapeString(s[:n])
	if out == s[:n] {
		return "", 0, 0, false
	}
	return out, n, kindHTML, true
}

func backslash(s string) (out string, n, kinds int, hard bool) {
	if len(s) < 2 {
		return "", 0, 0, false
	}
	switch s[1] {
	case 'u':
		out, n = unicodeEscapes(s)
		if n == 0 {
			return "", 0, 0, false
		}
		return out, n, kindJSON, true
	case 'x':
		return hexEscapes(s, `\x`, kindJSON)
	case '"', '\\', '/', '\'':
		return s[1:2], 2, kindJSON, false
	case 'n':
		return "\n", 2, kindJSON, false
	case 'r':
		return "\r", 2, kindJSON, false
	case 't':
		return "\t", 2, kindJSON, false
	}
	return "", 0, 0, false
}

// unicodeEscapes decodes a run of \uXXXX, surrogate pairs included.
func unicodeEscapes(s string) (out string, n int) {
	var units []uint16
	for len(s) >= n+6 && s[n] == '\\' && s[n+1] == 'u' {
		unit := 0
		for _, c := range []byte(s[n+2 : n+6]) {
			v := unhex(c)
			if v < 0 {
				return string(utf16.Decode(units)), n
			}
			unit = unit<<4 | v
		}
		units = append(units, uint16(unit))
		n += 6
	}
	return string(utf16.Decode(units)), n
}

// decodeTags reads Unicode tag characters (U+E0020 to U+E007E), which show nothing, as the ASCII that they
// stand for (THREATS D3).
func decodeTags(s string) (decoding, bool) {
	if !strings.Contains(s, "\xf3\xa0") { // how all of them begin in UTF-8
		return decoding{}, false
	}
	found := false
	text := strings.Map(func(r rune) rune {
		if r < 0xE0020 || r > 0xE007E {
			return r
		}
		found = true
		return r - 0xE0000
	}, s)
	return decoding{text: text, how: "tags", hard: true}, found
}

// isText says whether at least nine in ten characters are ones that a text has. Invisible ones count as text:
// otherwise a few of them would keep an encoded secret from being decoded.
func isText(b []byte) bool {
	most := len(b) / 10 // there are no more characters than bytes, so more bad ones than this are too many
	bad, all := 0, 0
	for i := 0; i < len(b); all++ {
		if c := b[i]; c >= ' ' && c <= '~' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if i += size; !textual(r, size) {
			if bad++; bad > most {
				return false
			}
		}
	}
	return all > 0 && bad*10 <= all
}

func textual(r rune, size int) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return true
	case r == utf8.RuneError && size == 1:
		return false
	}
	return unicode.IsPrint(r) || unicode.In(r, unicode.Cf, unicode.Zs)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
