package scan

import (
	"strings"
	"testing"
)

// TestOpening_TellsPlacesFromBegins gives places of texts where a match may begin, as far as a few bytes tell, and others.
func TestOpening_TellsPlacesFromBegins(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `(?i)\b(?:server|uid) ?=[^;\n]{1,100};password=[a-z]{3,}`}})
	c := s.rules[0]
	if c.opening == nil {
		t.Fatal("the rule leaves so few places open that it has none")
	}
	for _, at := range []struct {
		text  string
		place int
		may   bool
	}{
		{" server", 1, true},
		{".UID =", 1, true},
		{"éuid =", 2, true},
		{"éſerver", 2, true},
		{"aſerver", 1, true}, // to \b a long s is no word character
		{"aserver", 1, false},
		{"_uid= ", 1, false},
		{" used ", 1, false},
		{" sorver", 1, false},
		{" uid-=", 1, false},
		{"uid=", 0, true}, // nothing is known of what stands before
		{" uid", 1, true}, // nor of what comes behind
		{"xuid", 1, true}, // so nobody looks
		{" uid=x", 2, false},
	} {
		if got := c.opening.next(at.text, at.place, at.place+1) == at.place; got != at.may {
			t.Errorf("%q at %d: %t", at.text, at.place, got)
		}
	}
}

// TestOpening_FindsTheFirstPlace of some, from any place on and up to any other.
func TestOpening_FindsTheFirstPlace(t *testing.T) {
	o := scannerOf(t, []Pattern{{Regex: `(?i)\b(?:server|uid) ?=[^;\n]{1,100};password=[a-z]{3,}`}}).rules[0].opening
	may := func(text string, p int) bool { // each by itself, as far as there is anything to tell
		if p == 0 || p+openingBytes > len(text) {
			return true
		}
		before := o[text[p-1]]&1 != 0 || o[text[p]]>>openingWide&1 != 0
		for i := range openingBytes {
			before = before && o[text[p+i]]>>(1+i)&1 != 0
		}
		return before
	}
	g := newGenerator(77)
	for range 3000 {
		var b strings.Builder
		for range g.IntN(12) {
			b.WriteString(g.pick(" ", "server", "SER", "uid", "u", "=", "é", "\u017f", "\xff", "_", "serve", "i"))
		}
		text := b.String()
		from := g.IntN(len(text) + 1)
		to := from + g.IntN(len(text)-from+1)
		want := from
		for want < to && !may(text, want) {
			want++
		}
		if got := o.next(text, from, to); got != want {
			t.Fatalf("%q from %d to %d: %d, want %d", text, from, to, got, want)
		}
	}
}

// TestKeywords_AreSeenNearAMatchAndFarFromIt, at its ends and at those of the text.
func TestKeywords_AreSeenNearAMatchAndFarFromIt(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `\b\d{4}-\d{5}\b`, Keywords: []string{"bank"}}})
	g := newGenerator(3)
	var f Scratch
	for range 300 {
		filler := func() string { return pad(g.IntN(2 * keywordNear)) }
		text := filler() + g.pick("", "bank", "Ban\u212a", "ban") + filler() + " 1234-56789 " + filler() + g.pick("", "BANK", "ban") + filler()
		if d := s.difference(text, &f, nil); d != "" {
			t.Fatal(d)
		}
	}
}

func pad(n int) string { return strings.Repeat(" ", n) }
