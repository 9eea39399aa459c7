package action

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The classes of a url: where a request to it would go.
const (
	ClassPublic    = "public"
	ClassPrivate   = "private"  // a private or shared range, or a name that only an inner network resolves
	ClassLoopback  = "loopback" // this machine, 0.0.0.0 included
	ClassLinkLocal = "link_local"
	ClassMetadata  = "metadata" // a cloud's metadata service
	ClassUnknown   = "unknown"  // no host, or none that could be read
)

// danger orders the classes, for values with two readings: the worse one counts.
var danger = map[string]int{
	ClassPublic: 0, ClassUnknown: 1, ClassPrivate: 2, ClassLinkLocal: 3, ClassLoopback: 4, ClassMetadata: 5,
}

func worse(a, b string) string {
	if danger[b] > danger[a] {
		return b
	}
	return a
}

// maxHostBytes bounds what is handed to the IDNA tables. A host of 253 letters, each escaped and of four
// bytes, is no longer than this.
const maxHostBytes = 4096

// The lookup mapping of UTS 46, which browsers use: case, full-width forms, ideographic dots, invisible
// characters. Names that DNS resolves and IDNA frowns upon (underscores, r3---sn) stay possible.
var hostMapping = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.CheckHyphens(false), idna.VerifyDNSLength(false), idna.BidiRule())

// CanonicalHost returns the one spelling of a host: an A-label name in lower case without its final dot, a
// dotted IPv4 address, or an IPv6 address in brackets. Host is empty and the class unknown where none could
// be read; the text itself is never returned.
func CanonicalHost(raw string) (host, class string, flags []string) {
	var f flagSet
	host, class = readHost(raw, &f)
	return host, class, f.sorted()
}

func readHost(raw string, f *flagSet) (host, class string) {
	host, class = canonicalHost(raw, f)
	if host == "" {
		f.add(FlagInvalidHost)
		return "", ClassUnknown
	}
	return host, class
}

func canonicalHost(raw string, f *flagSet) (host, class string) {
	if raw == "" || len(raw) > maxHostBytes {
		return "", ClassUnknown
	}
	s := raw
	if strings.Contains(s, "%") && s[0] != '[' {
		// One level only, as a resolver does: what is escaped twice is no host for it.
		s = percentDecode(s)
		f.add(FlagOddSpelling)
		if strings.Contains(s, "%") {
			return "", ClassUnknown
		}
	}
	if !utf8.ValidString(s) { // IDNA would encode U+FFFD for it, which is no name
		return "", ClassUnknown
	}
	if s[0] == '[' || strings.Count(s, ":") >= 2 {
		return canonicalIPv6(s, f)
	}
	mapped, err := hostMapping.ToASCII(s)
	if err != nil {
		return "", ClassUnknown
	}
	noteSpelling(s, mapped, f)
	if name, ok := strings.CutSuffix(mapped, "."); ok {
		f.add(FlagTrailingDot)
		mapped = name
	}
	if !validName(mapped) {
		return "", ClassUnknown
	}
	if endsInNumber(mapped) {
		return canonicalIPv4(mapped, f)
	}
	return mapped, classOfName(mapped, f)
}

// noteSpelling compares what was written with what it means.
func noteSpelling(written, mapped string, f *flagSet) {
	if isASCII(written) {
		if !strings.Contains(mapped, "xn--") {
			return
		}
	} else if back, err := hostMapping.ToUnicode(mapped); err != nil || back != strings.ToLower(written) {
		f.add(FlagOddSpelling) // full-width, circled, invisible characters
	}
	if !strings.Contains(mapped, "xn--") {
		return
	}
	f.add(FlagIDN)
	readable, _ := hostMapping.ToUnicode(mapped)
	for label := range strings.SplitSeq(readable, ".") {
		f.addIf(mixesScripts(label), FlagMixedScript)
	}
}

// mixesScripts is true for the mixtures in which whole words look alike, and for names that are Cyrillic or
// Greek but for their digits, yet written in letters that all pass for Latin ones.
func mixesScripts(label string) bool {
	var latin, other, lookalikes int
	for _, r := range label {
		switch {
		case r < utf8.RuneSelf:
			if unicode.IsLetter(r) {
				latin++
			}
		case unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee):
			other++
			if _, ok := confusables[r]; ok {
				lookalikes++
			}
		case unicode.Is(unicode.Latin, r):
			latin++
		}
	}
	return other > 0 && (latin > 0 || lookalikes == other)
}

func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// endsInNumber is the WHATWG test for a host that can only be an IPv4 address.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// canonicalIPv4 reads one to four parts, each decimal, octal (0…) or hexadecimal (0x…), as inet_aton and
// browsers do. Other readers take 0… for decimal: where both work, the worse class counts.
func canonicalIPv4(s string, f *flagSet) (host, class string) {
	addr, ok := parseIPv4(s, true)
	decimal, okDecimal := parseIPv4(s, false)
	switch {
	case !ok && !okDecimal:
		return "", ClassUnknown
	case !ok:
		addr = decimal
	case !okDecimal:
		decimal = addr
	}
	host = addr.String()
	f.add(FlagIP)
	f.addIf(host != s, FlagOddSpelling)
	f.addIf(addr != decimal, FlagAmbiguousHost)
	return host, worse(classOfAddr(addr, f), classOfAddr(decimal, f))
}

func parseIPv4(s string, octal bool) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := parseIPv4Part(part, octal)
		bytes := 1
		if i == len(parts)-1 {
			bytes = 5 - len(parts)
		}
		if !ok || n >= 1<<(8*bytes) {
			return netip.Addr{}, false
		}
		value = value<<(8*bytes) | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

func parseIPv4Part(part string, octal bool) (uint64, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(part, "0x"); ok {
		base, part = 16, hex
		if part == "" {
			return 0, true
		}
	} else if octal && len(part) > 1 && part[0] == '0' {
		base = 8
	}
	n, err := strconv.ParseUint(part, base, 64)
	return n, err == nil && strings.Trim(part, "0123456789abcdef") == ""
}

func canonicalIPv6(s string, f *flagSet) (host, class string) {
	text := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		text = s[1 : len(s)-1]
	}
	if before, _, ok := strings.Cut(text, "%"); ok { // a zone: fe80::1%25eth0
		text = before
		f.add(FlagOddSpelling)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() {
		return "", ClassUnknown
	}
	f.add(FlagIP)
	if addr.Is4In6() {
		f.add(FlagOddSpelling)
		return addr.Unmap().String(), classOfAddr(addr.Unmap(), f)
	}
	return "[" + addr.String() + "]", classOfAddr(addr, f)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }

func unhex(c byte) int { return strings.IndexByte(hexDigits, c|0x20) }

// percentDecode undoes one level of percent-encoding and leaves what is no escape as it is.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
