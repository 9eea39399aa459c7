package scan

import (
	"strings"
	"testing"
)

// TestComposer_KnowsNoClusterForAnother: one composer for all texts gives what is worked out anew, wherever their clusters
// meet in its memory.
func TestComposer_KnowsNoClusterForAnother(t *testing.T) {
	g := newGenerator(31)
	starters := []rune("aeiouAEIOUzñあかｶﾊ한กक\u0627\u05d1\u1100\u00a0ﬁ①")
	marks := []rune{0x300, 0x301, 0x302, 0x307, 0x308, 0x323, 0x327, 0x338, 0x3099, 0xFF9E, 0x1161, 0x11A8, 0x64B, 0x651, 0x5B0, 0x93C, 0xE48, 0x200B, 0xFE0F, 0xAD}
	var w rewriting
	for round := range 3000 {
		var b strings.Builder
		if round < 3 { // they begin with the same eight bytes, and some of them are kept in the same place
			for mark := range rune(0x4F) {
				b.WriteString("e\u0301\u0327\u0316" + string(0x300+mark))
			}
		}
		for range g.IntN(12) {
			b.WriteRune(starters[g.IntN(len(starters))])
			for range g.IntN(4) {
				b.WriteRune(marks[g.IntN(len(marks))])
			}
		}
		text := b.String()
		w.start(text, false)
		if complete := w.normalise(100*len(text), anySteps()); !complete {
			t.Fatalf("%+q: incomplete", text)
		}
		got := text
		if w.any {
			got = w.text()
		}
		if want := plainly(text); got != want {
			t.Fatalf("%+q: got %+q, want %+q", text, got, want)
		}
	}
	if !w.composer.some {
		t.Error("it remembers nothing")
	}
	if w.composer.forget(); w.composer.known != [1 << knownBits]composed{} {
		t.Error("it did not forget")
	}
}

// TestComposer_RemembersNoPart of a normal form that there was no room or no step for.
func TestComposer_RemembersNoPart(t *testing.T) {
	const text = "x e\u0301\u0327\u0316"
	for _, bound := range []struct{ limit, steps int }{{2, 1000}, {1000, clusterSteps - 1}} {
		var w rewriting
		w.start(text, false)
		if steps := bound.steps; w.normalise(bound.limit, &steps) {
			t.Fatalf("complete within %+v", bound)
		}
		w.start(text, false)
		if complete := w.normalise(1000, anySteps()); !complete || w.text() != plainly(text) {
			t.Errorf("after %+v: %+q, complete %t", bound, w.to, complete)
		}
	}
}

// TestThreat_E1_MarksAreReadInStepsOfTheirTexts: a text of clusters that are all different is given up, one of the same few is
// not, and no step is left for the next text of the inspection where one took them all.
func TestThreat_E1_MarksAreReadInStepsOfTheirTexts(t *testing.T) {
	const size = 512 << 10
	g := newGenerator(7)
	var all, few strings.Builder
	for all.Len() < size {
		for range 5 {
			all.WriteRune(rune(0x300 + g.IntN(0x4F)))
		}
		all.WriteRune(rune('a' + g.IntN(26)))
	}
	for few.Len() < size {
		few.WriteString("e" + g.pick("\u0301", "\u0302\u0323", "\u031b\u0309", "\u0308") + g.pick("t", "n ", "ch "))
	}
	for _, tt := range []struct {
		text     string
		complete bool
	}{{all.String(), false}, {few.String(), true}} {
		v := &viewer{}
		v.build([]Text{{Pointer: "/a", Value: tt.text}}, Budget{}.withDefaults())
		if v.incomplete == tt.complete {
			t.Errorf("%.20q…: incomplete %t, %d steps left", tt.text, v.incomplete, v.steps)
		}
		if v.steps < -stepsAlways/10 {
			t.Errorf("%.20q…: the budget is overdrawn by %d steps", tt.text, -v.steps)
		}
	}
}

// TestComposer_GivesNothingOfOneTextToTheNext where the first was given up amidst a character that stands for several.
func TestComposer_GivesNothingOfOneTextToTheNext(t *testing.T) {
	const many = "\ufdfa" // eighteen letters
	for _, next := range []string{many, "e\u0301", "\u1100\u1161"} {
		c := new(composer)
		c.cluster(nil, many, 1, anySteps())
		if got, want := string(c.cluster(nil, next, 100, anySteps())), plainly(next); got != want {
			t.Errorf("%+q is read as %+q, want %+q", next, got, want)
		}
	}
}
