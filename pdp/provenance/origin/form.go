package origin

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// form is the one spelling of a value that people write in many: an account number with its check digits, a telephone number
// with its country, a date. Empty if the text, as a whole, is none of them, or one that could be read in two ways.
func form(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 6 || len(text) > 64 {
		return ""
	}
	if iban := ibanOf(text); iban != "" {
		return "iban " + iban
	}
	if phone := phoneOf(text); phone != "" {
		return "phone " + phone
	}
	if date := dateOf(text); date != "" {
		return "date " + date
	}
	return ""
}

// formWords is how many words a value in such a form has at most: an IBAN in groups of four has nine.
const formWords = 9

// forms are those that stand in a text, from word to word.
func forms(text string, add func(string)) {
	fields := strings.Fields(text)
	for i := range fields {
		if !begins(fields[i]) {
			continue
		}
		for n := min(formWords, len(fields)-i); n > 0; n-- {
			if f := form(strings.Trim(strings.Join(fields[i:i+n], " "), ".,;:!?\"'<>[]{}")); f != "" {
				add(f)
				break // the longest that begins here
			}
		}
	}
}

// begins says whether a form may begin with a word: it has a digit, or is a month. Most words are neither, and need no look.
func begins(word string) bool {
	if strings.ContainsAny(word, "0123456789+(") {
		return true
	}
	return len(word) >= 3 && strings.Contains("jan feb mar apr may jun jul aug sep oct nov dec", strings.ToLower(word[:3]))
}

// ibanOf is an IBAN without its blanks, if its check digits are right.
func ibanOf(text string) string {
	s := strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(text))
	if len(s) < 15 || len(s) > 34 {
		return ""
	}
	rest := 0
	for i, r := range s[4:] + s[:4] {
		at := (i + 4) % len(s)
		switch {
		case r >= '0' && r <= '9' && at > 1:
			rest = (rest*10 + int(r-'0')) % 97
		case r >= 'A' && r <= 'Z' && at != 2 && at != 3:
			rest = (rest*100 + int(r-'A') + 10) % 97
		default:
			return ""
		}
	}
	if rest != 1 {
		return ""
	}
	return s
}

// phoneOf is a number with its country: `+44 (0)20 7946-0958` and `0044 20 79460958` are one. Without the country a number is
// many people's.
func phoneOf(text string) string {
	s := text
	if country, rest, found := strings.Cut(text, "(0)"); found {
		if !isCountry(strings.TrimPrefix(squeezed(country), "00")) || strings.Contains(rest, "(0)") {
			return ""
		}
		s = country + rest
	}
	if strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && !strings.ContainsRune("+ -./()\u00a0", r) }) {
		return ""
	}
	digits := squeezed(s)
	switch {
	case strings.HasPrefix(s, "+") && strings.Count(s, "+") == 1:
	case strings.HasPrefix(digits, "00") && strings.HasPrefix(s, "00"):
		digits = digits[2:]
	default:
		return ""
	}
	if len(digits) < 8 || len(digits) > 15 {
		return ""
	}
	return digits
}

// isCountry says whether digits are the code of a country, as ITU-T E.164 has them: one digit, one of those with two, or three.
// No code begins with another.
func isCountry(digits string) bool {
	if digits == "1" || digits == "7" {
		return true
	}
	if len(digits) < 2 || len(digits) > 3 || strings.ContainsAny(digits[:1], "017") {
		return false
	}
	two := strings.Contains("20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 "+
		"60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98", digits[:2])
	return two == (len(digits) == 2)
}

// layouts are the ways to write a date that can be read in one way only.
var layouts = []string{
	"2006-01-02", "2006-1-2", "2006/01/02", "2006/1/2", "2006.01.02", "20060102", "2.1.2006", "02.01.2006",
	"2 Jan 2006", "2 January 2006", "Jan 2 2006", "January 2 2006", "2-Jan-2006",
}

// dateOf is a date as ISO 8601 writes it. `11/25/2026` is one, for there is no month 25; `11/12/2026` is two, and so none.
func dateOf(text string) string {
	if len(text) > 32 || strings.IndexFunc(text, unicode.IsDigit) < 0 {
		return ""
	}
	s := strings.Join(strings.Fields(strings.ReplaceAll(text, ",", " ")), " ")
	words := strings.Split(s, " ")
	for i, w := range words { // 25th
		if n := len(w) - 2; n > 0 && w[n-1] >= '0' && w[n-1] <= '9' {
			switch strings.ToLower(w[n:]) {
			case "st", "nd", "rd", "th":
				words[i] = w[:n]
			}
		}
	}
	s = strings.Join(words, " ")
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '-' || r == '.' })
	if len(parts) != 3 || len(parts[2]) != 4 {
		return ""
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	if errA != nil || errB != nil || a <= 12 && b <= 12 && a != b {
		return ""
	}
	if a > 12 {
		a, b = b, a
	}
	t, err := time.Parse("2006-1-2", parts[2]+"-"+strconv.Itoa(a)+"-"+strconv.Itoa(b))
	if err != nil {
		return ""
	}
	return t.Format(time.DateOnly)
}
