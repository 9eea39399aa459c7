package scan_test

import (
	"math/rand/v2"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// TestProve_I11_ShippedPatternsFindWhatRegexpFinds plants what the shipped patterns look for, whole and damaged, and looks for
// it in each way.
func TestProve_I11_ShippedPatternsFindWhatRegexpFinds(t *testing.T) {
	s := engine()
	trees := scan.Trees(s)
	rnd := rand.New(rand.NewPCG(4, 15)) // #nosec G404 -- cases that can be repeated
	defer scan.TakeBest()
	var f scan.Scratch
	found := 0
	cases := scan.Proof(40_000, 4_000_000)
	for i := range cases {
		scan.TakeWay(i)
		d, n := scan.Planted(s, trees, rnd, &f)
		if d != "" {
			t.Fatalf("case %d: %s", i, d)
		}
		found += n
	}
	if found < cases/4 {
		t.Errorf("%d matches in %d cases: the texts are too tame", found, cases)
	}
}

// TestProve_I11_AssemblyFindsWhatGoFinds in the most hostile of texts, wherever they end.
func TestProve_I11_AssemblyFindsWhatGoFinds(t *testing.T) {
	s := engine()
	trees := scan.Trees(s)
	rnd := rand.New(rand.NewPCG(6, 15)) // #nosec G404 -- cases that can be repeated
	var f scan.Scratch
	found := 0
	cases := scan.Proof(20_000, 4_000_000)
	for i := range cases {
		d, n := scan.AllWays(s, trees, rnd, i, &f)
		if d != "" {
			t.Fatalf("case %d: %s", i, d)
		}
		found += n
	}
	if found < cases/4 {
		t.Errorf("%d matches in %d cases: the texts are too tame", found, cases)
	}
}

// TestProve_I11_AnInspectionFindsWhatFindDoesWithShippedPatterns in each of its views.
func TestProve_I11_AnInspectionFindsWhatFindDoesWithShippedPatterns(t *testing.T) {
	s := engine()
	trees := scan.Trees(s)
	rnd := rand.New(rand.NewPCG(8, 15)) // #nosec G404 -- cases that can be repeated
	defer scan.TakeBest()
	var f scan.Scratch
	found := 0
	cases := scan.Proof(4_000, 400_000)
	for i := range cases {
		scan.TakeWay(i)
		d, n := scan.UnlikeFind(s, trees, rnd, &f)
		if d != "" {
			t.Fatalf("case %d: %s", i, d)
		}
		found += n
	}
	if found < cases {
		t.Errorf("%d matches in %d cases: the texts are too tame", found, cases)
	}
}

// TestCompile_IsTheSameHoweverItIsDone: plans and gates depend on the table alone.
func TestCompile_IsTheSameHoweverItIsDone(t *testing.T) {
	if d := scan.SameHowever(shipped()); d != "" {
		t.Error(d)
	}
}
