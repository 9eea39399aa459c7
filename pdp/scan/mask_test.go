package scan

import (
	"strings"
	"testing"
)

func TestMaskHidesWhatAReviewerNeedNotRead(t *testing.T) {
	examples := Examples{Match: []string{"key-AAAA", "key-BBBB", "key-CCCC"}, NoMatch: []string{"a", "b", "c"}}
	s, err := Compile([]Pattern{
		{ID: "a.key", Category: "credential", Severity: "high", Confidence: "high", Regex: `key-[A-Z]{4}`, Examples: examples},
		{ID: "a.longer", Category: "personal", Severity: "high", Confidence: "high", Regex: `y-[A-Z]{4}[a-z]*`, Examples: examples},
		{ID: "a.word", Category: "injection", Severity: "high", Confidence: "high", Regex: `key`, Examples: examples},
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"nothing here":      "nothing here",
		"x key-ABCDef y":    "x [masked 10 bytes] y",
		"key-ABCD key-EFGH": "[masked 8 bytes] [masked 8 bytes]",
		"a key alone":       "a key alone",
	} {
		if got := s.Mask(text, func(r Rule) bool { return r.Category == "credential" || r.Category == "personal" }); got != want {
			t.Errorf("Mask(%q) = %q, want %q", text, got, want)
		}
	}
	if got := s.Mask("key-ABCD", func(r Rule) bool { return r.Category == "personal" }); !strings.HasPrefix(got, "ke[masked") {
		t.Errorf("another category was masked: %q", got)
	}
}
