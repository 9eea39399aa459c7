package scan

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// TestProperty_AKeywordIsThereIfLowerCaseHasIt compares with what keywords mean.
func TestProperty_AKeywordIsThereIfLowerCaseHasIt(t *testing.T) {
	parts := rapid.SampledFrom([]string{"k", "K", kelvin, "i", "I", dottedI, "s", "ſ", "a", "e", "E", "_", "-", "x", "\xe2", "\x84", "\xc4", "\xb0", "é", "中", " "})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(parts, 0, 40).Draw(t, "text"), "")
		word := rapid.StringMatching(`[aeiksx_-]{1,4}`).Draw(t, "word")
		if got, want := containsFolded(text, word), strings.Contains(strings.ToLower(text), word); got != want {
			t.Fatalf("%t, want %t", got, want)
		}
		if got := string(lowered(nil, text)); got != strings.ToLower(text) {
			t.Fatalf("lowered %q, want %q", got, strings.ToLower(text))
		}
	})
}

func TestContainsFolded_KnowsAllThatTurnsIntoASCII(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if l := unicode.ToLower(r); l < 0x80 && string(r) != kelvin && string(r) != dottedI {
			t.Errorf("%U turns into %c", r, l)
		}
	}
}

func TestKeywords_TakeNoMemory(t *testing.T) {
	c := &compiled{keywords: []string{"missing", "bank"}}
	text := strings.Repeat("Nothing of that kind is in here, é. ", 1000)
	var f Scratch
	if n := testing.AllocsPerRun(10, func() {
		if f.keywords(c, text, 0, 10) != keywordsMissing {
			t.Fatal("found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFilter_AContextWordIsAWordByItself(t *testing.T) {
	f := filter{within: 10, words: []contextWord{{"pin", false}, {"kéy", false}, {"pass", true}}}
	f.heads = headsOf(f.words)
	for text, want := range map[string]bool{
		"PIN 1234": true, "spin 1234": false, "pins 1234": false, "é-pin 1234": true, "éPIN 1234": true, "1234 KÉY": true, "1234 \u212aéy": true,
		"passport 1234": true, "bypass 1234": false, "1234 pi": false, "1234 pin": true, "pin       1234": true, "pin        1234": false,
	} {
		at := strings.Index(text, "1234")
		if got := f.accepts(text, at, at+4, new([]byte)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestProperty_HasWordAsPlaceByPlace says whether a word stands at any.
func TestProperty_HasWordAsPlaceByPlace(t *testing.T) {
	words := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) contextWord {
		return contextWord{rapid.StringMatching(`[a-d#é]{1,3}|[a-c] [a-c]`).Draw(t, "word"), rapid.Bool().Draw(t, "prefix")}
	}), 1, maxContextWords)
	rapid.Check(t, func(t *rapid.T) {
		f := filter{words: words.Draw(t, "words")}
		f.heads = headsOf(f.words)
		text := rapid.StringMatching(`[a-eA-E_ #é1]{0,12}`).Draw(t, "text")
		want := false
		for at := range len(text) {
			for i := range f.words {
				want = want || (at == 0 || !isAlnum(text[at-1])) && wordAt(&f.words[i], text[at:])
			}
		}
		if got := hasWord(&f, text); got != want {
			t.Fatalf("%t, want %t", got, want)
		}
		if got := hasWord(&f, []byte(text)); got != want {
			t.Fatalf("of bytes: %t, want %t", got, want)
		}
	})
}
