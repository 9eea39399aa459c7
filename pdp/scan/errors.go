package scan

import (
	"fmt"
	"strings"
)

// Reason is a stable name for what is wrong with a row.
type Reason string

// The reasons for which Compile refuses a table.
const (
	ReasonNoPatterns        Reason = "NO_PATTERNS"
	ReasonTooManyPatterns   Reason = "TOO_MANY_PATTERNS"
	ReasonBadID             Reason = "BAD_ID"
	ReasonDuplicateID       Reason = "DUPLICATE_ID"
	ReasonUnknownCategory   Reason = "UNKNOWN_CATEGORY"
	ReasonUnknownSeverity   Reason = "UNKNOWN_SEVERITY"
	ReasonUnknownConfidence Reason = "UNKNOWN_CONFIDENCE"
	ReasonUnknownValidator  Reason = "UNKNOWN_VALIDATOR"
	ReasonBadThreshold      Reason = "BAD_THRESHOLD"
	ReasonBadRegex          Reason = "BAD_REGEX"
	ReasonNotRE2            Reason = "NOT_RE2"
	ReasonMatchesEmpty      Reason = "MATCHES_EMPTY"
	ReasonWordInClass       Reason = "WORD_IN_CLASS"
	ReasonNoPlan            Reason = "NO_PLAN"
	ReasonBadKeyword        Reason = "BAD_KEYWORD"
	ReasonBadContext        Reason = "BAD_CONTEXT"
	ReasonBadAllow          Reason = "BAD_ALLOW"
	ReasonBadSource         Reason = "BAD_SOURCE"
	ReasonTooFewExamples    Reason = "TOO_FEW_EXAMPLES"
	ReasonExampleFails      Reason = "EXAMPLE_FAILS"
	ReasonUnreadable        Reason = "UNREADABLE" // a field of another name or type; for who reads the table
)

// RowError is one thing that is wrong with one row. It quotes the table's regex where that helps, and never
// an example.
type RowError struct {
	Row    int    // index in the table, or -1 for the table as a whole
	ID     string // as the row has it, cut to a sane length
	Field  string
	Reason Reason
	Detail string
	// Where says in which file and line it stands, if who read the table knows. Compile leaves it empty.
	Where string
	Other int // of ReasonDuplicateID: the row that has the id already, or -1
}

func (e *RowError) Error() string {
	if e.Row < 0 {
		return "patterns: " + e.Detail
	}
	if e.Where != "" {
		return fmt.Sprintf("%s: pattern %q: %s: %s", e.Where, e.ID, e.Field, e.Detail)
	}
	return fmt.Sprintf("patterns[%d] %q: %s: %s", e.Row, e.ID, e.Field, e.Detail)
}

// TableError holds everything that is wrong with a table.
type TableError struct{ Rows []*RowError }

const shownRows = 50

func (e *TableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pattern table refused, %d problem(s)", len(e.Rows))
	for i, row := range e.Rows {
		if i == shownRows {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Rows)-i)
			break
		}
		b.WriteString("\n  " + row.Error())
	}
	return b.String()
}

// Unwrap gives the rows to errors.Is and errors.AsType.
func (e *TableError) Unwrap() []error {
	errs := make([]error, len(e.Rows))
	for i, row := range e.Rows {
		errs[i] = row
	}
	return errs
}
