package scan

import (
	"regexp/syntax"
	"testing"
)

// TestAhead_KnowsWhatMayStandBehindARoute gives the bytes of a few that must be of the sets behind a route, and of a few
// that must not.
func TestAhead_KnowsWhatMayStandBehindARoute(t *testing.T) {
	for _, c := range []struct {
		expr, route string
		may, not    string // at the byte behind the route
	}{
		{`message to`, "message", " ", "st"},
		{`messages?\s(?:to|for)`, "message", "s \n", "to"},
		{`(?i)pass(?:key|word)`, "pas", "sS\xC5", "kw"}, // a long s is two bytes
		{`\bdan\b`, "dan", " .\x00\xC3", "dX9_"},
		{`dan\B`, "dan", "dX9_", " .\xC3"},
		{`(?:dan|-)\b`, "-", "dX9_", " .\xC3"},
		{`dan\b?x`, "dan", "x", " y"},
		{`(?:a\b|ab)*c`, "a", "b", "ac "}, // beyond \b only what is no word character, which nothing here reads
		{`key[é-ü]x`, "key\xC3", "\xA9\xBC", "\x80x"},
		{`key[^x]y`, "key", "a\xC3", ""}, // too wide to say
		{`key`, "key", "a \x00\xFF", ""},
	} {
		tree, err := syntax.Parse(c.expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		var route []byteset
		for i := range len(c.route) {
			var s byteset
			s.add(c.route[i], c.route[i])
			route = append(route, s)
		}
		behind := anyByte
		if sets := newAhead(flatten(nil, tree)).behind(route); len(sets) > len(route) {
			behind = sets[len(route)]
		}
		for i := range len(c.may) {
			if !behind.has(c.may[i]) {
				t.Errorf("%s: %q may be behind %q", c.expr, c.may[i], c.route)
			}
		}
		for i := range len(c.not) {
			if behind.has(c.not[i]) {
				t.Errorf("%s: %q can't be behind %q", c.expr, c.not[i], c.route)
			}
		}
	}
}
