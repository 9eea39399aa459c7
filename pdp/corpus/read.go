package corpus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a file may hold.
const (
	maxLineBytes = 4 << 20
	maxFileBytes = 256 << 20
	maxRows      = 200_000
	maxRefused   = 1_000 // rows that are refused one by one; beyond it the file is no corpus
)

// Kind is the shape of a corpus.
type Kind string

// The corpora that are agent traffic.
const (
	AgentDojo  Kind = "agentdojo"
	InjecAgent Kind = "injecagent"
	RealCalls  Kind = "injecagent-realcalls"
	ASB        Kind = "asb"
	Tau2       Kind = "tau2"
	texts      Kind = "texts"
)

// signatures are the fields by which a row is recognised, looked for in this order.
var signatures = []struct {
	kind   Kind
	fields []string
}{
	{AgentDojo, []string{"suite", "kind", "calls"}},
	{InjecAgent, []string{"user_tool", "attacker_tools"}},
	{RealCalls, []string{"user_tool", "tool", "arguments"}},
	{ASB, []string{"agent", "tool", "attack"}},
	{Tau2, []string{"domain", "reason", "calls"}},
	{texts, []string{"label", "text"}},
}

// Errors about a file as a whole.
var (
	// ErrEmpty is a file without a row.
	ErrEmpty = errors.New("holds no row")
	// ErrNotTraffic is a corpus of texts: there is no action in it to decide about.
	ErrNotTraffic = errors.New("holds labelled texts, which are not agent traffic: there is no call to play; `portcullis scan` looks at texts")
	// ErrUnknown is a file whose rows are none of the known corpora.
	ErrUnknown = errors.New("is none of the known corpora (agentdojo, injecagent, injecagent-realcalls, asb, tau2)")
	// ErrTooLarge is a file beyond the bounds.
	ErrTooLarge = errors.New("is too large")
	// ErrRefused is a file without one usable row, or with too many that are not.
	ErrRefused = errors.New("has too many malformed rows")
)

// RowError is one row that can't be played.
type RowError struct {
	File string
	Line int // from 1
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

// Corpus is one file, read. It is not changed afterwards.
type Corpus struct {
	Name string
	Kind Kind
	// Refused are the rows that were left out, in order.
	Refused []*RowError
	// tasks are what a user or an attacker wants done: one a row.
	tasks []task
}

// Read reads a whole file. Malformed rows are left out and listed in Refused; an error is about the file.
func Read(name string, r io.Reader) (*Corpus, error) {
	c := &Corpus{Name: name}
	rows, err := c.rows(r)
	if err == nil {
		err = c.build(rows)
	}
	if err != nil {
		return nil, errors.Join(append([]error{fmt.Errorf("%s %w", name, err)}, c.firstRefused(3)...)...)
	}
	return c, nil
}

func (c *Corpus) firstRefused(n int) []error {
	var out []error
	for _, e := range c.Refused[:min(n, len(c.Refused))] {
		out = append(out, e)
	}
	return out
}

func (c *Corpus) refuse(line int, err error) error {
	c.Refused = append(c.Refused, &RowError{File: c.Name, Line: line, Err: err})
	if len(c.Refused) > maxRefused {
		return ErrRefused
	}
	return nil
}

// row is one line, its fields not yet looked at.
type row struct {
	line   int
	fields fields
}

// rows splits the file into JSON objects.
func (c *Corpus) rows(r io.Reader) ([]row, error) {
	limited := &io.LimitedReader{R: r, N: maxFileBytes + 1}
	in := bufio.NewReaderSize(limited, 64<<10)
	var out []row
	for line := 1; ; line++ {
		raw, tooLong, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		if limited.N <= 0 || len(out) > maxRows {
			return nil, fmt.Errorf("%w: at most %d bytes and %d rows", ErrTooLarge, maxFileBytes, maxRows)
		}
		last := errors.Is(err, io.EOF)
		raw = bytes.TrimSpace(raw)
		switch {
		case tooLong:
			if err := c.refuse(line, fmt.Errorf("row is longer than %d bytes", maxLineBytes)); err != nil {
				return nil, err
			}
		case len(raw) > 0:
			found, err := parseRow(raw)
			if err == nil {
				out = append(out, row{line, found})
			} else if err := c.refuse(line, err); err != nil {
				return nil, err
			}
		}
		if last {
			break
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(c.Refused) > 0:
		return nil, ErrRefused
	default:
		return nil, ErrEmpty
	}
}

// readLine returns one line without holding more of it than may be used.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLineBytes {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

func parseRow(raw []byte) (fields, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("row is not UTF-8")
	}
	var out fields
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("row is not a JSON object: %w", err)
	}
	if out == nil {
		return nil, errors.New("row is not a JSON object")
	}
	return out, nil
}

func (f fields) hasAll(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { _, ok := f[name]; return !ok })
}

// recognise says what the file is by the first row that is of a known shape.
func recognise(rows []row) (Kind, error) {
	for _, r := range rows {
		for _, s := range signatures {
			if !r.fields.hasAll(s.fields) {
				continue
			}
			if s.kind == texts {
				return "", ErrNotTraffic
			}
			return s.kind, nil
		}
	}
	names := slices.Sorted(maps.Keys(rows[0].fields))
	return "", fmt.Errorf("%w: line %d has the fields %.200q", ErrUnknown, rows[0].line, strings.Join(names, ", "))
}

// build turns rows into tasks.
func (c *Corpus) build(rows []row) error {
	var err error
	if c.Kind, err = recognise(rows); err != nil {
		return err
	}
	for _, r := range rows {
		t, err := r.fields.task(c.Kind)
		if err != nil {
			if err := c.refuse(r.line, err); err != nil {
				return err
			}
			continue
		}
		t.line = r.line
		c.tasks = append(c.tasks, t)
	}
	if len(c.tasks) == 0 {
		return ErrRefused
	}
	slices.SortStableFunc(c.Refused, func(a, b *RowError) int { return a.Line - b.Line })
	return nil
}
