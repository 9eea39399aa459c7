package scan

import (
	"strings"
	"testing"
)

func TestPlacesAreWhatAReviewerNeedNotRead(t *testing.T) {
	examples := Examples{Match: []string{"key-AAAA", "key-BBBB", "key-CCCC"}, NoMatch: []string{"a", "b", "c"}}
	s, err := Compile([]Pattern{
		{ID: "a.key", Category: "credential", Severity: "high", Confidence: "high", Regex: `key-[A-Z]{4}`, Examples: examples},
		{ID: "a.longer", Category: "personal", Severity: "high", Confidence: "high", Regex: `y-[A-Z]{4}[a-z]*`, Examples: examples},
		{ID: "a.word", Category: "injection", Severity: "high", Confidence: "high", Regex: `key`, Examples: examples},
	})
	if err != nil {
		t.Fatal(err)
	}
	private := func(r Rule) bool { return r.Category == "credential" || r.Category == "personal" }
	for text, want := range map[string]string{
		"nothing here":      "nothing here",
		"x key-ABCDef y":    "x # y",
		"key-ABCD key-EFGH": "# #",
		"a key alone":       "a key alone",
	} {
		if got := covered(text, s.Places(text, private)); got != want {
			t.Errorf("places of %q: %q, want %q", text, got, want)
		}
	}
	text := "key-ABCD"
	if got := covered(text, s.Places(text, func(r Rule) bool { return r.Category == "personal" })); got != "ke#" {
		t.Errorf("another category is covered: %q", got)
	}
	// More than anybody may find: nothing is shown.
	if got := s.Places(strings.Repeat("key-ABCD ", maxMatches+1), private); len(got) != 1 || got[0] != (Place{0, 9 * (maxMatches + 1)}) {
		t.Errorf("%d places of a text that is not searched to its end", len(got))
	}
}

func covered(text string, places []Place) string {
	var b strings.Builder
	done := 0
	for _, p := range places {
		b.WriteString(text[done:p.From] + "#")
		done = p.To
	}
	return b.String() + text[done:]
}
