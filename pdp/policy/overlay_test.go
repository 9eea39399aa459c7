package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

func tree(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOverlayMergesTables(t *testing.T) {
	for name, tc := range map[string]struct{ base, over, want string }{
		"scalar is replaced":      {`{"t":{"default":"a","x":1}}`, `{"t":{"default":"b"}}`, `{"t":{"default":"b","x":1}}`},
		"rows merge by name":      {`{"t":[{"name":"a","max":1},{"name":"b","max":2}]}`, `{"t":[{"name":"b","max":3},{"name":"c","max":4}]}`, `{"t":[{"max":1,"name":"a"},{"max":3,"name":"b"},{"max":4,"name":"c"}]}`},
		"rows merge by agent":     {`{"t":[{"agent":"a","profile":"x"}]}`, `{"t":[{"agent":"a","profile":"y"}]}`, `{"t":[{"agent":"a","profile":"y"}]}`},
		"plain list is replaced":  {`{"t":{"tools":["a","b"]}}`, `{"t":{"tools":["c"]}}`, `{"t":{"tools":["c"]}}`},
		"list in a row":           {`{"t":[{"name":"a","tools":["x"],"m":1}]}`, `{"t":[{"name":"a","tools":["y"]}]}`, `{"t":[{"m":1,"name":"a","tools":["y"]}]}`},
		"new table":               {`{"t":{}}`, `{"u":{"x":1}}`, `{"t":{},"u":{"x":1}}`},
		"rows onto an empty list": {`{"t":[]}`, `{"t":[{"name":"a"}]}`, `{"t":[{"name":"a"}]}`},
		"rows without names":      {`{"t":[{"x":1}]}`, `{"t":[{"x":2}]}`, `{"t":[{"x":2}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			base := &Bundle{Data: tree(t, tc.base)}
			out, err := base.Overlay(&Bundle{Data: tree(t, tc.over)})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := json.Marshal(out.Data)
			if string(got) != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			if again, _ := json.Marshal(base.Data); string(again) != mustJSON(t, tree(t, tc.base)) {
				t.Fatalf("the base was changed: %s", again)
			}
		})
	}
}

func TestOverlayRefusesAnotherShape(t *testing.T) {
	for name, tc := range map[string]struct{ base, over string }{
		"object over list":  {`{"t":[1]}`, `{"t":{"a":1}}`},
		"list over object":  {`{"t":{"a":1}}`, `{"t":[1]}`},
		"scalar over table": {`{"t":{"a":1}}`, `{"t":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&Bundle{Data: tree(t, tc.base)}).Overlay(&Bundle{Source: "over", Data: tree(t, tc.over)})
			if err == nil || !strings.Contains(err.Error(), "data.t") {
				t.Fatalf("got %v; want an error that names data.t", err)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
