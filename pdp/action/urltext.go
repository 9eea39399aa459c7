package action

import (
	"html"
	"slices"
	"strconv"
	"strings"
)

// What looking for URLs may cost. A candidate is a place where a URL may begin; its host is read from what
// follows it directly.
const (
	maxURLCandidates  = 4000 // in one action
	maxCandidateBytes = 1024
)

// urlFinder looks for URLs in the texts of one action.
type urlFinder struct{ candidates int }

// find calls yield for every URL that stands in a text, as it stands and with the encodings undone in which
// links hide from people: HTML entities, percent-encoding, full-width letters and invisible characters. It
// is false once the action has more places to look at than it may.
func (u *urlFinder) find(text string, yield func(URL)) bool {
	type place struct{ scheme, host string }
	open := map[place]bool{}
	whole := u.scan(text, func(found URL, _, _ int) {
		open[place{found.Scheme, found.Host}] = true
		yield(found)
	})
	plain := undoLinkEncodings(text)
	if !whole || plain == text {
		return whole
	}
	return u.scan(plain, func(found URL, _, _ int) {
		if open[place{found.Scheme, found.Host}] {
			return
		}
		f := flagSet(found.Flags)
		f.add(FlagOddSpelling)
		found.Flags = f.sorted()
		yield(found)
	})
}

// undoLinkEncodings is one view for all of them, since they are nested as they please.
func undoLinkEncodings(text string) string {
	s := text
	if !isASCII(s) {
		s = nfkc(s)
	}
	if strings.Contains(s, "&") {
		s = html.UnescapeString(s)
	}
	for range 2 {
		if !strings.Contains(s, "%") {
			break
		}
		s = strings.ToValidUTF8(percentDecode(s), "\ufffd")
	}
	return s
}

// OddURLs calls yield for each URL in a text that is written unlike its canonical form (`https:\\EVIL%2eexample`), with
// that form and where in the text it stands. It is false if there are more places to look at than it may.
func OddURLs(text string, yield func(canonical string, from, to int)) bool {
	u := urlFinder{}
	end := 0
	return u.scan(text, func(found URL, from, to int) {
		if from < end || found.Host == "" || !slices.Contains(found.Flags, FlagOddSpelling) {
			return
		}
		end = to
		yield(found.text(), from, to)
	})
}

// text is the URL as it would be written plainly. It holds Rest: it is an argument value.
func (u URL) text() string {
	out := u.Host + u.Rest
	if strings.Contains(u.Host, ":") {
		out = "[" + u.Host + "]" + u.Rest
	}
	if u.Port != 0 {
		out = strings.TrimSuffix(out, u.Rest) + ":" + strconv.Itoa(u.Port) + u.Rest
	}
	if u.Scheme != "" {
		out = u.Scheme + "://" + out
	}
	return out
}

func (u *urlFinder) scan(text string, yield func(found URL, from, to int)) bool {
	for i := 0; i < len(text); i++ {
		var found URL
		var ok bool
		var raw string
		start := i
		switch text[i] {
		case ':':
			start = schemeStart(text, i)
			if start == i || !mayFollowScheme(text, start, i) {
				continue
			}
			raw = candidate(text, start)
			found, ok = CanonicalURL(raw)
		case '/', '\\':
			// [x](//evil.com/a), src="//evil.com"
			if i == 0 || strings.IndexByte("(\"'=<`", text[i-1]) < 0 || i+2 >= len(text) ||
				text[i+1] != '/' && text[i+1] != '\\' || !startsHost(text[i+2]) {
				continue
			}
			raw = candidate(text, i)
			found, ok = CanonicalLocation(raw)
		case 'w', 'W':
			if i+4 >= len(text) || !strings.EqualFold(text[i:i+4], "www.") || !startsHost(text[i+4]) ||
				i > 0 && (isAlnum(text[i-1]) || strings.IndexByte("./@-_", text[i-1]) >= 0) {
				continue
			}
			raw = candidate(text, i)
			found, ok = CanonicalLocation(raw)
		default:
			continue
		}
		if u.candidates++; u.candidates > maxURLCandidates {
			return false
		}
		if ok {
			yield(found, start, start+len(raw))
		}
	}
	return true
}

// schemeStart walks back from a colon over a scheme. Of a longer word that ends in one (`xhttp`, `see-https`)
// it takes the end: what turns text into links does so too.
func schemeStart(text string, colon int) int {
	start := colon
	for start > 0 && colon-start < 16 && (isAlnum(text[start-1]) || strings.IndexByte("+-.", text[start-1]) >= 0) {
		start--
	}
	word := strings.ToLower(text[start:colon])
	for _, scheme := range []string{"https", "http", "wss", "ws", "ftp", "javascript", "vbscript", "data", "file"} {
		if strings.HasSuffix(word, scheme) {
			return colon - len(scheme)
		}
	}
	for start < colon && !isLetter(text[start]) {
		start++
	}
	return start
}

// mayFollowScheme tells a URL from a word before a colon.
func mayFollowScheme(text string, start, colon int) bool {
	rest := text[colon+1:]
	if rest == "" {
		return false
	}
	scheme := strings.ToLower(text[start:colon])
	slash := rest[0] == '/' || rest[0] == '\\'
	two := slash && len(rest) > 1 && (rest[1] == '/' || rest[1] == '\\')
	if _, special := hostSchemes[scheme]; special {
		return slash || startsHost(rest[0])
	}
	switch scheme {
	case "file":
		return slash
	case "javascript", "vbscript":
		return rest[0] > ' '
	case "data":
		head := rest[:min(len(rest), 128)]
		return strings.Contains(head, ",") && (strings.Contains(head, "/") || head[0] == ',' || head[0] == ';')
	}
	return two && len(rest) > 2 && rest[2] > ' '
}

func startsHost(c byte) bool { return isAlnum(c) || c == '[' || c == '%' || c >= 0x80 }

// Characters at which a URL ends in running text, and ones that end the sentence and not the URL.
const (
	urlStops    = " \t\r\n\v\f<>\"`|^，、；）」』】》”’"
	urlTrailers = ".,;:!?'*_~"
)

// candidate cuts out what may be a URL. A closing bracket belongs to it if it was opened within.
func candidate(text string, start int) string {
	s := text[start:min(len(text), start+maxCandidateBytes)]
	if end := strings.IndexAny(s, urlStops); end >= 0 {
		s = s[:end]
	}
	for {
		t := strings.TrimRight(s, urlTrailers)
		for _, pair := range []string{"()", "[]", "{}"} {
			if strings.HasSuffix(t, pair[1:]) && strings.Count(t, pair[:1]) < strings.Count(t, pair[1:]) {
				t = t[:len(t)-1]
			}
		}
		if t == s {
			return s
		}
		s = t
	}
}
