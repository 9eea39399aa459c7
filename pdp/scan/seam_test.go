package scan

import (
	"fmt"
	"strings"
	"testing"
)

func TestThreat_D7_AcrossASeamAtEveryOffset(t *testing.T) {
	s := mustCompile(t, without("credential.generic"))
	filler := strings.Repeat("lorem ipsum ", 40)
	for name, hide := range hidings() {
		written := "é " + hide(canary) + " é"
		for at := range len(written) + 1 {
			seam := Seam{filler + written[:at], written[at:] + filler}
			found, complete := s.Across(t.Context(), []Seam{seam}, keyed, Budget{})
			in := func(text string) bool {
				return counts(s.scanOne(strings.ToValidUTF8(text, "")))["credential.test-token@/a"] > 0
			}
			switch alone := in(seam.Before) || in(seam.After); {
			case len(found) == 1 && found[0].Rule == "credential.test-token" && found[0].Pointer == "" && found[0].Count == 1 && found[0].Fingerprint == keyed(canary):
			case len(found) == 0 && (alone || !in(seam.Before+seam.After)):
			default:
				t.Fatalf("%s, split at %d: %v, complete %t", name, at, found, complete)
			}
			if len(found) == 0 && at > 3 && at < len(written)-3 && name == "plain" {
				t.Fatalf("split at %d: not found", at)
			}
		}
	}
}

func TestThreat_D7_WhatOneSideHasIsNotFoundAcross(t *testing.T) {
	mail := without("credential.generic")[0]
	mail.ID, mail.Regex, mail.Keywords = "personal.mail", `[a-z.]+@[a-z.]+\.[A-Za-z]{2,}`, []string{"@"}
	mail.Examples.Match = []string{"ann@site.test", "<ann@site.test>", "mail ann@site.test"}
	s := mustCompile(t, append(without("credential.generic"), mail))
	for _, seam := range []Seam{
		{"ann@site.test", "Lunch"},
		{"to", "ann@site.test"},
		{canary, " and more"},
		{canary, canary},
		{"", canary},
		{canary, ""},
		{"", ""},
		{"4111 1111", " 1111 1111"},
		{"a4111", "111111111111"}, // no keyword
	} {
		if found, complete := s.Across(t.Context(), []Seam{seam}, keyed, Budget{}); len(found) > 0 || !complete {
			t.Errorf("%q then %q: %v", seam.Before, seam.After, found)
		}
	}
	// A keyword that any number has in it, or that stands elsewhere, holds nothing together.
	loose := without("credential.generic")[:1]
	loose[0].Regex, loose[0].Keywords = `\b00[A-Za-z0-9_]{30}`, []string{"00", "acme"}
	loose[0].Examples = Examples{Match: []string{"00" + canary[:30], "x 00" + canary[:30], "00" + canary[:30] + "."}, NoMatch: []string{"00", canary, "x"}}
	if found, _ := mustCompile(t, loose).Across(t.Context(), []Seam{{"acme 00" + canary[:9], canary[9:]}}, keyed, Budget{}); len(found) > 0 {
		t.Errorf("strung together by chance: %v", found)
	}
	twice := Seam{canary[:9], canary[9:]}
	if found, _ := s.Across(t.Context(), []Seam{twice, twice}, nil, Budget{}); len(found) != 1 || found[0].Count != 2 {
		t.Errorf("two seams: %v", found)
	}
	if printed := fmt.Sprintf("%v %+v %#v", twice, twice, []Seam{twice}); strings.Contains(printed, canary[:9]) {
		t.Error(printed)
	}
}
