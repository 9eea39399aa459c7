package action

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestThreat_D10_NumberHasOneSpelling(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"0", "0"},
		{"-0", "0"},
		{"0.0", "0"},
		{"-0.000", "0"},
		{"0e0", "0"},
		{"0E+999999999999", "0"},
		{"0e-5", "0"},
		{"1", "1"},
		{"-1", "-1"},
		{"1e3", "1000"},
		{"1000.0", "1000"},
		{"1000", "1000"},
		{"1E+3", "1000"},
		{"0.1e4", "1000"},
		{"0.1", "0.1"},
		{"0.10", "0.1"},
		{"1e-1", "0.1"},
		{"100e-3", "0.1"},
		{"9007199254740993", "9007199254740993"},
		{"9007199254740993.0", "9007199254740993"},
		{"123456789012345678901", "123456789012345678901"},
		{"1234567890123456789012", "1.234567890123456789012e+21"},
		{"1e20", "100000000000000000000"},
		{"1e21", "1e+21"},
		{"1000000000000000000000", "1e+21"},
		{"0.000001", "0.000001"},
		{"0.0000001", "1e-7"},
		{"1.5e-7", "1.5e-7"},
		{"1e400", "1e+400"},
		{"1e-400", "1e-400"},
		{"10e399", "1e+400"},
		{"1e0000000003", "1000"},
		{"333333333.33333329", "333333333.33333329"},
		{"12.5", "12.5"},
		{"-12.50", "-12.5"},
		{strings.Repeat("9", 40), "9.999999999999999999999999999999999999999e+39"},
		{"1" + strings.Repeat("0", 400), "1e+400"},
		{"1." + strings.Repeat("0", 500), "1"},
	} {
		got, err := NormaliseNumber(c.text)
		if err != nil || string(got) != c.want {
			t.Errorf("NormaliseNumber(%.50q) = %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

func TestThreat_D10_NumberRefused(t *testing.T) {
	for _, c := range []struct{ text, reason string }{
		{"", ReasonNotANumber},
		{"-", ReasonNotANumber},
		{"+1", ReasonNotANumber},
		{"01", ReasonNotANumber},
		{"-01", ReasonNotANumber},
		{".5", ReasonNotANumber},
		{"5.", ReasonNotANumber},
		{"1e", ReasonNotANumber},
		{"1e+", ReasonNotANumber},
		{"1e3.5", ReasonNotANumber},
		{"0x10", ReasonNotANumber},
		{"1_000", ReasonNotANumber},
		{" 1", ReasonNotANumber},
		{"NaN", ReasonNotANumber},
		{"Infinity", ReasonNotANumber},
		{"１", ReasonNotANumber},
		{strings.Repeat("9", 41), ReasonNumberTooLong},
		{"0." + strings.Repeat("1", 41), ReasonNumberTooLong},
		{strings.Repeat("9", 5000), ReasonNumberTooLong},
		{"1e401", ReasonNumberRange},
		{"1e-401", ReasonNumberRange},
		{"10e400", ReasonNumberRange},
		{"0.1e-400", ReasonNumberRange},
		{"1e99999999999999999999", ReasonNumberRange},
		{"1e-99999999999999999999", ReasonNumberRange},
	} {
		got, err := NormaliseNumber(c.text)
		if reasonOf(err) != c.reason {
			t.Errorf("NormaliseNumber(%.50q) = %q, %v; want %s", c.text, got, err, c.reason)
		}
	}
}

// The float path must agree with the text that a person would write.
func TestNumberFromFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{1000, "1000"},
		{0.1, "0.1"},
		{math.Copysign(0, -1), "0"},
		{1e21, "1e+21"},
		{5e-324, "5e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{1 << 53, "9007199254740992"},
	} {
		if got, err := numberFromFloat(c.f); err != nil || string(got) != c.want {
			t.Errorf("numberFromFloat(%v) = %q, %v; want %q", c.f, got, err, c.want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := numberFromFloat(f); reasonOf(err) != ReasonNotANumber {
			t.Errorf("numberFromFloat(%v): %v", f, err)
		}
	}
}

// Against big.Rat: equal spelling exactly if equal value, and the spelling has the value.
func TestNumberSpellingIsExact(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		if rapid.Bool().Draw(t, "near") { // the same value otherwise spelt, or one digit off
			b = a + rapid.SampledFrom([]string{"0", "1", ""}).Draw(t, "tail")
		}
		na, err := NormaliseNumber(a)
		if err != nil {
			t.Fatal(err)
		}
		nb, err := NormaliseNumber(b)
		if err != nil {
			t.Skip("a tail may spoil it")
		}
		ra, rb := rat(t, a), rat(t, b)
		if rat(t, string(na)).Cmp(ra) != 0 {
			t.Fatalf("%s became %s", a, na)
		}
		if (na == nb) != (ra.Cmp(rb) == 0) {
			t.Fatalf("%s and %s became %s and %s", a, b, na, nb)
		}
		if again, err := NormaliseNumber(string(na)); err != nil || again != na {
			t.Fatalf("%s became %s, %v", na, again, err)
		}
	})
}

func rat(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%s is no number", s)
	}
	return r
}
