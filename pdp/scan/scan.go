package scan

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Result is what an inspection found, and how far it came.
type Result struct {
	Findings []Finding // sorted by pointer, then rule; never nil
	// Incomplete is set if a budget or the deadline ended the inspection early. The text is not clean then,
	// whatever the findings say.
	Incomplete bool
	// Undecoded is set if encoded text was left that no budget was there for; each such text has a finding.
	Undecoded bool
	// BytesScanned is the size of all views, the work of the inspection.
	BytesScanned int64
}

// Scan looks for every rule in every view of the texts. fingerprint turns the text of a match into its keyed
// fingerprint; without one (nil) findings have none. The context's deadline is looked at between any two runs
// of a pattern; once it is over the result holds what was found until then and is incomplete.
func (s *Scanner) Scan(ctx context.Context, texts []Text, fingerprint func(text string) string, b Budget) Result {
	b = b.withDefaults()
	v := viewers.Get().(*viewer)
	defer v.free()
	v.build(texts, b)
	t := tally{v: v, s: s}
	s.search(ctx, &t)

	r := Result{Findings: []Finding{}, Incomplete: v.incomplete || t.incomplete, Undecoded: len(v.undecoded) > 0, BytesScanned: int64(v.bytes)}
	trace := tracer{v: v}
	var disguises []string
	for _, p := range t.sorted() {
		c, rule := t.places[p], s.rules[p.rule]
		print := ""
		if fingerprint != nil {
			print = fingerprint(identity(strings.Clone(v.views[c.firstAt].text[c.first.from:c.first.to]), rule.checkedBy))
		}
		r.add(finding(rule.Rule, p.pointer, c.most, print), b)
		if rule.Category != "evasion" && !slices.Contains(disguises, p.pointer) && trace.disguised(c.firstAt, c.first) {
			disguises = append(disguises, p.pointer)
		}
	}
	// Last, so that many of them can't take the room of what was really found.
	for _, pointer := range disguises {
		r.add(finding(disguised, pointer, 1, ""), b)
	}
	for _, leaf := range v.undecoded {
		r.add(finding(undecoded, texts[leaf].Pointer, 1, ""), b)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Rule, b.Rule))
	})
	return r
}

// search takes every match in every view.
func (s *Scanner) search(ctx context.Context, t *tally) {
	for i := range t.v.inOrder {
		found, complete := s.findIn(ctx, t.v, i)
		t.incomplete = t.incomplete || !complete
		t.view = i
		for _, m := range found {
			t.take(m)
		}
	}
	t.split()
}

func (r *Result) add(f Finding, b Budget) {
	if len(r.Findings) >= b.MaxFindings {
		r.Incomplete = true
		return
	}
	r.Findings = append(r.Findings, f)
}

func finding(r Rule, pointer string, count int64, fingerprint string) Finding {
	return Finding{
		Rule: r.ID, Category: r.Category, Severity: r.Severity, Confidence: r.Confidence,
		Pointer: pointer, Count: count, Fingerprint: fingerprint,
	}
}
