// Package toolrole says what a tool is, and which of its arguments decide who is affected: its sinks. It goes by the table
// `sinks` where somebody wrote a row for the tool, then by what the tool's server says of it, then by names, so that a toolkit
// which nobody has heard of is judged too. What none of them tells is taken for the worse: a tool that is not known to read
// writes, and of one that writes without an argument that is known for a sink, every argument that is not named as content is
// one that is no day or time. A server may speak against its own tool; in its favour it is believed only where a table trusts it.
//
// pdp/policy reads the table, pdp/decision registers descriptions and asks.
package toolrole

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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
	// Sends, Irreversible, Private and Persists are words in names of tools: what hands something to somebody else, what
	// cannot be taken back, what is not for everybody to see, and what keeps text that an agent may read again.
	Sends        []string `json:"sends"`
	Irreversible []string `json:"irreversible"`
	Private      []string `json:"private"`
	Persists     []string `json:"persists"`
	// Titles are words, at the end of a name of an argument, of short texts by which kept things are found again.
	Titles []string `json:"titles"`
	// Described are words in descriptions of arguments that make a sink of one whose name does not.
	Described []string `json:"described"`
	// Tools are rows for tools whose names mislead. They win over names.
	Tools []Row `json:"tools"`
}

// Row is what somebody knows of one tool.
type Row struct {
	Tool   string   `json:"tool"`
	Writes *bool    `json:"writes"` // required
	Sinks  []string `json:"sinks"`  // names of arguments; left out: by their names
	// Left out: by the name of the tool.
	Sends        *bool `json:"sends"`
	Irreversible *bool `json:"irreversible"`
	Private      *bool `json:"private"`
	Persists     *bool `json:"persists"`
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
	for name, list := range t.lists() {
		for _, w := range list {
			if w == "" || w != strings.ToLower(w) || len(nameWords(w)) != 1 {
				errs = append(errs, fmt.Errorf("tables/sinks: %s: %q is not one word in lower case", name, w))
			}
		}
	}
	return errors.Join(errs...)
}

func (t *Table) lists() map[string][]string {
	return map[string][]string{
		"sinks": t.Sinks, "addresses": t.Addresses, "contents": t.Contents, "reads": t.Reads, "writes": t.Writes, "sends": t.Sends,
		"irreversible": t.Irreversible, "private": t.Private, "persists": t.Persists, "titles": t.Titles, "described": t.Described,
	}
}

// Lexicon is the table, ready to be asked. Nil knows nothing, which is the strictest. It does not change.
type Lexicon struct {
	words map[string]map[string]bool // by the list of the table
	tools map[string]Row
}

