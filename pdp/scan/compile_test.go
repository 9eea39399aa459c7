package scan

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCompile_RefusesBadRows(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *Pattern)
		field  string
		reason Reason
	}{
		{"empty id", func(p *Pattern) { p.ID = "" }, "id", ReasonBadID},
		{"id with capitals", func(p *Pattern) { p.ID = "Aws" }, "id", ReasonBadID},
		{"id of the scanner", func(p *Pattern) { p.ID = RuleUndecoded }, "id", ReasonDuplicateID},
		{"duplicate id", func(p *Pattern) { p.ID = "personal.card" }, "id", ReasonDuplicateID},
		{"unknown category", func(p *Pattern) { p.Category = "secrets" }, "category", ReasonUnknownCategory},
		{"unknown severity", func(p *Pattern) { p.Severity = "HIGH" }, "severity", ReasonUnknownSeverity},
		{"unknown confidence", func(p *Pattern) { p.Confidence = "" }, "confidence", ReasonUnknownConfidence},
		{"unknown validator", func(p *Pattern) { p.Validator = "luhn10" }, "validator", ReasonUnknownValidator},
		{"entropy without threshold", func(p *Pattern) { p.Validator = "entropy" }, "min_entropy_milli", ReasonBadThreshold},
		{"threshold without entropy", func(p *Pattern) { p.MinEntropyMilli = 3000 }, "min_entropy_milli", ReasonBadThreshold},
		{"no regex", func(p *Pattern) { p.Regex = "" }, "regex", ReasonBadRegex},
		{"broken regex", func(p *Pattern) { p.Regex = "(a" }, "regex", ReasonBadRegex},
		{"huge regex", func(p *Pattern) { p.Regex = strings.Repeat("a", 5000) }, "regex", ReasonBadRegex},
		{"program too large", func(p *Pattern) { p.Regex = `((a{100}){100}){100}` }, "regex", ReasonBadRegex},
		{"star", func(p *Pattern) { p.Regex = "a*" }, "regex", ReasonMatchesEmpty},
		{"an empty branch", func(p *Pattern) { p.Regex = "abc|" }, "regex", ReasonMatchesEmpty},
		{"only an assertion", func(p *Pattern) { p.Regex = `\b(?:x{0,3})` }, "regex", ReasonMatchesEmpty},
		{"upper-case keyword", func(p *Pattern) { p.Keywords = []string{"AKIA"} }, "keywords", ReasonBadKeyword},
		{"keyword not ASCII", func(p *Pattern) { p.Keywords = []string{"clé"} }, "keywords", ReasonBadKeyword},
		{"empty keyword", func(p *Pattern) { p.Keywords = []string{""} }, "keywords", ReasonBadKeyword},
		{"two matches", func(p *Pattern) { p.Examples.Match = p.Examples.Match[:2] }, "examples.match", ReasonTooFewExamples},
		{"two misses", func(p *Pattern) { p.Examples.NoMatch = p.Examples.NoMatch[:2] }, "examples.no_match", ReasonTooFewExamples},
		{"match that is none", func(p *Pattern) { p.Examples.Match[1] = "nothing" }, "examples.match", ReasonExampleFails},
		{"keyword that hides a match", func(p *Pattern) { p.Keywords = []string{"elsewhere"} }, "examples.match", ReasonExampleFails},
		{"miss that is a match", func(p *Pattern) { p.Examples.NoMatch[2] = canary }, "examples.no_match", ReasonExampleFails},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := pack()
			row := table[0]
			tt.change(&row)
			_, err := Compile(append(table[1:], row))
			e, ok := errors.AsType[*TableError](err)
			if !ok || len(e.Rows) == 0 {
				t.Fatalf("got %v, want a TableError", err)
			}
			got := e.Rows[0]
			if got.Row != len(table)-1 || got.Field != tt.field || got.Reason != tt.reason {
				t.Errorf("got row %d, %s, %s; want row %d, %s, %s", got.Row, got.Field, got.Reason, len(table)-1, tt.field, tt.reason)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the error quotes an example")
			}
		})
	}
}

func TestCompile_ListsEveryBadRow(t *testing.T) {
	table := pack()
	table[0].Category = "x"
	table[0].Severity = "y"
	table[3].Regex = "(?=a)"
	_, err := Compile(table)
	e, ok := errors.AsType[*TableError](err)
	if !ok {
		t.Fatal(err)
	}
	var got []string
	for _, row := range e.Rows {
		got = append(got, row.ID+" "+row.Field)
	}
	want := []string{"credential.test-token category", "credential.test-token severity", "personal.ssn regex"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(err.Error(), `patterns[3] "personal.ssn": regex: a look-ahead is PCRE`) {
		t.Errorf("the message does not lead to the row: %v", err)
	}
	if row, ok := errors.AsType[*RowError](err); !ok || row != e.Rows[0] {
		t.Errorf("the rows are not in the error's chain: %v", row)
	}
}

func TestCompile_RefusesTablesThatFindNothing(t *testing.T) {
	for name, table := range map[string][]Pattern{"none": nil, "too many": make([]Pattern, maxPatterns+1)} {
		if _, err := Compile(table); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestThreat_E1_PCREOnlySyntaxIsRefusedByName(t *testing.T) {
	tests := map[string]string{
		`foo(?=bar)`: "a look-ahead", `foo(?!bar)`: "a negative look-ahead",
		`(?<=foo)bar`: "a look-behind", `(?<!foo)bar`: "a negative look-behind",
		`(a)\1`: "a back-reference", `(?P<x>a)(?P=x)`: "a back-reference", `(?<x>a)\k<x>`: "a back-reference",
		`a++b`: "a possessive quantifier", `a{1,3}+`: "a possessive quantifier", `(?>a+)b`: "an atomic group",
		`(?#note)a`: "a comment group", `(a)?(?(1)b|c)`: "a conditional", `a(?R)?b`: "a recursion",
		`a\Z`: `the escape \Z`, `a\Kb`: `the escape \K`, `\Ga`: `the escape \G`,
	}
	for expr, want := range tests {
		_, reason, detail := parseRegex(expr)
		if reason != ReasonNotRE2 || !strings.HasPrefix(detail, want) {
			t.Errorf("%s: got %s, %q; want %q", expr, reason, detail, want)
		}
	}
	for _, expr := range []string{`(?i)a+?b`, `(?P<n>a)`, `(?<n>a)`, `\p{Greek}`, `\x{200B}`, `\Qa+\E`} {
		if _, reason, detail := parseRegex(expr); reason != "" {
			t.Errorf("%s: refused: %s", expr, detail)
		}
	}
}

func TestRules_AreSortedAndComplete(t *testing.T) {
	rules := mustCompile(t, pack()).Rules()
	if len(rules) != len(pack())+2 {
		t.Errorf("%d rules", len(rules))
	}
	if !slices.IsSortedFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("not sorted")
	}
	if !slices.Contains(rules, undecoded) || !slices.Contains(rules, disguised) {
		t.Error("a built-in rule is missing")
	}
}
