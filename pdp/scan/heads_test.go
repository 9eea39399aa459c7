package scan

import (
	"slices"
	"strings"
	"testing"
)

// TestLeads_FindACharacterWhereverItStands among ASCII, which is passed by many bytes at a time.
func TestLeads_FindACharacterWhereverItStands(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `[\x{200b}\x{200e}]`}, {Regex: `[é-ü]x`}})
	var f Scratch
	for at := range 200 {
		for _, char := range []string{"\u200b", "\u200e", "éx", "üy", "\xe2\x80", "—"} {
			for _, behind := range []int{0, 1, 9, 70} {
				text := strings.Repeat("a", at) + char + strings.Repeat("b", behind)
				if d := s.difference(text, &f, nil); d != "" {
					t.Fatal(d)
				}
			}
		}
	}
}

// TestLeads_AreTriedByWhatStandsBehindThem: each byte behind a pair has the routes that it may be of, and no others.
func TestLeads_AreTriedByWhatStandsBehindThem(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `[\x{200b}-\x{200f}]`}, {Regex: `[\x{2014}\x{200e}]x`}, {Regex: `[é-ü][0-9]x`}, {Regex: `ÿ[a-f]+`}, {Regex: `[\x{E0020}-\x{E007F}]{2,}`},
	})
	g := &s.leads
	tried := func(pair uint16, third byte, probe int32) bool {
		e := &g.entries[g.pairs[pair]-1]
		return slices.ContainsFunc(e.lists[e.by[third]], func(r leadEntry) bool { return r.probe == probe })
	}
	routes := 0
	for i, c := range s.rules {
		for j := range c.plans {
			for _, r := range c.plans[j].routes {
				if c.plans[j].kind != planLead {
					t.Fatalf("%v is found by %v", c.re, c.plans[j].kind)
				}
				for probe := range s.grams.probes {
					if p := &s.grams.probes[probe]; p.rule != int32(i) || !slices.EqualFunc(p.sets, r.sets, func(id uint32, set byteset) bool { return s.grams.sets[id] == set }) {
						continue
					}
					routes++
					for third := range 256 {
						want := r.even+2 >= len(r.sets) || r.sets[r.even+2].has(byte(third))
						pair := pairOf(r.sets[r.even].least(), r.sets[r.even+1].least())
						if tried(pair, byte(third), int32(probe)) != want {
							t.Fatalf("%v: tried before %#x: %t", c.re, third, !want)
						}
					}
				}
			}
		}
	}
	if routes < len(s.rules) {
		t.Errorf("%d routes: the patterns are too tame", routes)
	}
}
