package scan

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// maxMatches bounds the matches of one rule in one view. Counts above it mean nothing more to anyone.
const maxMatches = 10_000

// maxComparisons bounds the comparing of matches in the concatenation with matches elsewhere.
const maxComparisons = 100_000

// Result is what an inspection found, and how far it came.
type Result struct {
	Findings []Finding // sorted by pointer, then rule; never nil
	// Views are what was looked at. They hold text: for policy evaluation only, never for a log.
	Views []View
	// Incomplete is set if a budget or the deadline ended the inspection early. The text is not clean then,
	// whatever the findings say.
	Incomplete bool
	// Undecoded is set if encoded text was left that no budget was there for; each such text has a finding.
	Undecoded bool
	// BytesScanned is the size of all views, the work of the inspection.
	BytesScanned int64
}

// place is where a finding is counted.
type place struct {
	count int64
	first string
}

// Scan looks for every rule in every view of the texts. fingerprint turns the text of a match into its keyed
// fingerprint; without one (nil) findings have none. The context's deadline is looked at between any two runs
// of a pattern; once it is over the result holds what was found until then and is incomplete.
func (s *Scanner) Scan(ctx context.Context, texts []Text, fingerprint func(text string) string, b Budget) Result {
	b = b.withDefaults()
	v := buildViews(texts, b)
	r := Result{
		Findings:     []Finding{},
		Views:        v.views,
		Incomplete:   v.incomplete,
		Undecoded:    len(v.undecoded) > 0,
		BytesScanned: int64(v.bytes),
	}
	lower := make([]string, len(v.views))
	for i := range v.views {
		lower[i] = strings.ToLower(v.views[i].Text)
	}
	for _, c := range s.rules {
		places, complete := c.run(ctx, v.views, lower)
		r.Incomplete = r.Incomplete || !complete
		for _, pointer := range pointers(places) {
			p, print := places[pointer], ""
			if fingerprint != nil {
				print = fingerprint(identity(p.first, c.checkedBy))
			}
			r.add(finding(c.Rule, pointer, p.count, print), b)
		}
		if ctx.Err() != nil && !complete {
			break
		}
	}
	// Last, so that many of them can't take the room of what was really found.
	for _, pointer := range v.undecoded {
		r.add(finding(undecoded, pointer, 1, ""), b)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Rule, b.Rule))
	})
	return r
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

// run looks for one rule in all views. It says whether it came to the end.
func (c *compiled) run(ctx context.Context, views []View, lower []string) (places map[string]place, complete bool) {
	complete = true
	var all map[string]bool // what was found elsewhere, to compare the concatenation with
	var concat View
	var strung []string
	for i, view := range views {
		if ctx.Err() != nil {
			return places, false
		}
		// Strung together, any few identifiers make a long random-looking word, and any few numbers a longer
		// one: only a rule that a keyword anchors says something there.
		if view.Chain == chainConcat && len(c.keywords) == 0 {
			continue
		}
		found, whole := c.matches(view.Text, lower[i])
		complete = complete && whole
		switch {
		case len(found) == 0:
			continue
		case view.Chain == chainConcat:
			concat, strung = view, found
			continue
		}
		if all == nil {
			all = make(map[string]bool)
		}
		for _, m := range found {
			all[m] = true
		}
		places = record(places, view.Pointer, found)
	}
	if len(strung)*len(all) > maxComparisons {
		return places, false
	}
	if split := newIn(strung, all); len(split) > 0 {
		places = record(places, concat.Pointer, split)
	}
	return places, complete
}

// mayMatch says whether a keyword of the rule occurs, or whether the rule needs none.
func (c *compiled) mayMatch(lower string) bool {
	return len(c.keywords) == 0 ||
		slices.ContainsFunc(c.keywords, func(k string) bool { return strings.Contains(lower, k) })
}

// matches gives what the rule finds in one text, in order, and whether that is all.
func (c *compiled) matches(text, lower string) (found []string, complete bool) {
	if !c.mayMatch(lower) {
		return nil, true
	}
	all := c.re.FindAllStringIndex(text, maxMatches+1)
	for _, m := range all[:min(len(all), maxMatches)] {
		if c.filter.accepts(text, m[0], m[1]) {
			found = append(found, text[m[0]:m[1]])
		}
	}
	return found, len(all) <= maxMatches
}

// pointers are sorted, so that what a full budget leaves out is always the same.
func pointers(places map[string]place) []string {
	if len(places) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(places))
}

func record(places map[string]place, pointer string, found []string) map[string]place {
	if places == nil {
		places = make(map[string]place)
	}
	p, seen := places[pointer]
	if !seen {
		p.first = found[0]
	}
	p.count = max(p.count, int64(len(found)))
	places[pointer] = p
	return places
}

// newIn gives the matches of the concatenation that no text has by itself. One that contains another match, or
// lies within one, is the same thing with its neighbours: without this every address followed by a subject
// would be found again.
func newIn(strung []string, all map[string]bool) []string {
	return slices.DeleteFunc(strung, func(m string) bool {
		for other := range all {
			if strings.Contains(m, other) || strings.Contains(other, m) {
				return true
			}
		}
		return false
	})
}
