package action

import (
	"strconv"
	"strings"
	"unicode"
)

// URL is a URL as the program that follows it would understand it. Scheme, Host, Port, Class and Flags may
// be shown and logged; Rest is an argument value.
type URL struct {
	Scheme string // lower case; empty where none was written
	Host   string // as CanonicalHost returns it; empty if there is none
	Port   int    // 0 is the scheme's own
	Class  string
	Flags  []string
	Rest   string // path and query, canonical; or all that follows the scheme where there is no host
}

// Schemes for which browsers and HTTP libraries read a host however the slashes are written, with their port.
var hostSchemes = map[string]int{"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

// Schemes that wrap a whole URL.
var wrapperSchemes = map[string]bool{"view-source": true, "blob": true, "jar": true, "feed": true, "url": true}

// Schemes without a host that are still dangerous to follow.
var hostlessSchemes = map[string]string{"data": FlagInlineData, "javascript": FlagScript, "vbscript": FlagScript}

const maxURLBytes = 64 << 10

// CanonicalURL reads a text that is one URL. It follows the WHATWG rules, which take what people and
// attackers write (`http:\\0x7f.1`, `HTTPS:evil`), and notes where RFC 3986 readers would see another host.
// It is false for text that no reader would take for a URL. A text longer than 64 KiB is a URL of class
// unknown.
func CanonicalURL(raw string) (URL, bool) {
	var f flagSet
	s := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	if len(s) > maxURLBytes {
		f.add(FlagInvalidHost)
		return URL{Class: ClassUnknown, Flags: f.sorted()}, true
	}
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
		f.add(FlagOddSpelling)
	}
	scheme, rest, ok := cutScheme(s)
	if !ok && !isASCII(s) {
		// Not a URL to a browser, but to any tool that normalises its input first.
		if scheme, rest, ok = cutScheme(nfkc(s)); ok {
			f.add(FlagOddSpelling)
		}
	}
	for range 4 {
		if !ok || !wrapperSchemes[scheme] {
			break
		}
		f.add(FlagOddSpelling)
		scheme, rest, ok = cutScheme(rest)
	}
	if !ok {
		return URL{}, false
	}
	return readURL(scheme, rest, &f)
}

// CanonicalLocation reads a value that is known to be a host or a URL, perhaps without a scheme, by the name
// of its argument: `evil.com/x`, `//evil.com`, `169.254.169.254:80`.
func CanonicalLocation(raw string) (URL, bool) {
	if u, ok := CanonicalURL(raw); ok {
		return u, true
	}
	s := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	s = strings.TrimLeft(s, `/\`)
	if s == "" || len(s) > maxURLBytes || strings.ContainsAny(s, " \t\r\n<>\"") {
		return URL{}, false
	}
	var f flagSet
	f.add(FlagNoScheme)
	return readAuthority("", s, &f), true
}

// cutScheme splits `scheme:rest`.
func cutScheme(s string) (scheme, rest string, ok bool) {
	i := 0
	for i < len(s) && i < 32 && (isAlnum(s[i]) || i > 0 && strings.IndexByte("+-.", s[i]) >= 0) {
		i++
	}
	if i < 2 || i >= len(s) || s[i] != ':' || !isLetter(s[0]) { // one letter is a drive: C:\x
		return "", "", false
	}
	return strings.ToLower(s[:i]), s[i+1:], true
}

func readURL(scheme, rest string, f *flagSet) (URL, bool) {
	slashes := len(rest) - len(strings.TrimLeft(rest, `/\`))
	_, special := hostSchemes[scheme]
	switch flag, hostless := hostlessSchemes[scheme]; {
	case hostless:
		f.add(flag)
		return URL{Scheme: scheme, Class: ClassUnknown, Flags: f.sorted(), Rest: rest}, true
	case scheme == "file":
		return readFileURL(rest, f), true
	case special:
		f.addIf(slashes != 2 || !strings.HasPrefix(rest, "//"), FlagOddSpelling)
		return readAuthority(scheme, rest[slashes:], f), true
	case slashes >= 2:
		f.addIf(!strings.HasPrefix(rest, "//"), FlagOddSpelling)
		return readAuthority(scheme, rest[2:], f), true
	}
	return URL{}, false
}

// readFileURL: a file is on this machine unless a host is named. The path is a fact of its own.
func readFileURL(rest string, f *flagSet) URL {
	f.add(FlagLocalFile)
	u := URL{Scheme: "file", Class: ClassUnknown, Rest: rest}
	if after, ok := strings.CutPrefix(strings.ReplaceAll(rest, `\`, "/"), "//"); ok {
		host, path, _ := strings.Cut(after, "/")
		if host != "" && !strings.EqualFold(host, "localhost") && !isDrive(host) {
			u.Host, u.Class = readHost(host, f)
			u.Rest = "/" + path
		}
	}
	u.Flags = f.sorted()
	return u
}

// readAuthority reads what follows the slashes.
func readAuthority(scheme, s string, f *flagSet) URL {
	end := strings.IndexAny(s, `/\?#`)
	if end < 0 {
		end = len(s)
	}
	authority, rest := s[:end], s[end:]
	u := URL{Scheme: scheme}
	hostport := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		f.add(FlagUserinfo)
		hostport = authority[at+1:]
	}
	host, port, ok := cutPort(hostport)
	if ok {
		u.Host, u.Class = readHost(host, f)
	} else {
		u.Class = ClassUnknown
		f.add(FlagInvalidHost)
	}
	if u.Host != "" && port != hostSchemes[scheme] {
		u.Port = port
		f.addIf(port != 0, FlagPort)
	}
	if other := otherReading(s, authority); other != "" {
		var g flagSet
		if h, class := readHost(other, &g); h != u.Host {
			f.add(FlagAmbiguousHost)
			u.Class = worse(u.Class, class)
		}
	}
	u.Rest = canonicalRest(rest)
	u.Flags = f.sorted()
	return u
}

