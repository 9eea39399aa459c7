package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// readPatterns reads all rows of the table `patterns`: those of its own list `patterns`, then those of its groups in
// the order of their names. A group is a folder of its own inside the table's (`patterns/cloud/data.yaml`), so that
// stock opa sees it at data.tables.patterns.cloud, with and without -b; lib/pattern.rego joins them in the same way.
// Rows that can't be read are in a *scan.TableError, as are those that scan.Compile refuses.
func (t *Tables) readPatterns(tree map[string]any) error {
	const name = "patterns"
	table, ok := tree[name].(map[string]any)
	if !ok {
		return strict(tree, name, &struct{}{}) // missing, or no table
	}
	var errs []error
	var bad []*scan.RowError
	add := func(values map[string]any, group string) {
		at := patternGroup(group)
		var list struct{ Patterns []json.RawMessage }
		if err := strict(map[string]any{at: values}, at, &list); err != nil {
			errs = append(errs, err)
		}
		for i, raw := range list.Patterns {
			p, wrong := readPattern(raw)
			if wrong != nil {
				wrong.Row = len(t.Patterns)
				bad = append(bad, wrong)
			}
			t.Patterns, t.patternRows = append(t.Patterns, p), append(t.patternRows, patternRow{group, i, p.ID})
		}
	}
	own := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if _, group := table[key].(map[string]any); !group {
			own[key] = table[key]
		}
	}
	add(own, "")
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if group, ok := table[key].(map[string]any); ok {
			if _, there := group[name]; !there {
				errs = append(errs, fmt.Errorf("tables/%s: a group of patterns has a list `patterns`", patternGroup(key)))
				continue
			}
			add(group, key)
		}
	}
	if len(bad) > 0 {
		errs = append(errs, &scan.TableError{Rows: bad})
	}
	return errors.Join(errs...)
}

// wanted names what a field takes, by its kind in Go.
var wanted = map[reflect.Kind]string{
	reflect.String: "text", reflect.Slice: "a list", reflect.Struct: "fields with names", reflect.Bool: "true or false",
	reflect.Int: "a whole number", reflect.Int64: "a whole number",
}

// readPattern reads one row, or says which field of it is none or has a value of another type.
func readPattern(raw json.RawMessage) (scan.Pattern, *scan.RowError) {
	var p scan.Pattern
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&p)
	if err == nil {
		return p, nil
	}
	var named struct{ ID any }
	_ = json.Unmarshal(raw, &named) // what is wrong is said already
	p.ID, _ = named.ID.(string)
	field, detail := "", strings.TrimPrefix(err.Error(), "json: ")
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field, detail = cmp.Or(wrong.Field, "row"), fmt.Sprintf("is %s, not a JSON %s", wanted[wrong.Type.Kind()], wrong.Value)
	} else if quoted, ok := strings.CutPrefix(detail, "unknown field "); ok {
		field = strings.Trim(quoted, `"`)
		detail = "a pattern has no such field: is it misspelt?"
	}
	return p, &scan.RowError{ID: p.ID, Field: field, Reason: scan.ReasonUnreadable, Detail: detail, Other: -1}
}
