package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestDigitGate_FindsNumbersAtEachPlace: how they lie to sixteen bytes, to the ends of the text and to one another.
func TestDigitGate_FindsNumbersAtEachPlace(t *testing.T) {
	inAllWays(t, findsNumbersAtEachPlace)
}

func findsNumbersAtEachPlace(t *testing.T) {
	t.Helper()
	s := scannerOf(t, []Pattern{
		{Regex: `\b\d{9}\b`},
		{Regex: `\b[A-Z]{2}\d{6}\b`},
		{Regex: `\b(?:1|22|333)-\d{4}`},
		{Regex: `\b[A-Z]{6}\d{2}[A-Z]\b`},
		{Regex: `\b\d\b`},
		{Regex: `\b\d{5,7}\b`, Context: &Context{Words: []string{"passport"}, Within: 20}},
		{Regex: `\b\d{3,4}\b`, Keywords: []string{"security"}},
		{Regex: `\b\d{1,2}[é-ÿa]\d{3}x`},
	})
	for _, c := range s.rules {
		if kindsOf(c)[0] != planDigits.String() {
			t.Fatalf("%s is found by %v", c.re, kindsOf(c))
		}
	}
	if len(s.digits.near.rules) != 1 {
		t.Fatalf("%d rules with a watch", len(s.digits.near.rules))
	}
	var f Scratch
	matched := 0
	for before := range 84 {
		for _, number := range []string{"123456789", "AB123456", "1-2345", "22-2345", "333-4444", "ABCDEF12G", "7", "12é345x", "1ÿ234x", "1\xc3345x", "12345", "1234", "1234567890"} {
			for _, around := range []string{" ", "x", ".", "", "é"} {
				for _, word := range []string{"", "passport", "security", "PASSPORT " + strings.Repeat(" ", 12)} {
					for _, text := range []string{
						strings.Repeat(around, before) + number + around + word, word + strings.Repeat(" ", before) + number, number + " " + number + strings.Repeat(" ", before) + word,
					} {
						if d := s.difference(text, &f, nil); d != "" {
							t.Fatal(d)
						}
						matched += len(f.found)
					}
				}
			}
		}
	}
	if matched < 1000 {
		t.Errorf("%d matches: the texts are too tame", matched)
	}
}

// TestThreat_E2_HowManyKindsOfNumbersThereAreMakesNoDifference: groups are few, whatever the rules.
func TestThreat_E2_HowManyKindsOfNumbersThereAreMakesNoDifference(t *testing.T) {
	number := func(kind int, digit string) string {
		var b strings.Builder
		for range 4 {
			b.WriteString(digit + []string{"", "-", "/"}[kind%3])
			kind /= 3
		}
		return b.String() + digit
	}
	var rows []Pattern
	for kind := range 81 {
		rows = append(rows, Pattern{Regex: `\b` + number(kind, `\d`) + `\b`})
	}
	s := scannerOf(t, rows)
	if len(s.rules) != len(rows) || len(s.digits.unions) != 1 {
		t.Fatalf("%d rules in %d unions", len(s.rules), len(s.digits.unions))
	}
	g := newGenerator(3)
	var f Scratch
	for range 100 {
		var b strings.Builder
		for range 40 {
			b.WriteString(number(g.IntN(81), g.pick("1", "7")) + g.pick(" ", "x ", "-", ", "))
		}
		if _, complete := s.Find(t.Context(), b.String(), &f); !complete || len(f.found) < 10 {
			t.Fatalf("%d found, complete %t", len(f.found), complete)
		}
		if d := s.difference(b.String(), &f, nil); d != "" {
			t.Fatal(d)
		}
	}
}

// TestGathered_LosesNoRoute: whatever is put together, each route is within a group of its union.
func TestGathered_LosesNoRoute(t *testing.T) {
	g := newGenerator(8)
	var routes []digitRoute
	for range 300 {
		r := digitRoute{union: g.IntN(3)}
		for at := range r.sets {
			for range 1 + g.IntN(3) {
				c := " -./0a_\xc3"[g.IntN(8)]
				r.sets[at].add(c, c)
			}
		}
		routes = append(routes, r)
	}
	groups := gathered(routes, 40)
	if len(groups) != 40 {
		t.Errorf("%d groups", len(groups))
	}
	for i, r := range routes {
		if !slices.ContainsFunc(groups, func(o digitRoute) bool {
			both := o
			both.take(&r)
			return both == o
		}) {
			t.Errorf("route %d is in no group", i)
		}
	}
}

// TestDigitGate_FindsNumbersOfMoreCharactersThanAnAutomatonTellsApart: the rules of a union may each have few of them.
func TestDigitGate_FindsNumbersOfMoreCharactersThanAnAutomatonTellsApart(t *testing.T) {
	for _, n := range []int{240, 260, 400} {
		var rows []Pattern
		for i := range n {
			rows = append(rows, Pattern{Regex: fmt.Sprintf(`\b\d{3}(?:a|%c)`, rune('一'+2*i))})
		}
		s := scannerOf(t, rows)
		if u := s.digits.unions; len(u) != 1 || u[0].automaton.tooManyClasses() || (len(u[0].apart) > 0) != (n > 250) {
			t.Fatalf("%d rules: %d unions, %d rules apart", n, len(u), len(u[0].apart))
		}
		var f Scratch
		found := 0
		for i := range n {
			for _, text := range []string{"123%c", "12%c", "a 456%c", "456a 123%c", "123", "123b"} {
				if strings.Contains(text, "%c") {
					text = fmt.Sprintf(text, rune('一'+2*i))
				}
				if d := s.difference(text, &f, map[int32]bool{int32(i): true, int32((i + 1) % n): true}); d != "" {
					t.Fatalf("of %d rules: %s", n, d)
				}
				found += len(f.found)
			}
		}
		if found < 3*n {
			t.Errorf("%d matches: the texts are too tame", found)
		}
	}
}
