package action

import (
	"strings"
	"unicode"
)

// The classes of an address.
const (
	ClassEmail = "email"
	ClassIBAN  = "iban"
	ClassPhone = "phone"
)

// Address is somewhere or somebody that a value names. Text is an argument value; the rest is not.
type Address struct {
	Class string
	Text  string // normalised: user@host in lower case, IBAN without spaces, phone as digits behind a plus
	Host  string // of an e-mail address, as CanonicalHost returns it
	Flags []string
}

// CanonicalAddress reads a whole value as an e-mail address (`Bob <bob@example.com>`, `mailto:` too), an
// IBAN, or a telephone number. A number without a plus is one only where byName says that it should be.
func CanonicalAddress(raw string, byName bool) (Address, bool) {
	if len(raw) > 512 {
		return Address{}, false
	}
	var f flagSet
	s := strings.TrimSpace(raw)
	if !isASCII(s) {
		folded := nfkc(s)
		f.addIf(folded != s, FlagOddSpelling)
		s = folded
	}
	if a, ok := readEmail(s, &f); ok {
		return a, true
	}
	if a, ok := readIBAN(s, &f); ok {
		return a, true
	}
	return readPhone(s, byName, &f)
}

func readEmail(s string, f *flagSet) (Address, bool) {
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s, _, _ = strings.Cut(percentDecode(s[7:]), "?")
	}
	if open := strings.LastIndexByte(s, '<'); open >= 0 && strings.HasSuffix(s, ">") {
		s = s[open+1 : len(s)-1]
	}
	local, domain, ok := cutLast(s, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(local, " \t\r\n<>,;/:\\") || strings.Contains(domain, ":") {
		return Address{}, false
	}
	host, class := canonicalHost(strings.Trim(domain, "[]"), f)
	if host == "" || class == ClassPrivate && !strings.Contains(host, ".") {
		return Address{}, false
	}
	return Address{Class: ClassEmail, Text: strings.ToLower(local) + "@" + host, Host: host, Flags: f.sorted()}, true
}

// readIBAN takes the shape of ISO 13616 and notes whether the check digits hold.
func readIBAN(s string, f *flagSet) (Address, bool) {
	s = strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' || r == '.' {
			return -1
		}
		return r
	}, s))
	if len(s) < 15 || len(s) > 34 || !isLetter(s[0]) || !isLetter(s[1]) || !isDigit(s[2]) || !isDigit(s[3]) {
		return Address{}, false
	}
	rest, digits := 0, 0
	for _, c := range []byte(s[4:] + s[:4]) {
		switch {
		case isDigit(c):
			rest = (rest*10 + int(c-'0')) % 97
			digits++
		case isLetter(c):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return Address{}, false
		}
	}
	if digits < 8 {
		return Address{}, false
	}
	f.addIf(rest == 1, FlagValid)
	return Address{Class: ClassIBAN, Text: s, Flags: f.sorted()}, true
}

func readPhone(s string, byName bool, f *flagSet) (Address, bool) {
	if len(s) > 4 && strings.EqualFold(s[:4], "tel:") {
		s, byName = s[4:], true
	}
	var digits strings.Builder
	for i, r := range s {
		switch {
		case unicode.Is(unicode.Nd, r):
			digits.WriteRune('0' + digitValue(r))
		case r == '+' && i == 0, r == ' ', r == '-', r == '.', r == '(', r == ')', r == '/', r == '\u00a0':
		default:
			return Address{}, false
		}
	}
	d := digits.String()
	plus := strings.HasPrefix(s, "+") || strings.HasPrefix(d, "00")
	if len(d) < 7 || len(d) > 17 || !plus && !byName {
		return Address{}, false
	}
	if plus {
		d = "+" + strings.TrimPrefix(d, "00")
	}
	return Address{Class: ClassPhone, Text: d, Flags: f.sorted()}, true
}

func cutLast(s, separator string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}
