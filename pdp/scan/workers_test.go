package scan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// ForgetPlans makes what follows find its plans itself.
func ForgetPlans() {
	planned.mu.Lock()
	defer planned.mu.Unlock()
	clear(planned.plans)
}

// SameHowever compiles a table with one worker, with several, with its rows in another order and with all plans known, and
// says what differs between the scanners.
func SameHowever(patterns []Pattern) string {
	build := func(rows []Pattern, workers int) *Scanner {
		s, err := compile(rows, workers)
		if err != nil {
			panic(err)
		}
		return s
	}
	ForgetPlans()
	one := build(patterns, 1)
	if d := one.differs(build(patterns, 1)); d != "" {
		return "with plans that are known: " + d
	}
	for _, workers := range []int{2, 3, maxWorkers} {
		ForgetPlans()
		if d := one.differs(build(patterns, workers)); d != "" {
			return fmt.Sprintf("with %d workers: %s", workers, d)
		}
	}
	shuffled := slices.Clone(patterns)
	rand.New(rand.NewPCG(5, 15)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] }) // #nosec G404 -- a case that can be repeated
	ForgetPlans()
	if d := one.differs(build(shuffled, 2)); d != "" {
		return "with its rows in another order: " + d
	}
	return ""
}

// differs says where two scanners of the same table are not the same: in their plans, or in what any gate looks for.
func (s *Scanner) differs(o *Scanner) string {
	if len(s.rules) != len(o.rules) {
		return "the number of rules"
	}
	for i, c := range s.rules {
		d := o.rules[i]
		if c.Rule != d.Rule || c.re.String() != d.re.String() || c.first != d.first || c.watch != d.watch || c.dfa.salt != d.dfa.salt {
			return c.ID
		}
		if !slices.EqualFunc(c.plans, d.plans, plan.equal) || !slices.EqualFunc(c.watched, d.watched, plan.equal) {
			return "the plans of " + c.ID
		}
		if !reflect.DeepEqual(c.dfa.insts, d.dfa.insts) || !reflect.DeepEqual(c.dfa.accepts, d.dfa.accepts) {
			return "the automaton of " + c.ID
		}
	}
	for name, same := range map[string]bool{
		"the bitmap":               *s.grams.bitmap == *o.grams.bitmap,
		"the buckets":              *s.grams.buckets == *o.grams.buckets,
		"the grams":                slices.Equal(s.grams.slots, o.grams.slots),
		"the probes":               reflect.DeepEqual(s.grams.probes, o.grams.probes),
		"the sets":                 slices.Equal(s.grams.sets, o.grams.sets),
		"the lead bytes":           reflect.DeepEqual(s.leads, o.leads),
		"the rare byte":            slices.Equal(s.bytes.probes, o.bytes.probes),
		"the runs":                 reflect.DeepEqual(s.runs, o.runs),
		"the digits":               s.digits.shapes == o.digits.shapes && s.digits.of == o.digits.of && reflect.DeepEqual(s.digits.near, o.digits.near),
		"what is tried everywhere": slices.Equal(s.everywhere, o.everywhere),
	} {
		if !same {
			return name
		}
	}
	return ""
}

func (p plan) equal(o plan) bool {
	if len(p.nodes) != len(o.nodes) {
		return false
	}
	for i := range p.nodes {
		if !p.nodes[i].Equal(o.nodes[i]) {
			return false
		}
	}
	p.nodes, o.nodes = nil, nil
	return reflect.DeepEqual(p, o)
}

// TestCompile_ErrorsComeInTheOrderOfTheTable: whichever worker is first.
func TestCompile_ErrorsComeInTheOrderOfTheTable(t *testing.T) {
	var table []Pattern
	for i := range 200 {
		p := pack()[0]
		p.ID = fmt.Sprintf("credential.kind-%d", i/2) // each twice
		switch i % 3 {
		case 0:
			p.Regex = "(?=a)"
		case 1:
			p.Category = "x"
		}
		table = append(table, p)
	}
	listed := func(workers int) string {
		_, err := compile(table, workers)
		e, ok := errors.AsType[*TableError](err)
		if !ok {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, row := range e.Rows {
			fmt.Fprintln(&b, row, row.Other)
		}
		return b.String()
	}
	want := listed(1)
	if !strings.Contains(want, "already used by patterns[198]") {
		t.Error("the second row of an id is not told of the first")
	}
	for _, workers := range []int{2, 3, maxWorkers, 1000} {
		if got := listed(workers); got != want {
			t.Errorf("%d workers:\n%s\none:\n%s", workers, got, want)
		}
	}
}

// TestPlanned_ArePlansOfOneTable: however often a table is edited, no more is held than the last one needs.
func TestPlanned_ArePlansOfOneTable(t *testing.T) {
	known := func(rows []Pattern) (n int) {
		planned.mu.Lock()
		defer planned.mu.Unlock()
		for _, p := range rows {
			if _, there := planned.plans[p.Regex]; there {
				n++
			}
		}
		return n
	}
	table := pack()
	mustCompile(t, table)
	edited := slices.Clone(table)
	for i := range edited {
		edited[i].Regex += "(?:)"
	}
	edited[0].Category = "x"
	if _, err := Compile(edited); err == nil || known(table) != len(table) || known(edited) != len(table) {
		t.Errorf("after a table that is refused %d and %d plans are known, want %d of each", known(table), known(edited), len(table))
	}
	edited[0].Category = table[0].Category
	mustCompile(t, edited)
	if known(table) != 0 || known(edited) != len(table) {
		t.Errorf("%d plans of the table before are known, %d of %d", known(table), known(edited), len(table))
	}
}

// TestPlanner_ForgetsWithoutChangingItsMind fills a planner with more sets than it remembers.
func TestPlanner_ForgetsWithoutChangingItsMind(t *testing.T) {
	const expr = `\bghp_[A-Z][a-f]{6}(?:é|ß)x|(?i)api.key\s=`
	plans := func(pl *planner) []plan {
		tree, reason, detail := parseRegex(expr)
		if reason != "" {
			t.Fatal(detail)
		}
		plans, _ := pl.planFor(tree)
		return plans
	}
	pl := newPlanner()
	want := plans(pl)
	g := newGenerator(3)
	for len(pl.sets) <= maxSets {
		pl.id(byteset{g.Uint64(), g.Uint64()})
	}
	if got := plans(pl); !slices.EqualFunc(got, want, plan.equal) || len(want) == 0 {
		t.Errorf("%v, want %v", got, want)
	}
	if len(pl.sets) > maxSets {
		t.Error("nothing was forgotten")
	}
}

// TestThreat_E1_APlannerHoldsOnePlaceOfAPatternAtATime: a pattern at the limit of its length has a thousand places from which
// it goes on in a hundred ways.
func TestThreat_E1_APlannerHoldsOnePlaceOfAPatternAtATime(t *testing.T) {
	expr := strings.Repeat(`[a-h]?(?:xy|z)`, maxRegexBytes/14)
	tree, reason, detail := parseRegex(expr)
	if reason != "" {
		t.Fatal(detail)
	}
	pl := newPlanner()
	pl.planFor(tree)
	held := 0
	for _, chunk := range pl.bytes.full {
		held += 8 * len(chunk)
	}
	for _, chunk := range pl.conts.full {
		held += 32 * len(chunk)
	}
	if held > 8<<20 {
		t.Errorf("%d bytes", held)
	}
}
