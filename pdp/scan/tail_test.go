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

// TestTails_EndAtWhatIsNotASCII, with a no where the pattern wants nothing of the kind.
func TestTails_EndAtWhatIsNotASCII(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		fits       bool
	}{
		{`zqxjkv[a-z]*xy?`, "zqxjkvé", false},
		{`zqxjkv[a-z]*xy?`, "zqxjkv\xff", false},
		{`zqxjkv[a-z]*[é-ÿ]y?`, "zqxjkv中", true},
		{`zqxjkv[a-z]*[^x]y?`, "zqxjkv\xff", true},
		{`zqxjkv[a-z]*.y?`, "zqxjkvé", true},
		{`zqxjkv(?s:.)y?`, "zqxjkvé", true},
		{`zqxjkv[a-z]*éy?`, "zqxjkvé", true},
		{`zqxjkv[a-z]*\x{fffd}y?`, "zqxjkv\x80", true},
		{`zqxjkv\b[a-z]?`, "zqxjkvé", true},
		{`zqxjkv(?i:b)y?`, "zqxjkvſ", false},
		{`zqxjkv(?i:s)y?`, "zqxjkvſ", true},
		{`zqxjkv(?i:k)y?`, "zqxjkvK", true},
		{`zqxjkv(?i:[k-l])y?`, "zqxjkvK", true},
	} {
		s := scannerOf(t, []Pattern{{Regex: c.expr}})
		if kindsOf(s.rules[0])[0] != planGrams.String() || s.grams.probes[0].tail == noTail {
			t.Fatalf("%s is found by %v", c.expr, kindsOf(s.rules[0]))
		}
		var f Scratch
		if f.begin(s, c.text); s.grams.tails.fits(&f, s.grams, c.text, 0, 0, false) != c.fits {
			t.Errorf("%s in %q: %t", c.expr, c.text, !c.fits)
		}
		if d := s.difference(c.text+"xy", &f, nil); d != "" {
			t.Error(d)
		}
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

// TestThreat_E1_PrefixesAreWalkedBackThroughOnce: a word behind a prefix without bound, or with a wide one, would cost its
// square if each of many were walked back from.
func TestThreat_E1_PrefixesAreWalkedBackThroughOnce(t *testing.T) {
	for _, expr := range []string{`[a-z ]*magicword x`, `q[a-z ]{0,1000}magicword x`} {
		s := scannerOf(t, []Pattern{{Regex: expr}})
		if len(s.rules) != 1 || kindsOf(s.rules[0])[0] != planGrams.String() || s.rules[0].plans[0].most < 1000 {
			t.Fatalf("%s is not found by what stands behind its prefix", expr)
		}
		text := strings.Repeat("magicword x ", 20_000)
		var f Scratch
		f.begin(s, text)
		s.gates(&f, text)
		if spent := stepsAlways + stepsPerByte*len(text) - f.budget; spent > 8*len(text) {
			t.Errorf("%s: %d steps for %d bytes", expr, spent, len(text))
		}
	}
}

// TestWalks_GiveWhatWalkingBackWouldGive compares the places that are remembered with those that are not, for places that
// come a few bytes out of order.
func TestWalks_GiveWhatWalkingBackWouldGive(t *testing.T) {
	var prefix byteset
	prefix.add('a', 'z')
	g := newGenerator(11)
	for range 20_000 {
		text := strings.Repeat(g.pick("abc", "abcdefgh", "a.", "abc.abcdefghijklmnopq"), 1+g.IntN(12))
		most := g.pick("a", "abcdef", text)
		w, budget := walks{}, 0
		for at := g.IntN(6); at <= len(text); at += g.IntN(10) {
			start := max(at-g.IntN(24), 0)
			stop := max(start-len(most), 0)
			want := start
			for want > stop && prefix.has(text[want-1]) {
				want--
			}
			if got := w.back(&prefix, text, start, stop, &budget); got != want {
				t.Fatalf("%q from %d to %d: %d, want %d", text, start, stop, got, want)
			}
		}
	}
}

// mail has many places open before what it is found by.
const mail = `[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}[A-Za-z]{2,24}\b`

// TestThreat_E1_NoPlaceIsTriedBeforeATailThatEndsFarBehind: each of them would cost as much as the tail is long.
func TestThreat_E1_NoPlaceIsTriedBeforeATailThatEndsFarBehind(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: mail}})
	label := func(n int) string { return strings.Repeat("a", n) }
	for _, domain := range []string{
		label(64), label(300), label(64) + ".com", label(63) + "." + label(64), strings.Repeat(label(62)+".", 5) + label(64), "b." + label(25) + " ",
		"b." + label(63) + "_", strings.Repeat("b.", 6) + label(25), strings.Repeat(label(62)+".", 6) + "c ",
	} {
		text := strings.Repeat(label(80)+"@"+domain, 100)
		var f Scratch
		f.begin(s, text)
		if s.gates(&f, text); len(f.candidates) > 0 {
			t.Errorf("%d places to try before @%s", len(f.candidates), domain)
		}
		if spent := stepsAlways + stepsPerByte*len(text) - f.budget; spent > 3*len(text) {
			t.Errorf("%d steps for %d bytes before @%s", spent, len(text), domain)
		}
	}
}

