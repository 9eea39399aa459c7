package action

import (
	"path"
	"slices"
)

// NamedPath gives files a class by name. Path is the end of a path, as `*.rego` or `.agent/rules.md`, with wildcards as a shell has
// them, in any spelling; ended by a slash it is a folder, and means all that is in one of that name.
type NamedPath struct {
	Path  string `json:"path"`
	Class string `json:"class"`
}

// telling orders the classes: a path that is several of them is the first.
var telling = []string{ClassProtected, ClassSecret, ClassAgentConfig, ClassMemory, ClassSystem, ClassPlain}

// Valid says whether the path has a name in it and the class is one that a table may give.
func (n NamedPath) Valid() bool {
	var f flagSet
	l := readPath(n.Path, &f)
	return len(l.segments) > 0 && l.root == "" && n.Class != ClassProtected && n.Class != ClassPlain && slices.Contains(telling, n.Class)
}

// namedPath is a NamedPath in pieces.
type namedPath struct {
	segments []string
	folder   bool
	class    string
}

func readNamed(rows []NamedPath) []namedPath {
	out := make([]namedPath, 0, len(rows))
	for _, row := range rows {
		var f flagSet
		if l := readPath(row.Path, &f); len(l.segments) > 0 {
			out = append(out, namedPath{segments: l.segments, folder: row.Path[len(row.Path)-1] == '/', class: row.Class})
		}
	}
	return out
}

// holds says whether a location has the name at its end, or, of a folder, anywhere above its end.
func (n namedPath) holds(l location) bool {
	last := len(l.segments) - len(n.segments)
	if !n.folder {
		return last >= 0 && n.at(l, last)
	}
	for i := range max(last, 0) {
		if n.at(l, i) {
			return true
		}
	}
	return false
}

func (n namedPath) at(l location, i int) bool {
	for k, name := range n.segments {
		segment := l.segments[i+k]
		if ok, err := path.Match(name, segment); err == nil && ok || segmentMatches(segment, name) {
			continue
		}
		return false
	}
	return true
}

// moreTelling is the first of two classes.
func moreTelling(a, b string) string {
	if slices.Index(telling, b) < slices.Index(telling, a) {
		return b
	}
	return a
}
