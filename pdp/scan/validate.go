package scan

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// validator says whether a match is one, from the whole of its text. All are integer arithmetic or look-ups,
// so that Rego can do the same.
type validator func(match string, minMilli int64) bool

// validators by the name that a row gives. A row without one accepts every match.
var validators = map[string]validator{
	"":            nil,
	"none":        nil,
	"luhn":        func(m string, _ int64) bool { return validCard(digits(m)) },
	"ssn":         func(m string, _ int64) bool { return validSSN(digits(m)) },
	"iban":        func(m string, _ int64) bool { return validIBAN(m) },
	"base64_blob": func(m string, _ int64) bool { return validBase64(m) },
	"entropy":     exceedsEntropy,
}

func validatorNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(validators)), func(n string) bool { return n == "" })
}

// digits leaves the ASCII digits of a match; what else is in it, the regex has allowed as separator or label.
func digits(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

type issuer struct {
	from, to string // inclusive, equally long
	min, max int
}

// issuers are the leading digits of payment cards (ISO/IEC 7812) and the lengths that go with them, from the
// networks' published ranges. A number outside them is not a card, whatever its check digit says.
var issuers = []issuer{
	{"34", "34", 15, 15},
	{"37", "37", 15, 15}, // American Express
	{"4", "4", 13, 19},   // Visa
	{"51", "55", 16, 16},
	{"2221", "2720", 16, 16}, // Mastercard
	{"2200", "2204", 16, 19}, // Mir
	{"300", "305", 14, 19},
	{"3095", "3095", 14, 19},
	{"36", "36", 14, 19}, // Diners Club
	{"38", "39", 14, 19},
	{"3528", "3589", 16, 19}, // JCB
	{"60", "60", 16, 19},
	{"64", "65", 16, 19},
	{"81", "82", 16, 19}, // Discover, RuPay
	{"62", "62", 16, 19}, // UnionPay
	{"50", "50", 13, 19},
	{"56", "59", 13, 19},
	{"61", "61", 13, 19}, // Maestro
	{"63", "63", 13, 19},
	{"66", "69", 13, 19},
	{"9792", "9792", 16, 16}, // Troy
}

// validCard says whether digits are a payment card's number: an issuer's range, its length, and Luhn.
func validCard(d string) bool {
	if len(d) < 13 || len(d) > 19 {
		return false
	}
	known := slices.ContainsFunc(issuers, func(r issuer) bool {
		head := d[:len(r.from)]
		return head >= r.from && head <= r.to && len(d) >= r.min && len(d) <= r.max
	})
	return known && luhn(d)
}

func luhn(d string) bool {
	sum := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// validSSN refuses the areas, groups and serials that the US Social Security Administration never issues.
func validSSN(d string) bool {
	if len(d) != 9 {
		return false
	}
	area, group, serial := d[:3], d[3:5], d[5:]
	return area != "000" && area != "666" && area[0] != '9' && group != "00" && serial != "0000"
}

// validIBAN checks ISO 13616: country and check digits in front, 15 to 34 characters without blanks, and a
// remainder of 1 modulo 97 when the first four are moved to the end.
func validIBAN(m string) bool {
	m = compactIBAN(m)
	if len(m) < 15 || len(m) > 34 {
		return false
	}
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	isLetter := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	if !isLetter(m[0]) || !isLetter(m[1]) || !isDigit(m[2]) || !isDigit(m[3]) {
		return false
	}
	rest := 0
	moved := m[4:] + m[:4]
	for i := range len(moved) {
		switch c := moved[i]; {
		case isDigit(c):
			rest = (rest*10 + int(c-'0')) % 97
		case isLetter(c):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

func compactIBAN(m string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(m))
}

// validBase64 says whether a match decodes, in either alphabet, padded or not.
func validBase64(m string) bool {
	s := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(m), "=")
	out, err := base64.RawStdEncoding.DecodeString(s)
	return err == nil && len(out) > 0
}

// identity is what a match is known by, however it was written: normalised, and for numbers without the
// separators, so that the same card with spaces and with dashes has one fingerprint.
func identity(match, validatorName string) string {
	match = normalised(match)
	switch validatorName {
	case "luhn", "ssn":
		return digits(match)
	case "iban":
		return compactIBAN(match)
	}
	return match
}
