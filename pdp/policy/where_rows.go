package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withLines puts file and line before what is said of a row of a table, or of a field of the table itself. Who checks a table
// says `tables/limits: "calls": …` or `tables/memory: ttl_seconds …`; where in the files that is, is looked up here, so that
// no check has to carry it along. What names nothing that can be found stays as it is.
func (b *Bundle) withLines(err error) error {
	if err == nil {
		return nil
	}
	var lines tableLines
	var out []error
	for _, e := range apart(err) {
		tables, rest := tablesOf(e.Error())
		if len(tables) == 0 {
			out = append(out, e)
			continue
		}
		if lines == nil {
			lines = b.tableLines()
		}
		if at := lines.where(tables, rest); at != "" {
			e = fmt.Errorf("%s: %w", at, e)
		}
		out = append(out, e)
	}
	return errors.Join(out...)
}

// joinedType is what errors.Join makes; other errors of several parts have words of their own.
var joinedType = fmt.Sprintf("%T", errors.Join(errors.ErrUnsupported))

// apart are the errors that were joined.
func apart(err error) (out []error) {
	joined, ok := err.(interface{ Unwrap() []error }) // not what is wrapped in it
	if !ok || fmt.Sprintf("%T", err) != joinedType {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		out = append(out, apart(e)...)
	}
	return out
}

// tablesOf reads `tables/limits or tables/anomalies: ` off a message.
func tablesOf(message string) (tables []string, rest string) {
	head, rest, ok := strings.Cut(message, ": ")
	if !ok {
		return nil, ""
	}
	for part := range strings.SplitSeq(strings.NewReplacer(" or ", ",", " with ", ",").Replace(head), ",") {
		name, ok := strings.CutPrefix(strings.TrimSpace(part), "tables/")
		if !ok || strings.ContainsAny(name, "/ ") {
			return nil, ""
		}
		tables = append(tables, name)
	}
	return tables, rest
}

// tableLines is where the rows and fields of each table stand, the highest overlay's first.
type tableLines map[string][]namedLine

type namedLine struct{ name, at string }

// where finds the row or field that a message begins with, the longest of several.
func (l tableLines) where(tables []string, message string) (at string) {
	message = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(message, "agent "), "row "), `"`)
	longest := 0
	for _, table := range tables {
		for _, n := range l[table] {
			after, ok := strings.CutPrefix(message, n.name)
			if ok && len(n.name) > longest && (after == "" || strings.ContainsAny(after[:1], `": `)) {
				longest, at = len(n.name), n.at
			}
		}
	}
	return at
}

func (b *Bundle) tableLines() tableLines {
	lines := tableLines{}
	for _, file := range slices.Backward(b.files) {
		var document yaml.Node
		if yaml.Unmarshal(file.raw, &document) != nil || len(document.Content) != 1 {
			continue
		}
		node, steps := document.Content[0], file.steps()
		switch {
		case len(steps) == 0:
			if node = child(node, patternTable[0]); node != nil {
				lines.tables(file, node)
			}
		case steps[0] != patternTable[0]:
		case len(steps) == 1:
			lines.tables(file, node)
		case len(steps) == 2:
			lines.table(file, steps[1], node)
		}
	}
	return lines
}

func (l tableLines) tables(file dataFile, node *yaml.Node) {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		l.table(file, node.Content[i].Value, resolved(node.Content[i+1]))
	}
}

func (l tableLines) table(file dataFile, name string, node *yaml.Node) {
	add := func(row string, line int) {
		if row != "" {
			l[name] = append(l[name], namedLine{row, file.source + "/" + file.name + ":" + strconv.Itoa(line)})
		}
	}
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], resolved(node.Content[i+1])
		if value.Kind != yaml.SequenceNode {
			add(key.Value, key.Line)
			continue
		}
		for _, row := range value.Content {
			row = resolved(row)
			for _, field := range rowKeys {
				if v := child(row, field); v != nil {
					add(v.Value, row.Line)
				}
			}
			if row.Kind == yaml.ScalarNode {
				add(row.Value, row.Line)
			}
		}
	}
}
