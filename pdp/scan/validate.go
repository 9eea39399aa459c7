package scan

import (
	"maps"
	"slices"
	"strings"
)

// validator says whether a match is one, from the whole of its text. All are integer arithmetic or look-ups,
// so that Rego can do the same.
type validator func(match string, minMilli int64) bool

// validators by the name that a row gives. A row without one accepts every match.
var validators = func() map[string]validator {
	all := map[string]validator{"": nil, "none": nil, "entropy": exceedsEntropy}
	for name, holds := range map[string]func(string) bool{
		"luhn":        validCard,
		"luhn_number": validLuhn,
		"ssn":         validSSN,
		"iban":        validIBAN,
		"base64_blob": validBase64,
		"secret":      looksRandom,

		"base58check":     func(m string) bool { return validBase58Check(m, base58Bitcoin) },
		"base58check_xrp": func(m string) bool { return validBase58Check(m, base58XRP) },
		"bech32":          validBech32,

		"be_nrn":       validNationalNumber,
		"cl_rut":       validRUT,
		"cn_rid":       validResidentID,
		"de_steuer_id": validSteuerID,
		"ee_isikukood": validIsikukood,
		"es_nif":       validNIF,
		"fi_hetu":      validHETU,
		"fr_nir":       validNIR,
		"hk_hkid":      validHKID,
		"hr_oib":       validMod1110,
		"ie_pps":       validPPS,
		"in_aadhaar":   validAadhaar,
		"it_cf":        validCodiceFiscale,
		"mrz":          validMRZ,
		"mx_curp":      validCURP,
		"ru_snils":     validSNILS,
		"se_pnr":       validPersonnummer,
		"sg_nric":      validNRIC,
		"tw_id":        validTaiwanID,
		"us_npi":       validNPI,
		"vin":          validVIN,
	} {
		all[name] = func(m string, _ int64) bool { return holds(m) }
	}
	for name, rule := range numberRules {
		all[name] = func(m string, _ int64) bool { return rule.accepts(m) }
	}
	return all
}()

// validatorCost is what a validator costs in steps, beside one for each byte: those of wallets take a hash or divide long numbers,
// and what is no number has its characters counted.
func validatorCost(name string) int {
	if !checksDigits(name) || strings.HasPrefix(name, "base58") || name == "bech32" {
		return 300
	}
	return 60
}

// checksDigits says whether a validator does more than look at the kind of characters: only patterns that have one look at
// numbers without their separators. The Rego reference has the same list.
func checksDigits(validatorName string) bool {
	switch validatorName {
	case "", "none", "entropy", "secret", "base64_blob":
		return false
	}
	return true
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

// validCard says whether the digits of a match are a payment card's number: an issuer's range, its length, and Luhn.
func validCard(match string) bool {
	num := numberOf(match)
	if num.n < 13 || num.n > 19 || !num.luhn(0) {
		return false
	}
	for i := range issuers {
		r := &issuers[i]
		if num.n >= r.min && num.n <= r.max && num.within(r.from, r.to) {
			return true
		}
	}
	return false
}

// within says whether the leading digits are from one number to another, equally long.
func (num *number) within(from, to string) bool {
	head := num.value(0, len(from))
	return head >= decimal(from) && head <= decimal(to)
}

func decimal(s string) (v int64) {
	for i := range len(s) {
		v = v*10 + int64(s[i]-'0')
	}
	return v
}

// validSSN refuses the areas, groups and serials that the US Social Security Administration never issues.
func validSSN(match string) bool {
	num := numberOf(match)
	if num.n != 9 {
		return false
	}
	area, group, serial := num.value(0, 3), num.value(3, 5), num.value(5, 9)
	return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

// ibanLengths is how many characters the accounts of a country have, from the IBAN registry of SWIFT.
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22,
	"BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24,
	"DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
	"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27,
	"GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
	"IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
	"LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
	"MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24,
	"PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
	"SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
	"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
	"YE": 30,
}

// validIBAN checks ISO 13616: a country of the registry and its length, check digits, and a remainder of 1 modulo 97 when
// the first four are moved to the end. Blanks and hyphens may stand between.
func validIBAN(match string) bool {
	var c [34]byte
	n := 0
	for i := range len(match) {
		b := match[i]
		if b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		switch {
		case b == ' ' || b == '-':
			continue
		case n == len(c) || !isUpper(b) && !isDigit(b):
			return false
		}
		c[n] = b
		n++
	}
	if n < 4 || !isDigit(c[2]) || !isDigit(c[3]) || ibanLengths[string(c[:2])] != n {
		return false
	}
	rest := 0
	for i := range n {
		if b := c[(i+4)%n]; isDigit(b) {
			rest = (rest*10 + int(b-'0')) % 97
		} else {
			rest = (rest*100 + int(b-'A') + 10) % 97
		}
	}
	return rest == 1
}

func compactIBAN(m string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(m))
}

// validBase64 says whether a match decodes, in either alphabet, padded or not.
func validBase64(m string) bool {
	n := 0
	for _, c := range []byte(strings.TrimRight(m, "=")) {
		switch {
		case inBase64[c]:
			n++
		case c != '\r' && c != '\n': // which encoding/base64 passes over
			return false
		}
	}
	return n > 0 && n%4 != 1
}

// identity is what a match is known by, however it was written: normalised, and for numbers without the
// separators, so that the same card with spaces and with dashes has one fingerprint.
func identity(match, validatorName string) string {
	match = normalised(match)
	if _, ruled := numberRules[validatorName]; ruled {
		return digits(match)
	}
	switch validatorName {
	case "luhn", "luhn_number", "ssn", "us_npi", "hr_oib", "de_steuer_id", "in_aadhaar", "be_nrn", "ru_snils", "ee_isikukood", "se_pnr":
		return digits(match)
	case "iban":
		return compactIBAN(match)
	}
	return match
}

// Validators lists the names that a row's validator may have.
func Validators() []string { return validatorNames() }

// Accepts says whether a validator takes the text of a match, as the Rego reference must. The threshold is that of
// `entropy`, in thousandths of a bit; others do not look at it. A name that is none accepts nothing.
func Accepts(validatorName, match string, minMilli int64) bool {
	v, known := validators[validatorName]
	return known && (v == nil || v(match, minMilli))
}
