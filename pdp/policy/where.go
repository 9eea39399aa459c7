package policy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// dataFile is a file of tables as it was read. It is kept with the bundle so that whoever wrote a row is told its line.
type dataFile struct {
	source string // of the bundle or overlay
	name   string // inside it
	raw    []byte
}

// steps are the folders of the file: the place of its value in the data.
func (f dataFile) steps() []string {
	if dir := path.Dir(f.name); dir != "." {
		return strings.Split(dir, "/")
	}
	return nil
}

// patternTable is the place of the table of patterns in the data.
var patternTable = []string{"tables", "patterns"}

// patternRow is where a pattern stands in the table.
type patternRow struct {
	group string // "" for the table's own list
	index int    // in the list of its group
	id    string
}

// place is the row as a path, for bundles of which no file is known.
func (r patternRow) place() string {
	return fmt.Sprintf("tables/%s, row %d", patternGroup(r.group), r.index)
}

func patternGroup(group string) string {
	if group == "" {
		return "patterns"
	}
	return "patterns/" + group
}

// located says of everything that is wrong with rows of patterns in which file and line it stands. Of a row that several
// files make up, it is the last that has the field.
func (b *Bundle) located(err error, rows []patternRow) error {
	table, ok := errors.AsType[*scan.TableError](err)
	if !ok {
		return err
	}
	lists := b.patternLists()
	for _, e := range table.Rows {
		if e.Row < 0 || e.Row >= len(rows) {
			continue
		}
		e.Where = lists.where(rows[e.Row], e.Field)
		if e.Reason == scan.ReasonDuplicateID && e.Other >= 0 && e.Other < len(rows) {
			e.Detail = "already used at " + lists.where(rows[e.Other], "id")
		}
	}
	return err
}

// patternList is a list of patterns in one file.
type patternList struct {
	file  dataFile
	group string
	rows  []*yaml.Node
}

type patternLists []patternList

// patternLists finds the lists of patterns in the files, the lowest overlay first. A file that can't be taken apart, which
// has been read before, is left out: what is wrong with a row is said without its line then.
func (b *Bundle) patternLists() (lists patternLists) {
	for _, file := range b.files {
		steps := file.steps()
		if i := min(len(steps), len(patternTable)); !slices.Equal(steps[:i], patternTable[:i]) || len(steps) > len(patternTable)+1 {
			continue
		}
		var document yaml.Node
		if yaml.Unmarshal(file.raw, &document) != nil || len(document.Content) != 1 {
			continue
		}
		for _, at := range placed(document.Content[0], steps) {
			lists.gather(file, at.group, at.node)
		}
	}
	return lists
}

// groupNode is the node of a group, or of the whole table.
type groupNode struct {
	group string
	node  *yaml.Node
}

// placed finds the table of patterns in what stands at steps.
func placed(node *yaml.Node, steps []string) []groupNode {
	if len(steps) > len(patternTable) { // inside the folder of a group
		return []groupNode{{steps[len(patternTable)], node}}
	}
	for _, step := range patternTable[len(steps):] {
		if node = child(node, step); node == nil {
			return nil
		}
	}
	out := []groupNode{{"", node}}
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if v := resolved(node.Content[i+1]); v.Kind == yaml.MappingNode {
			out = append(out, groupNode{node.Content[i].Value, v})
		}
	}
	return out
}

func (l *patternLists) gather(file dataFile, group string, node *yaml.Node) {
	if list := child(node, "patterns"); list != nil && list.Kind == yaml.SequenceNode {
		*l = append(*l, patternList{file, group, list.Content})
	}
}

// where names file and line of a field of a row, or of the row if it lacks the field.
func (l patternLists) where(row patternRow, field string) string {
	best := ""
	for _, list := range slices.Backward(l) {
		node := list.row(row)
		if node == nil {
			continue
		}
		line, there := lineOf(node, field)
		at := list.file.source + "/" + list.file.name + ":" + strconv.Itoa(line)
		if there {
			return at
		}
		if best == "" {
			best = at
		}
	}
	if best == "" {
		return row.place()
	}
	return best
}

// row is the row with the same id: the one at its index, if that has it.
func (l patternList) row(row patternRow) *yaml.Node {
	if l.group != row.group {
		return nil
	}
	is := func(node *yaml.Node) bool {
		v := child(resolved(node), "id")
		return row.id == "" || v != nil && v.Value == row.id
	}
	if row.index < len(l.rows) && is(l.rows[row.index]) {
		return resolved(l.rows[row.index])
	}
	if i := slices.IndexFunc(l.rows, is); i >= 0 && row.id != "" {
		return resolved(l.rows[i])
	}
	return nil
}

// lineOf is the line of a field, such as examples.match, or of what it would stand in.
func lineOf(row *yaml.Node, path string) (line int, there bool) {
	line = row.Line
	for step := range strings.SplitSeq(path, ".") {
		key, value := field(row, step)
		if key == nil {
			return line, false
		}
		line, row = key.Line, value
	}
	return line, true
}

func child(node *yaml.Node, key string) *yaml.Node {
	_, value := field(node, key)
	return value
}

func field(node *yaml.Node, key string) (at, value *yaml.Node) {
	for i := 0; node != nil && node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i], resolved(node.Content[i+1])
		}
	}
	return nil, nil
}

func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
