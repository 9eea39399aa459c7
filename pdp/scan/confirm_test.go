package scan

import (
	"fmt"
	"testing"
)

// TestConfirmed_RegexpHasTheLastWord: a rule whose automaton is wrong once is regexp's from then on, in all texts.
func TestConfirmed_RegexpHasTheLastWord(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `tok_[a-z]{3,5}`}, {Regex: `key_[a-z]{3}`}})
	// Right for words of three letters only, and not for all of them.
	s.rules[0].dfa = scannerOf(t, []Pattern{{Regex: `tok_[a-m]{3}`}}).rules[0].dfa
	var f Scratch
	find := func(text, want string) {
		t.Helper()
		found, complete := s.Find(t.Context(), text, &f)
		if got := fmt.Sprint(found); got != want || !complete {
			t.Errorf("%q: %s, complete %t, want %s", text, got, complete, want)
		}
	}
	find("tok_abc key_abc", "[{0 0 7} {1 8 15}]")
	if s.rules[0].confirm.refuted.Load() {
		t.Error("refuted too early")
	}
	find("tok_abc tok_abcde key_abc", "[{0 0 7} {0 8 17} {1 18 25}]")
	if !s.rules[0].confirm.refuted.Load() || s.rules[1].confirm.refuted.Load() {
		t.Error("the rule must be refuted, and it alone")
	}
	// Regexp is not asked about each match any more, but has found them all.
	s.rules[0].confirm.matches.Store(confirmFirst)
	find("tok_abcd tok_abcd", "[{0 0 8} {0 9 17}]")
	find("tok_xyz", "[{0 0 7}]")
	stream := s.Stream()
	stream.Write(t.Context(), "a tok_abcd and more")
	if _, complete := stream.Close(t.Context()); complete {
		t.Error("a stream with such a rule is complete")
	}
}

// TestConfirmer_AsksAboutSome of the matches of a rule, and about the first of them.
func TestConfirmer_AsksAboutSome(t *testing.T) {
	c := newConfirmer(`a`)
	due := 0
	for i := range confirmFirst + 10*confirmEvery {
		if c.due() {
			due++
		} else if i < confirmFirst {
			t.Fatalf("match %d is not confirmed", i)
		}
	}
	if due != confirmFirst+10 {
		t.Errorf("%d were confirmed", due)
	}
}