// TestTails_LongOnesRefuseNoMatch: each length of a name and its parts about those that a pattern has, and what ends it.
func TestTails_LongOnesRefuseNoMatch(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: mail}})
	g := newGenerator(12)
	lengths := []int{1, 2, 23, 24, 25, 61, 62, 63, 64, 65}
	length := func() int { return lengths[g.IntN(len(lengths))] }
	var f Scratch
	found := 0
	for range 2000 {
		var b strings.Builder
		for range 1 + g.IntN(3) {
			b.WriteString(strings.Repeat(g.pick("a", "a.", "é"), length()) + "@")
			for range 1 + g.IntN(7) {
				b.WriteString(strings.Repeat(g.pick("a", "a", "a", "a-"), length()) + g.pick(".", ".", ".", ".", ".", "", "é", "_"))
			}
			b.WriteString(strings.Repeat("b", length()) + g.pick("", " ", "é", ".", "_", "@"))
		}
		if d := s.difference(b.String(), &f, nil); d != "" {
			t.Fatal(d)
		}
		found += len(f.found)
	}
	if found < 200 {
		t.Errorf("%d matches: the texts are too tame", found)
	}
}

// TestTails_InGapsAreLeftToTheAutomaton: there each of many would be followed through all that the others were.
func TestTails_InGapsAreLeftToTheAutomaton(t *testing.T) {
	for expr, want := range map[string]int32{
		mail: maxWideTail, `q[a-z ]{0,31}magicword[0-9]{9}x`: maxTail, `q[a-z ]{0,32}magicword[0-9]{9}x`: maxWideTail,
		`q[a-z ]{0,32}magicword[^\n]{0,99}x`: maxTail,
	} {
		s := scannerOf(t, []Pattern{{Regex: expr}})
		if got := s.grams.tails.followed[0]; got != want {
			t.Errorf("%s: followed for %d bytes, want %d", expr, got, want)
		}
	}
}

// TestTails_ThatGoOnWithoutEndAreGivenUpSoon: one begins at each word of this text, and each would go on to its end.
func TestTails_ThatGoOnWithoutEndAreGivenUpSoon(t *testing.T) {
	text := strings.Repeat("magicword ", 1<<20/10)
	for _, expr := range []string{`q[a-z ]{0,40}magicword[a-z ]*9`, `q[a-z ]{0,40}magicword[a-z ]{0,400}9`, `q[a-z ]{0,40}magicword(?:[a-z]+ )*9`} {
		s := scannerOf(t, []Pattern{{Regex: expr}})
		if found, complete := s.Find(t.Context(), text, new(Scratch)); len(found) > 0 || !complete {
			t.Errorf("%s: %v, complete: %t", expr, found, complete)
		}
	}
}
