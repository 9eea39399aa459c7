package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// readPatterns reads all rows of the table `patterns`: those of its own list `patterns`, then those of its groups in
// the order of their names. A group is a folder of its own inside the table's (`patterns/cloud/data.yaml`), so that
// stock opa sees it at data.tables.patterns.cloud, with and without -b; lib/pattern.rego joins them in the same way.
func readPatterns(tree map[string]any, into *[]scan.Pattern) error {
	const name = "patterns"
	table, ok := tree[name].(map[string]any)
	if !ok {
		return strict(tree, name, &struct{}{}) // missing, or no table
	}
	var errs []error
	add := func(tree map[string]any, group string) {
		var rows struct{ Patterns []scan.Pattern }
		if err := strict(tree, group, &rows); err != nil {
			errs = append(errs, err)
		}
		*into = append(*into, rows.Patterns...)
	}
	own := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if _, group := table[key].(map[string]any); !group {
			own[key] = table[key]
		}
	}
	add(map[string]any{name: own}, name)
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if group, ok := table[key].(map[string]any); ok {
			at := fmt.Sprintf("%s/%s", name, key)
			if _, there := group[name]; !there {
				errs = append(errs, fmt.Errorf("tables/%s: a group of patterns has a list `patterns`", at))
				continue
			}
			add(map[string]any{at: group}, at)
		}
	}
	return errors.Join(errs...)
}
