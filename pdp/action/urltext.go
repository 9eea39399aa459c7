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
	marks := seekURLMarks(text)
	for i := marks.next(0); i < len(text); i = marks.next(i + 1) {
		from, read := urlAt(text, i)
		if read == nil {
			continue
		}
		raw := candidate(text, from)
		found, ok := read(raw)
		if u.candidates++; u.candidates > maxURLCandidates {
			return false
		}
		if ok {
			yield(found, from, from+len(raw))
		}
	}
	return true
}

// urlAt says where a URL may begin that has one of urlMarks at i, and how to read it; nil: there is none.
func urlAt(text string, i int) (from int, read func(raw string) (URL, bool)) {
	switch text[i] {
	case ':':
		if !mayBeScheme(text, i) {
			break
		}
		if from = schemeStart(text, i); from != i && mayFollowScheme(text, from, i) {
			return from, CanonicalURL
		}
	case '/', '\\':
		// [x](//evil.com/a), src="//evil.com"
		if i > 0 && i+2 < len(text) && (text[i+1] == '/' || text[i+1] == '\\') && startsHost(text[i+2]) &&
			strings.IndexByte("(\"'=<`", text[i-1]) >= 0 {
			return i, CanonicalLocation
		}
	case 'w', 'W':
		if i+4 < len(text) && text[i+3] == '.' && strings.EqualFold(text[i:i+3], "www") && startsHost(text[i+4]) &&
			(i == 0 || !isAlnum(text[i-1]) && strings.IndexByte("./@-_", text[i-1]) < 0) {
			return i, CanonicalLocation
		}
	}
	return 0, nil
}

// urlMarks are in every URL, each with what may stand before it.
const urlMarks = `:/\wW`

// urlMarkSeeker finds the next of the marks. Each byte is looked at once a mark, by a search that takes 32 at a time.
type urlMarkSeeker struct {
	text string
	at   [len(urlMarks)]int
}

func seekURLMarks(text string) urlMarkSeeker {
	k := urlMarkSeeker{text: text}
	for m := range k.at {
		k.at[m] = k.find(m, 0)
	}
	return k
}

func (k *urlMarkSeeker) find(mark, from int) int {
	if at := strings.IndexByte(k.text[from:], urlMarks[mark]); at >= 0 {
		return from + at
	}
	return len(k.text)
}

// next is the first mark at or after a place, or the end.
func (k *urlMarkSeeker) next(from int) int {
	least := len(k.text)
	for m := range k.at {
		if k.at[m] < from {
			k.at[m] = k.find(m, from)
		}
		least = min(least, k.at[m])
	}
	return least
}

// mayBeScheme tells most colons from one behind a scheme, by the bytes beside it: only of javascript, vbscript and data does a
// URL go on with neither a slash nor a host.
func mayBeScheme(text string, colon int) bool {
	if colon == 0 || colon+1 == len(text) {
		return false
	}
	before, behind := text[colon-1], text[colon+1]
	return behind == '/' || behind == '\\' || startsHost(behind) || before|0x20 == 't' || before|0x20 == 'a'
}

// schemeStart walks back from a colon over a scheme. Of a longer word that ends in one (`xhttp`, `see-https`)
// it takes the end: what turns text into links does so too.
func schemeStart(text string, colon int) int {
	start := colon
	for start > 0 && colon-start < 16 && (isAlnum(text[start-1]) || strings.IndexByte("+-.", text[start-1]) >= 0) {
		start--
	}
	for _, scheme := range []string{"https", "http", "wss", "ws", "ftp", "javascript", "vbscript", "data", "file"} {
		if from := colon - len(scheme); from >= start && strings.EqualFold(text[from:colon], scheme) {
			return from
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
