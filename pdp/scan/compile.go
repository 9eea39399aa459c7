package scan

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// Bounds of a table. They are far above what a pack of patterns needs, and keep a hostile bundle from
// eating the machine at load.
const (
	maxPatterns     = 5000
	maxKeywords     = 64
	maxKeywordBytes = 128
	maxExampleBytes = 64 << 10
	minExamples     = 3
)

// Scanner holds a compiled pattern table. It is immutable, so any number of goroutines may share it; it
// belongs to one policy snapshot and goes with it.
type Scanner struct {
	rules []*compiled // strongest first

	grams      *gramGate
	digits     digitGate
	leads      leadGate
	bytes      byteGate
	runs       runGate
	everywhere []int32 // rules that are tried at every place
	watches    int     // numbered behind the rules
	pool       *statePool

	keywordOnce  sync.Once // for streams
	keywordIndex *keywordIndex
}

// compiled is one pattern, ready to run.
type compiled struct {
	Rule
	re      *regexp.Regexp
	prog    *syntax.Prog
	dfa     *automaton
	plans   []plan
	first   byteset // the bytes that a match may begin with
	only    int     // that byte, if there is just one, else -1
	confirm confirmer
	// watch is the watch without whose hit nothing of the rule can count: none of its keywords, or of its context's words,
	// is in the text. Negative if there is none.
	watch     int32
	watched   []plan
	keywords  []string
	filter    filter
	checkedBy string // the validator's name
}

var idShape = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// Compile checks and compiles a table. The error is a *TableError that names every bad row; there is no
// scanner then, because a rule that was left out silently would make a text look clean.
func Compile(patterns []Pattern) (*Scanner, error) {
	t := &table{seen: make(map[string]int, len(patterns)), pool: &statePool{}, planner: newPlanner()}
	switch n := len(patterns); {
	case n == 0:
		t.refuse(-1, "", "", ReasonNoPatterns, "no pattern: everything would look clean")
	case n > maxPatterns:
		t.refuse(-1, "", "", ReasonTooManyPatterns, fmt.Sprintf("%d patterns, at most %d", n, maxPatterns))
	default:
		for i, p := range patterns {
			t.add(i, p)
		}
	}
	if len(t.bad) > 0 {
		return nil, &TableError{Rows: t.bad}
	}
	slices.SortFunc(t.rules, func(a, b *compiled) int { return strongestFirst(a.Rule, b.Rule) })
	return newScanner(t.rules, t.pool), nil
}

// newScanner builds the gates for rules that have plans.
func newScanner(rules []*compiled, pool *statePool) *Scanner {
	s := &Scanner{rules: rules, pool: pool}
	b := &gateBuilder{planner: newPlanner(), gate: gramGate{bitmap: new([bitmapWords]uint64), buckets: new([buckets]gramBucket)}, setIndex: make(map[byteset]uint32)}
	for i, c := range rules {
		rule := int32(i)
		for j := range c.plans {
			switch p := &c.plans[j]; p.kind {
			case planGrams:
				b.addGrams(rule, p)
			case planLead:
				s.leads.add(b, rule, p)
			case planByte:
				s.bytes.add(b, rule, p)
			case planRun:
				s.runs.add(rule, p)
			case planEverywhere:
				s.everywhere = append(s.everywhere, rule)
			case planDigits: // see newDigitGate
			}
		}
		c.watch = -1
		if len(c.watched) > 0 {
			c.watch = int32(len(rules) + s.watches)
			s.watches++
			for j := range c.watched {
				b.addGrams(c.watch, &c.watched[j])
			}
		}
	}
	s.grams = b.finish()
	s.digits = newDigitGate(pool, rules)
	return s
}

