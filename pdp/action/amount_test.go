package action

import (
	"encoding/json"
	"testing"
)

func TestCanonicalAmount(t *testing.T) {
	for _, c := range []struct {
		v         any
		exact     string
		ambiguous bool
	}{
		{json.Number("1e3"), "1000", false},
		{json.Number("-0.10"), "-0.1", false},
		{"1000", "1000", false},
		{" 12.50 ", "12.5", false},
		{"$5", "5", false},
		{"5 EUR", "5", false},
		{"EUR5", "5", false},
		{"€1,234.50", "1234.5", false},
		{"1.234,50 €", "1234.5", false},
		{"1 234 567.8", "1234567.8", false},
		{"1'000'000", "1000000", false},
		{"1,000,000", "1000000", false},
		{"1.000.000", "1000000", false},
		{"1,5", "1.5", false},
		{"1,000", "1000", true},
		{"1.000", "1", true},
		{"0.125", "0.125", false},
		{"-5", "-5", false},
		{"−5", "-5", false},
		{"(5.00)", "-5", false},
		{"+5", "5", false},
		{"007", "7", false},
		{".5", "0.5", false},
		{"5.", "5", false},
		{"１００", "100", false},
		{"٣٫٥", "", false},
		{"٣٥", "35", false},
		{"0", "0", false},
		{"0.00", "0", false},
		{"1e3", "1000", false},
		{"", "", false},
		{"all of it", "", false},
		{"12 apples", "", false},
		{"1-2", "", false},
		{"--5", "", false},
		{true, "", false},
		{nil, "", false},
	} {
		exact, ambiguous, ok := CanonicalAmount(c.v)
		if ok != (c.exact != "") || ok && (string(exact) != c.exact || ambiguous != c.ambiguous) {
			t.Errorf("%v: %q %v %v, want %q %v", c.v, exact, ambiguous, ok, c.exact, c.ambiguous)
		}
	}
}
