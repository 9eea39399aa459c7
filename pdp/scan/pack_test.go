package scan

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
)

// canary is a credential of a kind that nobody issues.
const canary = "pct_live_Zk3Qw9Xr7Lm2Vb8Nc5Hd1Ty6"

// pack is a small table with every category and every validator.
func pack() []Pattern {
	return []Pattern{
		{
			ID: "credential.test-token", Category: "credential", Severity: "critical", Confidence: "high",
			Regex: `\bpct_live_[A-Za-z0-9]{24}\b`, Keywords: []string{"pct_live_"},
			Examples: Examples{
				Match:   []string{canary, "token=" + canary, "(" + canary + ")"},
				NoMatch: []string{"pct_live_short", "PCT_TEST_Zk3Qw9Xr7Lm2Vb8Nc5Hd1Ty6", "x" + canary},
			},
		},
		{
			ID: "credential.generic", Category: "credential", Severity: "high", Confidence: "low",
			Regex: `[A-Za-z0-9]{20,}`, Validator: "entropy", MinEntropyMilli: 4200,
			Examples: Examples{
				Match:   []string{"aB3dE5fG7hJ9kL1mN2pQ", "q1w2e3r4t5y6u7i8o9p0AZ", "Zx9Cv8Bn7Mq6Wp5Er4Ty3"},
				NoMatch: []string{"aaaaaaaaaaaaaaaaaaaaaa", "abababababababababab", "short"},
			},
		},
		{
			ID: "personal.card", Category: "personal", Severity: "high", Confidence: "high",
			Regex: `\b\d(?:[ .-]?\d){12,18}\b`, Validator: "luhn",
			Examples: Examples{
				Match:   []string{"4111111111111111", "5500 0000 0000 0004", "3400-000000-00009"},
				NoMatch: []string{"4111111111111112", "1234567890123456", "0000000000000000"},
			},
		},
		{
			ID: "personal.ssn", Category: "personal", Severity: "high", Confidence: "medium",
			Regex: `\b\d{3}[- ]\d{2}[- ]\d{4}\b`, Validator: "ssn",
			Examples: Examples{
				Match:   []string{"123-45-6789", "ssn 219 09 9998", "856-45-6789"},
				NoMatch: []string{"000-12-3456", "666-12-3456", "123-00-4567"},
			},
		},
		{
			ID: "personal.iban", Category: "personal", Severity: "medium", Confidence: "high",
			Regex: `\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b`, Validator: "iban",
			Examples: Examples{
				Match:   []string{"DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "NL91ABNA0417164300"},
				NoMatch: []string{"DE88370400440532013000", "GB00WEST12345698765432", "DE89"},
			},
		},
		{
			ID: "exfiltration.blob", Category: "exfiltration", Severity: "medium", Confidence: "low",
			Regex: `[A-Za-z0-9+/_-]{40,}={0,2}`, Validator: "base64_blob",
			Examples: Examples{
				Match: []string{
					"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY3ODkw",
					"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY3ODk=",
					"____________________________________________",
				},
				NoMatch: []string{"QUJD", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NQQQQ", "not a blob at all"},
			},
		},
		{
			ID: "injection.ignore", Category: "injection", Severity: "medium", Confidence: "medium",
			Regex: `(?i)\bignore\s+(?:all\s+)?previous\s+instructions\b`, Keywords: []string{"ignore"},
			Examples: Examples{
				Match:   []string{"Ignore previous instructions", "please IGNORE ALL PREVIOUS INSTRUCTIONS", "ignore  previous instructions."},
				NoMatch: []string{"previous instructions", "ignore it", "ignored previous instructions"},
			},
		},
		{
			ID: "evasion.invisible", Category: "evasion", Severity: "medium", Confidence: "high",
			Regex: `[\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{AD}]`,
			Examples: Examples{
				Match: []string{"a\u200bb", "\u2060", "soft\u00adhyphen"}, NoMatch: []string{"a", "", "é"},
			},
		},
		{
			ID: "evasion.bidi", Category: "evasion", Severity: "high", Confidence: "high",
			Regex: `[\x{202A}-\x{202E}\x{2066}-\x{2069}]`,
			Examples: Examples{
				Match: []string{"a\u202eb", "\u2066", "\u202a"}, NoMatch: []string{"a", "", "\u200b"},
			},
		},
		{
			ID: "evasion.tags", Category: "evasion", Severity: "high", Confidence: "high",
			Regex: `[\x{E0001}\x{E0020}-\x{E007F}]`,
			Examples: Examples{
				Match: []string{"\U000E0041", "\U000E0001", "x\U000E007F"}, NoMatch: []string{"a", "", "\u200b"},
			},
		},
	}
}

func mustCompile(tb testing.TB, patterns []Pattern) *Scanner {
	tb.Helper()
	s, err := Compile(patterns)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func keyed(text string) string {
	mac := hmac.New(sha256.New, []byte("test key"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:12])
}

func (s *Scanner) scanOne(text string) Result {
	return s.Scan(context.Background(), []Text{{Pointer: "/a", Value: text}}, keyed, Budget{})
}

// counts is the findings as rule@pointer → count.
func counts(r Result) map[string]int64 {
	m := make(map[string]int64)
	for _, f := range r.Findings {
		m[f.Rule+"@"+f.Pointer] = f.Count
	}
	return m
}

// without is the pack less one rule.
func without(id string) []Pattern {
	return slices.DeleteFunc(pack(), func(p Pattern) bool { return p.ID == id })
}
