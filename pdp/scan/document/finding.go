package document

import (
	"context"
	"errors"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Finding is something that was found in a document, and where: in JSON by pointer, in other text by line and column.
type Finding struct {
	Rule       string `json:"rule"`
	Category   string `json:"category"`
	Severity   string `json:"severity"`
	Confidence string `json:"confidence"`
	// Pointer is the RFC 6901 pointer to the value, `#key` after it if it is the name of a member, with `***` for names in
	// which something was found. Empty outside JSON.
	Pointer string `json:"pointer,omitempty"`
	// Line and Column count from 1, columns in characters. 0 in JSON, and where no place can be told.
	Line   int   `json:"line,omitempty"`
	Column int   `json:"column,omitempty"`
	Count  int64 `json:"count"`
}

// Report is what inspecting a document gave.
type Report struct {
	Findings []Finding
	// Bytes were read.
	Bytes int64
	// Incomplete is set if a budget ended the inspection of a part early, or there are more than MaxFindings: the document is
	// not clean then.
	Incomplete bool
}

// MaxFindings is how many are told of one document.
const MaxFindings = 10_000

// Options of a Scanner. The zero value is good.
type Options struct {
	// Suspicions adds what the statistical injection signal says of each paragraph of a text and each value of a JSON document.
	// It is made for what agents read; of source code it suspects far too much.
	Suspicions bool
	// Progress is told how many bytes of the document have been looked at, now and then.
	Progress func(bytes int64)
}

// ErrBinary says that a document holds no text.
var ErrBinary = errors.New("not a text")

// Scanner inspects documents with one pattern table. It is safe for concurrent use.
type Scanner struct {
	scanner *scan.Scanner
	rules   map[string]scan.Rule
	options Options
}

// New makes a scanner of documents.
func New(s *scan.Scanner, o Options) *Scanner {
	rules := map[string]scan.Rule{}
	for _, r := range s.Rules() {
		rules[r.ID] = r
	}
	return &Scanner{scanner: s, rules: rules, options: o}
}

func (s *Scanner) progress(bytes int64) {
	if s.options.Progress != nil {
		s.options.Progress(bytes)
	}
}

// add takes a finding in, if there is room.
func (r *Report) add(f Finding) {
	if len(r.Findings) >= MaxFindings {
		r.Incomplete = true
		return
	}
	r.Findings = append(r.Findings, f)
}

func told(f scan.Finding) Finding {
	return Finding{Rule: f.Rule, Category: f.Category, Severity: f.Severity, Confidence: f.Confidence, Pointer: f.Pointer, Count: f.Count}
}

func (s *Scanner) finding(rule string) Finding {
	r := s.rules[rule]
	return Finding{Rule: r.ID, Category: r.Category, Severity: r.Severity, Confidence: r.Confidence, Count: 1}
}

// look is one inspection of a few texts.
func (s *Scanner) look(ctx context.Context, texts []scan.Text, into *Report) []scan.Finding {
	result := s.scanner.Scan(ctx, texts, nil, scan.Budget{})
	into.Incomplete = into.Incomplete || result.Incomplete
	return result.Findings
}
