package action

import (
	"encoding/json"
	"strings"
	"unicode"
)

// The classes of an amount. ClassUnknown is one that could not be read.
const (
	ClassPositive = "positive"
	ClassNegative = "negative"
	ClassZero     = "zero"
)

// CanonicalAmount reads an amount of money or things: a json.Number, or text such as `1,234.50 EUR`, `$5` or
// full-width digits. Exact is its decimal spelling, an argument value. Ambiguous is true for text whose
// separator can be read both ways (`1.000`, `1,000`); exact then takes a point for the decimal separator and
// a comma for grouping, as JSON and most programs do. ok is false for what is no amount.
func CanonicalAmount(v any) (exact json.Number, ambiguous, ok bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := NormaliseNumber(string(v))
		return n, false, err == nil
	case string:
		return amountText(v)
	}
	return "", false, false
}

func amountText(text string) (exact json.Number, ambiguous, ok bool) {
	if len(text) > 128 {
		return "", false, false
	}
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Sc, r), unicode.IsSpace(r), r == '\'', r == '_', r == '’':
			return -1
		case r == '−':
			return '-'
		case unicode.Is(unicode.Nd, r):
			return '0' + digitValue(r)
		}
		return r
	}, nfkc(text))
	s = strings.TrimPrefix(trimCurrency(s), "+")
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") { // an accountant's minus
		s = "-" + s[1:len(s)-1]
	}
	points, commas := strings.Count(s, "."), strings.Count(s, ",")
	switch {
	case points == 1 && commas == 0:
		ambiguous = groupedBy(s, ".")
	case commas == 1 && points == 0:
		if ambiguous = groupedBy(s, ","); ambiguous {
			s = strings.Replace(s, ",", "", 1)
		} else {
			s = strings.Replace(s, ",", ".", 1)
		}
	case commas > 0 && strings.LastIndex(s, ".") > strings.LastIndex(s, ","):
		s = strings.ReplaceAll(s, ",", "")
	case points > 0 && strings.LastIndex(s, ",") > strings.LastIndex(s, "."):
		s = strings.Replace(strings.ReplaceAll(s, ".", ""), ",", ".", 1)
	case points > 1:
		s = strings.ReplaceAll(s, ".", "")
	case commas > 1:
		s = strings.ReplaceAll(s, ",", "")
	}
	body, negative := strings.CutPrefix(s, "-")
	if strings.HasPrefix(body, ".") {
		body = "0" + body
	}
	body = strings.TrimSuffix(body, ".")
	if trimmed := strings.TrimLeft(body, "0"); trimmed != body {
		body = trimmed
		if body == "" || !isDigit(body[0]) {
			body = "0" + body
		}
	}
	if negative {
		body = "-" + body
	}
	n, err := NormaliseNumber(body)
	return n, ambiguous, err == nil
}

// groupedBy is true where exactly three digits follow the one separator and up to three, no zero first,
// stand before it.
func groupedBy(s, separator string) bool {
	before, after, _ := strings.Cut(strings.TrimPrefix(s, "-"), separator)
	return len(after) == 3 && len(before) >= 1 && len(before) <= 3 && before[0] != '0'
}

// trimCurrency takes off one code of three letters at either end.
func trimCurrency(s string) string {
	isCode := func(t string) bool {
		return strings.IndexFunc(t, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }) < 0
	}
	if len(s) > 3 && isCode(s[:3]) {
		return s[3:]
	}
	if len(s) > 3 && isCode(s[len(s)-3:]) {
		return s[:len(s)-3]
	}
	return s
}

// digitValue is the value of a decimal digit of any script: they stand in runs of ten from zero up.
func digitValue(r rune) rune {
	zero := r
	for unicode.Is(unicode.Nd, zero-1) && r-zero < 9 {
		zero--
	}
	if r < 0x80 {
		return r - '0'
	}
	return r - zero
}

func amountClass(n json.Number) string {
	switch {
	case n == "0":
		return ClassZero
	case strings.HasPrefix(string(n), "-"):
		return ClassNegative
	}
	return ClassPositive
}
