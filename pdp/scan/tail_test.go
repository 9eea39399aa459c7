package scan

import (
	"strings"
	"testing"
)

// TestThreat_E2_TailsStartAfreshWhenTheyAreFull fills the table with states, again and again, and holds the engine to regexp
// all the while.
func TestThreat_E2_TailsStartAfreshWhenTheyAreFull(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `key[ab]{0,60}x[ab]{3,70}y|key[ab]*a[ab]{12}z`}})
	g := newGenerator(6)
	var f Scratch
	tables := make(map[*tailTable]bool)
	for range 300 {
		var b strings.Builder
		for range 40 {
			b.WriteString(g.pick("key", "a", "b", "ab", "aab", "x", "y", "z", "baab"))
		}
		if d := s.difference(b.String(), &f, nil); d != "" {
			t.Fatal(d)
		}
		table := s.grams.tails.table.Load()
		if n := table.used.Load(); n > table.most || int(table.most) > maxTailStates || len(table.threads) != int(n) {
			t.Fatalf("%d states, %d with threads, at most %d", n, len(table.threads), table.most)
		}
		tables[table] = true
	}
	if len(tables) < 2 {
		t.Error("the table was never full: the test is too tame")
	}
}

// TestTails_KnowNothingOfWhatIsNotASCII: what they can't tell is for the pattern's own automaton.
func TestTails_KnowNothingOfWhatIsNotASCII(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `secret[é-ÿ]x`}, {Regex: `(?i)passkey\b.`}, {Regex: `(?m)^token$`}})
	var f Scratch
	for _, text := range []string{"secretéx", "a secretÿx", "secret", "PASSſKEY", "passKey é", "paſſkeyé", "token", "a\ntoken\né", "étoken"} {
		if d := s.difference(text, &f, nil); d != "" {
			t.Error(d)
		}
	}
}
