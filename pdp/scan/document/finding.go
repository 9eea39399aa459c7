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
	// Incomplete is set if a budget ended the inspection of a part early: the document is not clean then.
	Incomplete bool
}

// ErrBinary says that a document holds no text.
var ErrBinary = errors.New("not a text")

// Scanner inspects documents with one pattern table. It is safe for concurrent use.
type Scanner struct {
	scanner *scan.Scanner
	rules   map[string]scan.Rule
}

// New makes a scanner of documents.
func New(s *scan.Scanner) *Scanner {
	rules := map[string]scan.Rule{}
	for _, r := range s.Rules() {
		rules[r.ID] = r
	}
	return &Scanner{scanner: s, rules: rules}
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