// Rules lists what the scanner can find, by id, the built-in rules included.
func (s *Scanner) Rules() []Rule {
	rules := []Rule{undecoded, disguised}
	for _, c := range s.rules {
		rules = append(rules, c.Rule)
	}
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// table is a compilation under way.
type table struct {
	seen    map[string]int
	rules   []*compiled
	bad     []*RowError
	pool    *statePool
	planner *planner
}

func (t *table) refuse(row int, id, field string, reason Reason, detail string) {
	if len(id) > 64 {
		id = strings.ToValidUTF8(id[:64], "") + "…"
	}
	t.bad = append(t.bad, &RowError{Row: row, ID: id, Field: field, Reason: reason, Detail: detail, Other: -1})
}

// add checks one row, all of it, so that an author sees every mistake at once.
func (t *table) add(row int, p Pattern) {
	before := len(t.bad)
	bad := func(field string, reason Reason, format string, args ...any) {
		t.refuse(row, p.ID, field, reason, fmt.Sprintf(format, args...))
	}

	if len(p.ID) > 64 || !idShape.MatchString(p.ID) {
		bad("id", ReasonBadID, "lower-case letters, digits and single . _ - between them, at most 64")
	} else if first, dup := t.seen[p.ID]; dup {
		bad("id", ReasonDuplicateID, "already used by patterns[%d]", first)
		t.bad[len(t.bad)-1].Other = first
	} else if BuiltIn(p.ID) {
		bad("id", ReasonDuplicateID, "reserved for the scanner's own finding")
	} else {
		t.seen[p.ID] = row
	}
	oneOf := func(field, value string, allowed []string, reason Reason) {
		if !slices.Contains(allowed, value) {
			bad(field, reason, "%s is none of: %s", clip(value), strings.Join(allowed, ", "))
		}
	}
	oneOf("category", p.Category, categories, ReasonUnknownCategory)
	oneOf("severity", p.Severity, severities, ReasonUnknownSeverity)
	oneOf("confidence", p.Confidence, confidences, ReasonUnknownConfidence)

	c := &compiled{
		Rule:      Rule{ID: p.ID, Category: p.Category, Severity: p.Severity, Confidence: p.Confidence, Description: p.Description},
		keywords:  slices.Clone(p.Keywords),
		checkedBy: p.Validator,
		filter:    filter{minMilli: p.MinEntropyMilli},
	}
	if v, ok := validators[p.Validator]; ok {
		c.filter.validator = v
	} else {
		bad("validator", ReasonUnknownValidator, "%s is none of: %s", clip(p.Validator), strings.Join(validatorNames(), ", "))
	}
	switch wants := p.Validator == "entropy"; {
	case wants && (p.MinEntropyMilli <= 0 || p.MinEntropyMilli > maxEntropyMilli):
		bad("min_entropy_milli", ReasonBadThreshold, "the entropy validator needs 1 to %d", maxEntropyMilli)
	case !wants && p.MinEntropyMilli != 0:
		bad("min_entropy_milli", ReasonBadThreshold, "only the entropy validator reads it")
	}

	if reason, detail := c.setRegex(p, t.planner, t.pool); reason != "" {
		bad("regex", reason, "%s", detail)
	}
	c.setFilter(p, bad)
	c.watched = t.planner.watchFor(c)

	if len(p.Keywords) > maxKeywords {
		bad("keywords", ReasonBadKeyword, "%d keywords, at most %d", len(p.Keywords), maxKeywords)
	}
	for i, k := range p.Keywords {
		if !isKeyword(k) {
			bad("keywords", ReasonBadKeyword, "keywords[%d] is empty, long, not ASCII or not lower-case", i)
		}
	}
	for _, e := range []struct {
		name  string
		texts []string
	}{{"examples.match", p.Examples.Match}, {"examples.no_match", p.Examples.NoMatch}} {
		if len(e.texts) < minExamples {
			bad(e.name, ReasonTooFewExamples, "%d, at least %d", len(e.texts), minExamples)
		}
	}
	if len(t.bad) == before {
		t.tryExamples(p, c, bad)
	}
	t.rules = append(t.rules, c)
}

// tryExamples runs a sound row on its own examples, as they stand: views are the scanner's, not the row's.
func (t *table) tryExamples(p Pattern, c *compiled, bad func(string, Reason, string, ...any)) {
	try := func(field string, texts []string, want bool, complaint string) {
		for i, text := range texts {
			if len(text) > maxExampleBytes {
				bad(field, ReasonExampleFails, "%s[%d] is longer than %d bytes", field, i, maxExampleBytes)
				continue
			}
			if found, _ := c.matches(text, strings.ToLower(text)); (len(found) > 0) != want {
				bad(field, ReasonExampleFails, "%s[%d] %s", field, i, complaint)
			}
		}
	}
	try("examples.match", p.Examples.Match, true, "is not found (keywords, regex, validator, context and allowlist must all agree)")
	try("examples.no_match", p.Examples.NoMatch, false, "is found")
}

func isKeyword(k string) bool {
	if k == "" || len(k) > maxKeywordBytes {
		return false
	}
	return !strings.ContainsFunc(k, func(r rune) bool {
		return r < ' ' || r > '~' || (r >= 'A' && r <= 'Z')
	})
}

// clip quotes a value of the table for a message.
func clip(s string) string {
	if len(s) > 32 {
		s = strings.ToValidUTF8(s[:32], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
