package action

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTexts(t *testing.T) {
	a := full()
	a.Arguments = map[string]any{
		"to":    []any{"x", map[string]any{"n": json.Number("4111111111111111")}},
		"a/b~c": "y", "flag": true, "none": nil, "empty": "",
	}
	want := []Text{
		{"/arguments/a~1b~0c#key", "a/b~c"},
		{"/arguments/a~1b~0c", "y"},
		{"/arguments/empty#key", "empty"},
		{"/arguments/flag#key", "flag"},
		{"/arguments/none#key", "none"},
		{"/arguments/to#key", "to"},
		{"/arguments/to/0", "x"},
		{"/arguments/to/1/n#key", "n"},
		{"/arguments/to/1/n", "4111111111111111"},
		{"/content", "text"},
		{"/from_agent", "bob"},
		{"/http/body", "b"},
		{"/http/headers/0/name", "A"},
		{"/http/headers/0/value", "1"},
		{"/http/headers/1/name", "B"},
		{"/http/headers/1/value", "2"},
		{"/http/method", "POST"},
		{"/http/url", "https://example.org/"},
		{"/memory/key", "k"},
		{"/memory/layer", "long_term"},
		{"/server", "mail"},
		{"/tool", "send_email"},
	}
	for range 20 { // the order of a map changes from one range to the next
		if got := a.Texts(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	}
}

// A3: no string and no key of the arguments escapes inspection, however it is nested.
func TestThreat_A3_EveryStringIsInspected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		args := arguments().Draw(t, "arguments")
		want := map[string]int{}
		var count func(v any)
		count = func(v any) {
			switch v := v.(type) {
			case string:
				want[v]++
			case json.Number:
				want[string(v)]++
			case []any:
				for _, item := range v {
					count(item)
				}
			case map[string]any:
				for k, item := range v {
					want[k]++
					count(item)
				}
			}
		}
		count(args)
		delete(want, "")
		got := map[string]int{}
		for _, text := range (&Action{Kind: KindToolCall, Arguments: args}).Texts() {
			got[text.Value]++
			if !strings.HasPrefix(text.Pointer, "/arguments/") {
				t.Fatalf("pointer %q", text.Pointer)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
