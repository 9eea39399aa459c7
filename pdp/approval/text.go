package approval

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// samePerson compares subjects as people write them: without regard to case, width and surrounding space.
func samePerson(a, b string) bool { return Fold(a) == Fold(b) }

// Fold spells a name as it is compared.
func Fold(subject string) string {
	s := norm.NFKC.String(strings.TrimSpace(subject))
	return norm.NFKC.String(cases.Fold().String(s))
}

// clean makes one bounded line of what a person wrote: control and invisible characters are spaces, or nothing where
// they would join words differently from how they look.
func clean(text string, maxRunes int) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			r = ' '
		case !unicode.IsPrint(r):
			continue
		}
		if n++; n > maxRunes {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
