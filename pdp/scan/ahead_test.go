package scan

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
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

// TestAhead_TheBeginOfAPatternIsEnough: what is behind its routes is what it is behind those of the whole pattern.
func TestAhead_TheBeginOfAPatternIsEnough(t *testing.T) {
	exprs := []string{
		`[a-f]{14}xyz`, `[a-f]{15}xyz`, `[a-f]{16}xyz`, `[a-f]{17}xyz`, `x{15,18}y`, `x{16,}y`, `x{17,}y`, `x{2,40}y`, `(?:ab|c){9,40}d`, `(?:a?b?){20}c`,
		`(?:x{3}y){7}z{30}`, `é{8}x{20}`, `(?:a{12}|b{20})c{4}d`, `a(?:b{7}c){0,30}d`, `[é-ü]{15}\b-x{20}`, `a{14}\b.{30}`, `a{15}\b-{30}`, `a{16}\b-`,
	}
	// As many ways to go on as are too many to follow, behind the last byte that is looked at.
	var ways []string
	for i := range aheadThreads {
		ways = append(ways, fmt.Sprintf("[%c%c]!", 'A'+i%2, 'a'+i/2))
	}
	exprs = append(exprs, `x{16,40}(?:`+strings.Join(ways, "|")+`)`, `x{16}(?:`+strings.Join(append(ways, "z"), "|")+`)`)
	for _, tree := range treesToPlan(t) {
		exprs = append(exprs, tree.String())
	}
	for _, expr := range exprs {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		got, want := newAhead(flatten(nil, tree)).behind(nil), aheadOf(programOf(t, expr)).behind(nil)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %x, want %x", expr, got, want)
		}
	}
}
