// Package toolrole says what a tool is, and which of its arguments decide who is affected: its sinks. It goes by the table
// `sinks` where somebody wrote a row for the tool, and by names where nobody did, so that a toolkit which nobody has heard
// of is judged too. What the names do not tell is taken for the worse: a tool that is not known to read writes, and of one
// that writes without an argument that is known for a sink, every argument that is not named as content is one.
//
// It knows nothing of sessions. pdp/policy reads the table, pdp/decision asks.
package toolrole

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Table is the table `sinks`.
type Table struct {
	// Sinks are words in names of arguments whose value decides who or what is affected.
	Sinks []string `json:"sinks"`
	// Addresses are words in names of arguments that hold an address to fetch from: a tool that only reads carries data out
	// through it.
	Addresses []string `json:"addresses"`
	// Contents are words that, at the end of a name, say that it holds content and no sink.
	Contents []string `json:"contents"`
	// Reads and Writes are words in names of tools.
	Reads  []string `json:"reads"`
	Writes []string `json:"writes"`
	// Tools are rows for tools whose names mislead. They win over names.
	Tools []Row `json:"tools"`
}

// Row is what somebody knows of one tool.
type Row struct {
	Tool   string   `json:"tool"`
	Writes *bool    `json:"writes"` // required
	Sinks  []string `json:"sinks"`  // names of arguments; left out: by their names
}

// Validate refuses rows that say nothing, or twice.
func (t *Table) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, r := range t.Tools {
		switch {
		case r.Tool == "":
			errs = append(errs, errors.New("tables/sinks: a row of tools has no tool"))
		case seen[r.Tool]:
			errs = append(errs, fmt.Errorf("tables/sinks: %s stands there twice", r.Tool))
		case r.Writes == nil:
			errs = append(errs, fmt.Errorf("tables/sinks: %s: writes must be given", r.Tool))
		}
		seen[r.Tool] = true
	}
	for name, list := range map[string][]string{"sinks": t.Sinks, "addresses": t.Addresses, "contents": t.Contents, "reads": t.Reads, "writes": t.Writes} {
		for _, w := range list {
			if w == "" || w != strings.ToLower(w) || len(nameWords(w)) != 1 {
				errs = append(errs, fmt.Errorf("tables/sinks: %s: %q is not one word in lower case", name, w))
			}
		}
	}
	return errors.Join(errs...)
}

// Lexicon is the table, ready to be asked. Nil knows nothing, which is the strictest. It does not change.
type Lexicon struct {
	sinks, addresses, contents, reads, writes map[string]bool

	tools map[string]Row
}

// Compile makes a lexicon of a valid table.
func Compile(t Table) *Lexicon {
	l := &Lexicon{sinks: set(t.Sinks), addresses: set(t.Addresses), contents: set(t.Contents), reads: set(t.Reads), writes: set(t.Writes), tools: map[string]Row{}}
	for _, r := range t.Tools {
		l.tools[r.Tool] = r
	}
	return l
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, w := range list {
		m[w] = true
	}
	return m
}

// Where a role is from.
const (
	FromTable = "table"
	FromName  = "name"
)

// Role is what a tool does.
type Role struct {
	Writes bool
	Source string
}

// Role says what a tool does.
func (l *Lexicon) Role(tool string) Role {
	if l == nil {
		return Role{Writes: true, Source: FromName}
	}
	if r, ok := l.tools[tool]; ok && r.Writes != nil {
		return Role{Writes: *r.Writes, Source: FromTable}
	}
	reads := false
	for _, w := range nameWords(tool) {
		if l.writes[w] {
			return Role{Writes: true, Source: FromName}
		}
		reads = reads || l.reads[w]
	}
	return Role{Writes: !reads, Source: FromName}
}

// Argument is one value, under the nearest name above it.
type Argument struct {
	Name string
	Text string // empty values decide nothing
	// Address is true of a value that is one by its shape: a URL, an e-mail address, an account number.
	Address bool
}

// Sinks says for each argument of a call whether it is a sink.
func (l *Lexicon) Sinks(tool string, arguments []Argument) []bool {
	out := make([]bool, len(arguments))
	any := false
	for i, a := range arguments {
		out[i] = a.Text != "" && l.sink(tool, a)
		any = any || out[i]
	}
	if any || !l.Role(tool).Writes || l.listed(tool) {
		return out
	}
	for i, a := range arguments {
		out[i] = a.Text != "" && !l.content(a.Name)
	}
	return out
}

// listed says whether a row names the sinks of the tool, be it none.
func (l *Lexicon) listed(tool string) bool { return l != nil && l.tools[tool].Sinks != nil }

func (l *Lexicon) sink(tool string, a Argument) bool {
	if l == nil {
		return true
	}
	if l.listed(tool) {
		return slices.Contains(l.tools[tool].Sinks, a.Name)
	}
	if a.Address {
		return true
	}
	words := nameWords(a.Name)
	if len(words) == 0 {
		return false
	}
	if l.sinks[words[len(words)-1]] {
		return true
	}
	return !l.content(a.Name) && slices.ContainsFunc(words, func(w string) bool { return l.sinks[w] })
}

// content says whether an argument is named for what it says, and so not for whom it affects.
func (l *Lexicon) content(name string) bool {
	words := nameWords(name)
	return l != nil && len(words) > 0 && l.contents[words[len(words)-1]]
}

// Fetches says whether any argument holds an address that the tool would go to.
func (l *Lexicon) Fetches(arguments []Argument) bool {
	return slices.ContainsFunc(arguments, func(a Argument) bool {
		return a.Text != "" && (a.Address || l == nil || slices.ContainsFunc(nameWords(a.Name), func(w string) bool { return l.addresses[w] }))
	})
}

// nameWords takes a name apart: `to_account`, `toAccount`, `ToAccount` and `to-account` are two words each.
func nameWords(name string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			flush()
			continue
		}
		begins := unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			flush()
		}
		word.WriteRune(unicode.ToLower(r))
	}
	flush()
	return out
}