// otherReading finds the host that a reader of another school would call: one that does not end the
// authority at a backslash, a question mark or a hash, or one that takes the first of two at signs.
func otherReading(s, authority string) string {
	if first := strings.IndexByte(authority, '@'); first >= 0 && strings.Count(authority, "@") > 1 {
		host, _, _ := strings.Cut(authority[first+1:], "@")
		name, _, _ := cutPort(host)
		return name
	}
	long, _, _ := strings.Cut(s, "/")
	if len(long) == len(authority) {
		return ""
	}
	at := strings.LastIndexByte(long, '@')
	if at < len(authority) {
		return ""
	}
	name, _, _ := cutPort(long[at+1:])
	return name
}

// cutPort splits host:port. A port that is no number, or above 65535, makes the whole unreadable.
func cutPort(s string) (host string, port int, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < strings.LastIndexByte(s, ']') || colon < 0 {
		return s, 0, true
	}
	if s[0] != '[' && strings.Count(s, ":") > 1 {
		return s, 0, true // an IPv6 address that lacks its brackets
	}
	text := s[colon+1:]
	if text == "" {
		return s[:colon], 0, true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return s[:colon], int(n), err == nil && isDigit(text[0])
}

// canonicalRest undoes needless escapes, resolves dot segments, drops the fragment, which is never sent.
func canonicalRest(rest string) string {
	rest, _, _ = strings.Cut(rest, "#")
	path, query, hasQuery := strings.Cut(rest, "?")
	path = strings.ReplaceAll(unescapeUnreserved(path), `\`, "/")
	var out []string
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch segment {
		case ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, segment)
		}
	}
	if path = strings.Join(out, "/"); hasQuery {
		return "/" + path + "?" + unescapeUnreserved(query)
	}
	return "/" + path
}

// unescapeUnreserved decodes the escapes that RFC 3986 calls equivalent to their characters, and writes the
// others in capitals.
func unescapeUnreserved(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			out = append(out, s[i])
			continue
		}
		c := byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
		if isAlnum(c) || strings.IndexByte("-._~", c) >= 0 {
			out = append(out, c)
		} else {
			out = append(out, strings.ToUpper(s[i:i+3])...)
		}
		i += 2
	}
	return string(out)
}

// stripInvisible removes what is not seen and so separates letters that look joined: zero-width characters,
// soft hyphens, bidirectional marks, variation selectors, tag characters.
func stripInvisible(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isInvisible(r) {
			return -1
		}
		return r
	}, s)
}

func isInvisible(r rune) bool {
	return r >= 0x80 && (unicode.In(r, unicode.Cf, unicode.Variation_Selector) || r == 0x115F || r == 0x1160 || r == 0x3164 || r == 0x034F)
}