// Compile makes a lexicon of a valid table.
func Compile(t Table) *Lexicon {
	l := &Lexicon{words: map[string]map[string]bool{}, tools: map[string]Row{}}
	for name, list := range t.lists() {
		l.words[name] = set(list)
	}
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

// has says whether a word stands in a list of the table.
func (l *Lexicon) has(list, word string) bool { return l.words[list][word] }

// any says whether a name has a word of a list.
func (l *Lexicon) any(list, name string) bool {
	return slices.ContainsFunc(nameWords(name), func(w string) bool { return l.has(list, w) })
}

// ends says whether the last word of a name is in a list.
func (l *Lexicon) ends(list, name string) bool {
	words := nameWords(name)
	return l != nil && len(words) > 0 && l.has(list, words[len(words)-1])
}

// Where a role is from.
const (
	FromTable  = "table"
	FromSchema = "schema"
	FromName   = "name"
)

// Tool is a tool as it is called, and what is known of it.
type Tool struct {
	Name string
	// Said is what its server says; nil if it said nothing.
	Said *Said
	// Trusted says that the server is believed also where it speaks in favour of its tool.
	Trusted bool
}

// Role is what a tool does.
type Role struct {
	Writes       bool
	Sends        bool // hands something to somebody else
	Irreversible bool // what it does cannot be taken back
	Private      bool // reads what not everybody may see
	Persists     bool // keeps text that an agent may read again
	// Open is what its server says of the world beyond it; nil if nothing that counts.
	Open   *bool
	Source string
}

// Role says what a tool does.
func (l *Lexicon) Role(t Tool) Role {
	if l == nil {
		return Role{Writes: true, Sends: true, Private: true, Persists: true, Source: FromName}
	}
	r := l.named(t.Name)
	if t.Said != nil {
		t.Said.amend(&r, t.Trusted)
	}
	if row, ok := l.tools[t.Name]; ok && row.Writes != nil {
		r.Source = FromTable
		r.Writes, r.Sends, r.Irreversible = *row.Writes, r.Sends && *row.Writes, r.Irreversible && *row.Writes
		for field, said := range map[*bool]*bool{&r.Sends: row.Sends, &r.Irreversible: row.Irreversible, &r.Private: row.Private, &r.Persists: row.Persists} {
			if said != nil {
				*field = *said
			}
		}
	}
	r.Private = r.Private && !r.Writes
	r.Persists = r.Persists && r.Writes
	return r
}

// named is what the name of a tool says.
func (l *Lexicon) named(tool string) Role {
	return Role{
		Writes: l.any("writes", tool) || !l.any("reads", tool), Sends: l.any("sends", tool), Irreversible: l.any("irreversible", tool),
		Private: l.any("private", tool), Persists: l.any("persists", tool), Source: FromName,
	}
}

// Argument is one value, under the nearest name above it.
type Argument struct {
	Name string
	Text string // empty values decide nothing
	// Address is true of a value that is one by its shape: a URL, an e-mail address, an account number.
	Address bool
}

// Sinks says for each argument of a call whether it is a sink.
func (l *Lexicon) Sinks(t Tool, arguments []Argument) []bool {
	out := make([]bool, len(arguments))
	any := false
	for i, a := range arguments {
		out[i] = a.Text != "" && l.sink(t, a)
		any = any || out[i] && t.counts(l, a)
	}
	if any || !l.Role(t).Writes || l.listed(t.Name) {
		return out
	}
	for i, a := range arguments {
		out[i] = out[i] || a.Text != "" && !l.content(a.Name) && (l == nil || !moment(a.Text))
	}
	return out
}

// counts says whether an argument that is a sink spares the others from being taken for one. One that the tool does not have, or
// that only a server which is not trusted calls a recipient, would be an easy way to hide the true one behind it.
func (t Tool) counts(l *Lexicon, a Argument) bool {
	if t.Said == nil || l == nil || l.listed(t.Name) {
		return true
	}
	if !t.Said.has(a.Name) {
		return false
	}
	return t.Trusted || l.sink(Tool{Name: t.Name}, a)
}

// moments are the ways in which programs write a day or a time.
var moments = []string{
	time.DateOnly, time.DateTime, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "15:04", "15:04:05",
}

// moment says whether a value is a day or a time, which by itself affects nobody.
func moment(text string) bool {
	if len(text) > len(time.RFC3339) {
		return false
	}
	return slices.ContainsFunc(moments, func(layout string) bool {
		_, err := time.Parse(layout, text)
		return err == nil
	})
}

// listed says whether a row names the sinks of the tool, be it none.
func (l *Lexicon) listed(tool string) bool { return l != nil && l.tools[tool].Sinks != nil }

func (l *Lexicon) sink(t Tool, a Argument) bool {
	if l == nil {
		return true
	}
	if l.listed(t.Name) {
		return slices.Contains(l.tools[t.Name].Sinks, a.Name)
	}
	if a.Address || t.Said != nil && t.Said.sink(l, a.Name) {
		return true
	}
	words := nameWords(a.Name)
	if len(words) == 0 {
		return false
	}
	if l.has("sinks", words[len(words)-1]) {
		return true
	}
	return !l.content(a.Name) && l.any("sinks", a.Name)
}

// content says whether an argument is named for what it says, and so not for whom it affects.
func (l *Lexicon) content(name string) bool { return l.ends("contents", name) }

// Title says whether an argument is a short text by which something that is kept is found again.
func (l *Lexicon) Title(name string) bool { return l == nil || l.ends("titles", name) }

// Fetches says whether any argument holds an address that the tool would go to.
func (l *Lexicon) Fetches(arguments []Argument) bool {
	return slices.ContainsFunc(arguments, func(a Argument) bool {
		return a.Text != "" && (a.Address || l == nil || l.any("addresses", a.Name))
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
