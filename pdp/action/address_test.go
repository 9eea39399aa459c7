package action

import (
	"strings"
	"testing"
)

func TestCanonicalAddress(t *testing.T) {
	for _, c := range []struct {
		raw                      string
		byName                   bool
		class, text, host, flags string
	}{
		{"Bob@Example.ORG", false, ClassEmail, "bob@example.org", "example.org", ""},
		{"Bob <bob@example.org>", false, ClassEmail, "bob@example.org", "example.org", ""},
		{"mailto:bob%40example.org?subject=x", false, ClassEmail, "bob@example.org", "example.org", ""},
		{"bob@example.org.", false, ClassEmail, "bob@example.org", "example.org", "trailing_dot"},
		{"bob@bücher.example", false, ClassEmail, "bob@xn--bcher-kva.example", "xn--bcher-kva.example", "idn"},
		{"bob＠ｅxample.org", false, ClassEmail, "bob@example.org", "example.org", "odd_spelling"},
		{"bob@еxample.org", false, ClassEmail, "bob@xn--xample-2of.org", "xn--xample-2of.org", "idn mixed_script"},
		{"GB82 WEST 1234 5698 7654 32", false, ClassIBAN, "GB82WEST12345698765432", "", "valid"},
		{"gb82west12345698765432", false, ClassIBAN, "GB82WEST12345698765432", "", "valid"},
		{"GB83WEST12345698765432", false, ClassIBAN, "GB83WEST12345698765432", "", ""},
		{"+49 (30) 1234-567", false, ClassPhone, "+49301234567", "", ""},
		{"0049 30 1234567", false, ClassPhone, "+49301234567", "", ""},
		{"030 1234567", true, ClassPhone, "0301234567", "", ""},
		{"tel:0301234567", false, ClassPhone, "0301234567", "", ""},
	} {
		a, ok := CanonicalAddress(c.raw, c.byName)
		if !ok || a.Class != c.class || a.Text != c.text || a.Host != c.host || strings.Join(a.Flags, " ") != c.flags {
			t.Errorf("%q: %v %+v, want %s %s %s %s", c.raw, ok, a, c.class, c.text, c.host, c.flags)
		}
	}
	for _, raw := range []string{"", "hello", "@", "a@", "@b", "030 1234567", "12345", "a b@example.org", "https://user@example.org/", "git@github.com:x/y", "x@y", strings.Repeat("a", 600) + "@example.org", "AB12!"} {
		if a, ok := CanonicalAddress(raw, false); ok {
			t.Errorf("%q: %+v", raw, a)
		}
	}
}
