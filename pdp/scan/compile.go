package scan

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// Scanner holds a compiled pattern table. It is immutable, so any number of goroutines may share it, and any number of
// policy snapshots with the same patterns.
type Scanner struct {
	rules []*compiled // strongest first

	grams      *gramGate
	digits     *digitGate
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
	rough   *automaton // see roughOf
	plans   []plan
	first   byteset // the bytes that a match may begin with
	only    int     // that byte, if there is just one, else -1
	opening *opening
	longest int // that a match can be, in bytes; unbounded or more if there is no longest
	// characters is the same in characters.
	characters int
	confirm    *confirmer
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
// scanner then, because a rule that was left out silently would make a text look clean. It works on all processors but
// one, which is left to whoever is served meanwhile, and the outcome does not depend on how many those are.
func Compile(patterns []Pattern) (*Scanner, error) {
	return compile(patterns, min(max(runtime.GOMAXPROCS(0)-1, 1), maxWorkers))
}

// maxWorkers bounds what a load holds at a time: each worker has a planner.
const maxWorkers = 8

func compile(patterns []Pattern, workers int) (*Scanner, error) {
	rows, err := compileRows(patterns, workers)
	if err != nil {
		return nil, err
	}
	planned.keep(patterns)
	rules := make([]*compiled, len(rows))
	for i := range rows {
		rules[i] = rows[i].c
	}
	slices.SortFunc(rules, func(a, b *compiled) int { return strongestFirst(a.Rule, b.Rule) })
	s := newScanner(rules, &statePool{})
	for _, c := range rules {
		c.prog = nil // the automata have made it their own
	}
	return s, nil
}

// compileRows compiles each row by itself.
func compileRows(patterns []Pattern, workers int) ([]row, error) {
	if n := len(patterns); n == 0 || n > maxPatterns {
		whole := row{index: -1}
		if n == 0 {
			whole.refuse("", ReasonNoPatterns, "no pattern: everything would look clean")
		} else {
			whole.refuse("", ReasonTooManyPatterns, "%d patterns, at most %d", n, maxPatterns)
		}
		return nil, &TableError{Rows: whole.bad}
	}
	rows := make([]row, len(patterns))
	firsts := make(map[string]int, len(patterns))
	for i, p := range patterns {
		rows[i] = row{index: i, first: i, pattern: &patterns[i], c: &compiled{}}
		if first, used := firsts[p.ID]; used {
			rows[i].first = first
		} else if isID(p.ID) && !BuiltIn(p.ID) {
			firsts[p.ID] = i
		}
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, len(rows)) {
		all.Go(func() {
			planner := newPlanner()
			for i := next.Add(1) - 1; i < int64(len(rows)); i = next.Add(1) - 1 {
				rows[i].compile(planner)
			}
		})
	}
	all.Wait()
	var bad []*RowError
	for i := range rows {
		bad = append(bad, rows[i].bad...)
	}
	if len(bad) > 0 {
		return nil, &TableError{Rows: bad}
	}
	return rows, nil
}

// newScanner builds the gates for rules that have plans.
func newScanner(rules []*compiled, pool *statePool) *Scanner {
	s := &Scanner{rules: rules, pool: pool}
	b := &gateBuilder{planner: newPlanner(), gate: gramGate{bitmap: new([bitmapWords]uint64), buckets: new([buckets + 1]gramBucket)}, setIndex: make(map[byteset]uint32)}
	for i, c := range rules {
		pool.register(c.dfa)
		if c.rough != nil {
			pool.register(c.rough)
		}
		if l := c.filter.allow; l != nil && l.dfa != nil {
			pool.register(l.dfa)
		}
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
	s.leads.finish()
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

// row is one of a table, under way: nothing else of the table has to do with it but which row has its id first.
type row struct {
	index   int // in the table, or -1 for the table as a whole
	first   int // the row that has the id first
	pattern *Pattern
	c       *compiled
	bad     []*RowError
}

func (r *row) refuse(field string, reason Reason, format string, args ...any) {
	id := ""
	if r.pattern != nil {
		id = r.pattern.ID
	}
	if len(id) > 64 {
		id = strings.ToValidUTF8(id[:64], "") + "…"
	}
	r.bad = append(r.bad, &RowError{Row: r.index, ID: id, Field: field, Reason: reason, Detail: fmt.Sprintf(format, args...), Other: -1})
}

// compile checks the row, all of it, so that an author sees every mistake at once.
func (r *row) compile(planner *planner) {
	p, c := r.pattern, r.c
	switch {
	case !isID(p.ID):
		r.refuse("id", ReasonBadID, "lower-case letters, digits and single . _ - between them, at most 64")
	case r.first != r.index:
		r.refuse("id", ReasonDuplicateID, "already used by patterns[%d]", r.first)
		r.bad[len(r.bad)-1].Other = r.first
	case BuiltIn(p.ID):
		r.refuse("id", ReasonDuplicateID, "reserved for the scanner's own finding")
	}
	oneOf := func(field, value string, allowed []string, reason Reason) {
		if !slices.Contains(allowed, value) {
			r.refuse(field, reason, "%s is none of: %s", clip(value), strings.Join(allowed, ", "))
		}
	}
	oneOf("category", p.Category, categories, ReasonUnknownCategory)
	oneOf("severity", p.Severity, severities, ReasonUnknownSeverity)
	oneOf("confidence", p.Confidence, confidences, ReasonUnknownConfidence)

	c.Rule = Rule{ID: p.ID, Category: p.Category, Severity: p.Severity, Confidence: p.Confidence, Description: p.Description}
	c.keywords, c.checkedBy = slices.Clone(p.Keywords), p.Validator
	c.filter.minMilli = p.MinEntropyMilli
	if v, ok := validators[p.Validator]; ok {
		c.filter.validator, c.filter.validatorCost = v, validatorCost(p.Validator)
	} else {
		r.refuse("validator", ReasonUnknownValidator, "%s is none of: %s", clip(p.Validator), strings.Join(validatorNames(), ", "))
	}
	switch wants := p.Validator == "entropy"; {
	case wants && (p.MinEntropyMilli <= 0 || p.MinEntropyMilli > maxEntropyMilli):
		r.refuse("min_entropy_milli", ReasonBadThreshold, "the entropy validator needs 1 to %d", maxEntropyMilli)
	case !wants && p.MinEntropyMilli != 0:
		r.refuse("min_entropy_milli", ReasonBadThreshold, "only the entropy validator reads it")
	}

	if reason, detail := c.setRegex(*p, planner); reason != "" {
		r.refuse("regex", reason, "%s", detail)
	}
	c.setFilter(*p, r.refuse)
	c.watched = planner.watchFor(c)
	r.checkKeywords()
	for _, e := range []struct {
		name  string
		texts []string
	}{{"examples.match", p.Examples.Match}, {"examples.no_match", p.Examples.NoMatch}} {
		if len(e.texts) < minExamples {
			r.refuse(e.name, ReasonTooFewExamples, "%d, at least %d", len(e.texts), minExamples)
		}
	}
	if len(r.bad) == 0 {
		r.tryExamples()
	}
}

func (r *row) checkKeywords() {
	if n := len(r.pattern.Keywords); n > maxKeywords {
		r.refuse("keywords", ReasonBadKeyword, "%d keywords, at most %d", n, maxKeywords)
	}
	for i, k := range r.pattern.Keywords {
		if !isKeyword(k) {
			r.refuse("keywords", ReasonBadKeyword, "keywords[%d] is empty, long, not ASCII or not lower-case", i)
		}
	}
}

// tryExamples runs a sound row on its own examples, as they stand: views are the scanner's, not the row's.
func (r *row) tryExamples() {
	try := func(field string, texts []string, want bool, complaint string) {
		for i, text := range texts {
			if len(text) > maxExampleBytes {
				r.refuse(field, ReasonExampleFails, "%s[%d] is longer than %d bytes", field, i, maxExampleBytes)
				continue
			}
			if found, _ := r.c.matches(text, strings.ToLower(text)); (len(found) > 0) != want {
				r.refuse(field, ReasonExampleFails, "%s[%d] %s", field, i, complaint)
			}
		}
	}
	try("examples.match", r.pattern.Examples.Match, true, "is not found (keywords, regex, validator, context and allowlist must all agree)")
	try("examples.no_match", r.pattern.Examples.NoMatch, false, "is found")
}

func isID(id string) bool { return len(id) <= 64 && idShape.MatchString(id) }

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
