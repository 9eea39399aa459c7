package scan

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidators(t *testing.T) {
	tests := []struct {
		validator, match string
		milli            int64
		want             bool
	}{
		{"luhn", "4111111111111111", 0, true},
		{"luhn", "4222222222222", 0, true}, // 13 digits
		{"luhn", "4111 1111 1111 1111", 0, true},
		{"luhn", "4111-1111.1111-1111", 0, true},
		{"luhn", "378282246310005", 0, true},
		{"luhn", "37828224631000512", 0, false}, // American Express has 15
		{"luhn", "5555555555554444", 0, true},
		{"luhn", "2223003122003222", 0, true},
		{"luhn", "6011111111111117", 0, true},
		{"luhn", "3530111333300000", 0, true},
		{"luhn", "30569309025904", 0, true},
		{"luhn", "4111111111111112", 0, false},
		{"luhn", "1111111111111117", 0, false}, // Luhn holds, no issuer
		{"luhn", "0000000000000000", 0, false},
		{"luhn", "411111111111", 0, false},         // 12
		{"luhn", "41111111111111111111", 0, false}, // 20
		{"luhn", "", 0, false},

		{"ssn", "123-45-6789", 0, true},
		{"ssn", "123 45 6789", 0, true},
		{"ssn", "899-99-9999", 0, true},
		{"ssn", "000-45-6789", 0, false},
		{"ssn", "666-45-6789", 0, false},
		{"ssn", "900-45-6789", 0, false},
		{"ssn", "123-00-6789", 0, false},
		{"ssn", "123-45-0000", 0, false},
		{"ssn", "123-45-678", 0, false},

		{"iban", "DE89370400440532013000", 0, true},
		{"iban", "de89 3704 0044 0532 0130 00", 0, true},
		{"iban", "NO9386011117947", 0, true},
		{"iban", "MT84MALT011000012345MTLCAST001S", 0, true},
		{"iban", "DE98370400440532013000", 0, false},
		{"iban", "1289370400440532013000", 0, false},
		{"iban", "DE89", 0, false},
		{"iban", "DE89_70400440532013000", 0, false},
		{"iban", "DE89" + strings.Repeat("0", 31), 0, false},

		{"base64_blob", "aGVsbG8gd29ybGQ=", 0, true},
		{"base64_blob", "aGVsbG8gd29ybGQ", 0, true},
		{"base64_blob", "-_-_", 0, true},
		{"base64_blob", "+/+/", 0, true},
		{"base64_blob", "aGVsb", 0, false}, // one character too many
		{"base64_blob", "aGVs bG8", 0, false},
		{"base64_blob", "", 0, false},
		{"base64_blob", "==", 0, false},

		{"entropy", "abcd", 1999, true}, // 2 bits exactly
		{"entropy", "abcd", 2000, false},
		{"entropy", "aaaa", 1, false},
		{"entropy", "aabb", 999, true},
		{"entropy", "ääöö", 999, true}, // characters, not bytes
		{"entropy", "ääöö", 1000, false},
		{"entropy", "", 1, false},
		{"entropy", strings.Repeat("a", entropyRunes) + "bcdefgh", 1, false}, // what is past the table is not seen
		{"entropy", strings.Repeat("a", entropyRunes-1) + "bcdefgh", 1, true},
	}
	for _, tt := range tests {
		if got := validators[tt.validator](tt.match, tt.milli); got != tt.want {
			t.Errorf("%s(%.40q, %d) = %t, want %t", tt.validator, tt.match, tt.milli, got, tt.want)
		}
	}
}

// TestProperty_Base64IsWhatDecodes to something.
func TestProperty_Base64IsWhatDecodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.StringMatching(`[AQw9+/_-]{0,9}([\r\n=.]|é)?[AQw9+/_-]{0,5}[=\n]{0,3}`).Draw(t, "match")
		s := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(m), "=")
		out, err := base64.RawStdEncoding.DecodeString(s)
		if got, want := validBase64(m), err == nil && len(out) > 0; got != want {
			t.Fatalf("%t, want %t", got, want)
		}
	})
}

func TestEntropyTableIsTheSameEverywhere(t *testing.T) {
	for c := 1; c <= entropyRunes; c++ {
		exact := 1e6 * float64(c) * math.Log2(float64(c))
		if half := math.Abs(exact - math.Floor(exact) - 0.5); half < 1e-4 {
			t.Errorf("clog2[%d] is %v: rounding may differ between machines", c, exact)
		}
	}
	if clog2[2] != 2_000_000 || clog2[3] != 4_754_888 || clog2[4096] != 49_152_000_000 {
		t.Errorf("clog2[2, 3, 4096] = %d, %d, %d", clog2[2], clog2[3], clog2[4096])
	}
}

func TestIdentity_IsTheSameHoweverWritten(t *testing.T) {
	tests := []struct{ validator, a, b string }{
		{"luhn", "4111 1111 1111 1111", "4111-1111-1111-1111"},
		{"luhn", "４１１１１１１１１１１１１１１１", "4111111111111111"},
		{"ssn", "123-45-6789", "123 45 6789"},
		{"iban", "de89 3704 0044 0532 0130 00", "DE89370400440532013000"},
		{"", "pct_live_\u200bx", "pct_live_x"},
	}
	for _, tt := range tests {
		if identity(tt.a, tt.validator) != identity(tt.b, tt.validator) {
			t.Errorf("%s: %q and %q differ", tt.validator, tt.a, tt.b)
		}
	}
	if identity("abc", "") == identity("ABC", "") {
		t.Error("secrets that differ in case are different")
	}
}
