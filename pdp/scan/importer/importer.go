package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Format is whose rule file it is.
type Format string

// The formats.
const (
	Gitleaks      Format = "gitleaks"
	Presidio      Format = "presidio"
	DetectSecrets Format = "detect-secrets"
)

// MaxBytes is how large a rule file may be.
const MaxBytes = 16 << 20

// Row is a pattern, and what about it is not as it was.
type Row struct {
	Pattern scan.Pattern
	Notes   []string
}

// Left is something that was not carried over, and why.
type Left struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Import is what a rule file gave.
type Import struct {
	Rows []Row
	Left []Left
}

// FormatOf tells a format by what is in a file, with its name as a hint.
func FormatOf(name string, file []byte) (Format, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".toml":
		return Gitleaks, nil
	case ".yaml", ".yml":
		return Presidio, nil
	}
	var baseline struct {
		Plugins *json.RawMessage `json:"plugins_used"`
	}
	if json.Unmarshal(file, &baseline) == nil && baseline.Plugins != nil {
		return DetectSecrets, nil
	}
	return "", fmt.Errorf("%s is no .toml, no .yaml and no baseline with plugins_used: give the format", name)
}

// Read carries a rule file over. The error says that it is no such file.
func Read(format Format, file []byte) (*Import, error) {
	if len(file) > MaxBytes {
		return nil, fmt.Errorf("the file is larger than %d bytes", MaxBytes)
	}
	in := &Import{}
	var err error
	switch format {
	case Gitleaks:
		err = in.gitleaks(file)
	case Presidio:
		err = in.presidio(file)
	case DetectSecrets:
		err = in.detectSecrets(file)
	default:
		err = fmt.Errorf("there is no format %q", format)
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (in *Import) leave(what, why string, args ...any) {
	in.Left = append(in.Left, Left{what, fmt.Sprintf(why, args...)})
}

// take adds a row, if the engine can keep to it, and says whether it did. what names its source.
func (in *Import) take(what string, p scan.Pattern, notes ...string) bool {
	for n, id := 2, p.ID; slices.ContainsFunc(in.Rows, func(r Row) bool { return r.Pattern.ID == p.ID }); n++ {
		p.ID = fmt.Sprintf("%s-%d", id, n)
	}
	why := problems(p)
	if slices.ContainsFunc(why, func(e *scan.RowError) bool { return e.Reason == scan.ReasonNoPlan }) {
		p.Slow = true
		notes = append(notes, "it has nothing that can be looked for quickly: give it a literal, or keep it slow")
		why = problems(p)
	}
	if len(why) > 0 {
		for _, e := range why {
			in.leave(what, "%s: %s", e.Field, e.Detail)
		}
		return false
	}
	in.Rows = append(in.Rows, Row{p, notes})
	return true
}

// problems are what the table's own check says of a row, less that it has no examples.
func problems(p scan.Pattern) []*scan.RowError {
	_, err := scan.Compile([]scan.Pattern{p})
	table, ok := errors.AsType[*scan.TableError](err)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(table.Rows, func(e *scan.RowError) bool { return e.Reason == scan.ReasonTooFewExamples })
}

// id makes an id of the table of some words.
func id(words ...string) string {
	var parts []string
	for _, w := range words {
		fields := strings.FieldsFunc(strings.ToLower(w), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
		if len(fields) > 0 {
			parts = append(parts, strings.Join(fields, "-"))
		}
	}
	out := strings.Join(parts, ".")
	if len(out) > 60 { // of 64, so that a number may follow
		out = strings.TrimRight(out[:60], ".-")
	}
	return out
}

// WriteYAML gives the rows as a table, each with what a person has to do before it loads.
func (in *Import) WriteYAML() ([]byte, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range in.Rows {
		raw, err := json.Marshal(r.Pattern) // the table's names of fields
		if err != nil {
			return nil, err
		}
		node := &yaml.Node{}
		if err := yaml.Unmarshal(raw, node); err != nil {
			return nil, fmt.Errorf("write %s: %w", r.Pattern.ID, err)
		}
		row := node.Content[0]
		plain(row)
		notes := r.Notes
		if len(r.Pattern.Examples.Match) == 0 {
			notes = append(slices.Clone(notes), "EXAMPLES MISSING: three texts that it must find and three that it must not. It does not load without")
		}
		row.HeadComment = comment(notes)
		list.Content = append(list.Content, row)
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "patterns"}, list}}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// plain makes the flow style of JSON that of a YAML file.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// comment is notes as lines of a comment, whatever they quote.
func comment(notes []string) string {
	lines := make([]string, len(notes))
	for i, n := range notes {
		lines[i] = "# " + strings.Join(strings.Fields(n), " ")
	}
	return strings.Join(lines, "\n")
}
