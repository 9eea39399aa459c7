package action

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// What a number may be. The digits are counted without leading and trailing zeros, the exponent is that of
// the first digit (1000 has exponent 3), so that neither depends on the spelling.
const (
	MaxNumberDigits   = 40
	MaxNumberExponent = 400
)

// maxNumberText bounds the work on one literal: longer than this it is refused unread. A literal may be
// longer than its digits by zeros, a sign, a point and an exponent.
const maxNumberText = 1024

// NormaliseNumber returns the one spelling of a JSON number: that of ECMAScript and so of RFC 8785, but with
// every digit kept. `1e3`, `1000.0` and `1000` are `1000`; `-0` is `0`; from 10^21 on and below 10^-6 it is
// `d.ddde+n`. Two numbers have the same spelling exactly if they are equal.
func NormaliseNumber(text string) (json.Number, error) {
	if plainInteger(text) {
		return json.Number(text), nil
	}
	if len(text) > maxNumberText {
		return "", &Error{Field: "number", Reason: ReasonNumberTooLong, Detail: "a number has too many digits"}
	}
	neg, digits, exp, err := splitNumber(text)
	if err != nil {
		return "", err
	}
	if digits == "" {
		return "0", nil
	}
	if len(digits) > MaxNumberDigits {
		return "", &Error{Field: "number", Reason: ReasonNumberTooLong, Detail: "a number has more than 40 significant digits"}
	}
	if exp < -MaxNumberExponent || exp > MaxNumberExponent {
		return "", &Error{Field: "number", Reason: ReasonNumberRange, Detail: "the exponent of a number is not within 400"}
	}
	return json.Number(spellNumber(neg, digits, exp)), nil
}

// numberReason is the reason of what NormaliseNumber refused.
func numberReason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ReasonNotANumber
}

// plainInteger is the fast path: up to 20 digits without sign or leading zero are spelt right already.
func plainInteger(s string) bool {
	if len(s) == 0 || len(s) > 20 || s[0] == '0' {
		return s == "0"
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// splitNumber reads a JSON number as ±d.ddd × 10^exp. digits has no zero at either end; it is empty for zero.
func splitNumber(s string) (neg bool, digits string, exp int, err error) {
	bad := &Error{Field: "number", Reason: ReasonNotANumber, Detail: "not a JSON number"}
	rest, neg := strings.CutPrefix(s, "-")
	whole, rest := cutDigits(rest)
	if whole == "" || (len(whole) > 1 && whole[0] == '0') {
		return false, "", 0, bad
	}
	var frac string
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if frac, rest = cutDigits(after); frac == "" {
			return false, "", 0, bad
		}
	}
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return false, "", 0, bad
		}
		text, minus := rest[1:], false
		if text != "" && (text[0] == '+' || text[0] == '-') {
			minus, text = text[0] == '-', text[1:]
		}
		power, tail := cutDigits(text)
		if power == "" || tail != "" {
			return false, "", 0, bad
		}
		power = strings.TrimLeft(power, "0")
		// Nine digits can't overflow, and are out of range whatever the mantissa is.
		exp, _ = strconv.Atoi("0" + power[:min(len(power), 9)])
		if minus {
			exp = -exp
		}
	}
	all := whole + frac
	significant := strings.TrimLeft(all, "0")
	exp += len(whole) - 1 - (len(all) - len(significant))
	return neg, strings.TrimRight(significant, "0"), exp, nil
}

func cutDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func spellNumber(neg bool, digits string, exp int) string {
	var b strings.Builder
	if neg {
		b.WriteByte('-')
	}
	switch {
	case exp >= len(digits)-1 && exp < 21:
		b.WriteString(digits)
		b.WriteString(strings.Repeat("0", exp-len(digits)+1))
	case exp >= 0 && exp < 21:
		b.WriteString(digits[:exp+1] + "." + digits[exp+1:])
	case exp < 0 && exp >= -6:
		b.WriteString("0." + strings.Repeat("0", -exp-1) + digits)
	default:
		b.WriteString(digits[:1])
		if len(digits) > 1 {
			b.WriteString("." + digits[1:])
		}
		if exp > 0 {
			b.WriteString("e+" + strconv.Itoa(exp))
		} else {
			b.WriteString("e" + strconv.Itoa(exp))
		}
	}
	return b.String()
}

// numberFromFloat takes the shortest decimal that reads back as f, which is what a person or a JSON text
// meant by it: 0.1 is 0.1, not the 55 digits of the nearest binary fraction.
func numberFromFloat(f float64) (json.Number, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "", &Error{Field: "number", Reason: ReasonNotANumber, Detail: "a number is not finite"}
	}
	return NormaliseNumber(strconv.FormatFloat(f, 'e', -1, 64))
}
