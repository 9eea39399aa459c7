package policy

import "github.com/portcullis-pdp/portcullis/pdp/action"

// pathsTable is the table `paths`. The engine reads the files, Rego the marks.
type pathsTable struct {
	Marks []namedEffect      `json:"marks"`
	Files []action.NamedPath `json:"files"`
}
