package policy

import (
	"fmt"
	"maps"
	"slices"
)

// rowKeys are the fields that name a row of a table, in the order in which they are looked for.
var rowKeys = []string{"name", "id", "control", "kind", "agent", "tool", "model", "server"}

// Overlay returns b with over laid on top: modules and tests of the same path are replaced, others added;
// tables are merged deeply. Objects merge key by key. Lists of rows that have a name (or id, control, kind,
// agent, tool) merge row by row, new rows at the end. Any other list or value is replaced. Neither
// argument is changed.
func (b *Bundle) Overlay(over *Bundle) (*Bundle, error) {
	out := &Bundle{
		Source:  b.Source + " + " + over.Source,
		Modules: maps.Clone(b.Modules),
		Tests:   maps.Clone(b.Tests),
		files:   slices.Concat(b.files, over.files),
	}
	maps.Copy(out.Modules, over.Modules)
	maps.Copy(out.Tests, over.Tests)
	merged, err := merge(b.Data, over.Data, "data")
	if err != nil {
		return nil, fmt.Errorf("overlay %s: %w", over.Source, err)
	}
	out.Data = merged.(map[string]any)
	return out, nil
}

func merge(base, over any, at string) (any, error) {
	switch o := over.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is not an object in the bundle below", at)
		}
		out := maps.Clone(b)
		for key, v := range o {
			below, there := b[key]
			if !there {
				out[key] = v
				continue
			}
			m, err := merge(below, v, at+"."+key)
			if err != nil {
				return nil, err
			}
			out[key] = m
		}
		return out, nil
	case []any:
		b, ok := base.([]any)
		if !ok {
			return nil, fmt.Errorf("%s is not a list in the bundle below", at)
		}
		return mergeRows(b, o, at)
	default:
		switch base.(type) {
		case map[string]any, []any:
			return nil, fmt.Errorf("%s is an object or a list in the bundle below", at)
		}
		return over, nil
	}
}

func mergeRows(base, over []any, at string) (any, error) {
	key := rowKey(base, over)
	if key == "" {
		return over, nil
	}
	out := append([]any{}, base...)
	index := map[any]int{}
	for i, row := range out {
		index[row.(map[string]any)[key]] = i
	}
	for _, row := range over {
		name := row.(map[string]any)[key]
		i, there := index[name]
		if !there {
			index[name] = len(out)
			out = append(out, row)
			continue
		}
		m, err := merge(out[i], row, fmt.Sprintf("%s[%v]", at, name))
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

// rowKey returns the field by which both lists can be told apart row by row, or "" if there is none.
func rowKey(lists ...[]any) string {
	for _, key := range rowKeys {
		if keyed(key, lists) {
			return key
		}
	}
	return ""
}

func keyed(key string, lists [][]any) bool {
	rows := 0
	for _, list := range lists {
		seen := map[string]bool{}
		for _, item := range list {
			row, ok := item.(map[string]any)
			if !ok {
				return false
			}
			name, ok := row[key].(string)
			if !ok || seen[name] {
				return false
			}
			seen[name] = true
			rows++
		}
	}
	return rows > 0
}
