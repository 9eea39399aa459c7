package scan

import (
	"fmt"
	"strings"
	"testing"
)

// TestNearGate_KnowsNumbersByTheirOwnWords: more rules than there are bits, each with a word and a reach of its own, some with
// letters before the first digit.
func TestNearGate_KnowsNumbersByTheirOwnWords(t *testing.T) {
	var rows []Pattern
	word := func(i int) string { return "quark" + string(rune('a'+i%26)) + string(rune('p'+i/26)) }
	for i := range 80 {
		rows = append(rows, Pattern{
			Regex:   fmt.Sprintf(`\b%s\d{%d}-\d{%d}\b`, []string{"", "[A-Z]{2}", "[A-Z]?", `(?:\d|[A-Z]{2}\d)`}[i%4], 3+i%5, 1+i%4),
			Context: &Context{Words: []string{word(i)}, Within: []int{5, 40, 400}[i%3]},
		})
	}
	s := scannerOf(t, rows)
	if n := len(s.digits.near.rules); n != len(rows) || len(s.digits.unions) > 0 {
		t.Fatalf("%d rules are known by their words, and %d unions", n, len(s.digits.unions))
	}
	g := newGenerator(17)
	var f Scratch
	found := 0
	for range 400 {
		var b strings.Builder
		for range g.IntN(30) {
			switch i := g.IntN(len(rows)); g.IntN(4) {
			case 0:
				b.WriteString(word(i) + " ")
			case 1:
				b.WriteString(strings.Repeat("x ", g.IntN(90)))
			default:
				b.WriteString(g.pick("", "AB", "C") + strings.Repeat("7", 3+i%5) + "-" + strings.Repeat("1", 1+i%4) + g.pick(" ", ", ", word(i)+" "))
			}
		}
		if d := s.difference(b.String(), &f, nil); d != "" {
			t.Fatal(d)
		}
		found += len(f.found)
	}
	if found < 50 {
		t.Errorf("%d found: the texts are too tame", found)
	}
}

// TestNearGate_AsksNoRuleAboutNumbersNearTheWordsOfAnother.
func TestNearGate_AsksNoRuleAboutNumbersNearTheWordsOfAnother(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `\b\d{3,4}\b`, Context: &Context{Words: []string{"security code"}, Within: 20}},
		{Regex: `\b\d{8,17}\b`, Context: &Context{Words: []string{"account"}, Within: 20}},
	})
	var f Scratch
	text := strings.Repeat("account 123 ", 300) + strings.Repeat("x", 500) + "security code 456"
	for _, text := range []string{strings.Repeat("security code: 1234, account ", 150), text} { // what is known of a text is not of the next
		f.begin(s, text)
		s.gates(&f, text)
	}
	if got := f.candidatesOf(0); len(got) != 1 || text[got[0].from:] != "456" {
		t.Errorf("the rule of three digits is tried at %v", got)
	}
	if f.last[1].epoch == f.epoch {
		t.Error("a rule of eight digits is tried at numbers of three")
	}
}
