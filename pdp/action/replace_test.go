package action

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func TestWithTexts(t *testing.T) {
	a := &Action{
		Kind: KindToolCall, Tool: "send", Content: "hello",
		Arguments: map[string]any{"to": "x", "n": json.Number("41"), "list": []any{"a", nil, true}, "a/b": map[string]any{"": "deep"}},
		HTTP:      &HTTPRequest{Method: "POST", URL: "https://x.test", Body: "body", Headers: []Header{{"k", "v"}}},
	}
	before, err := a.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.WithTexts(map[string]string{
		"/content": "1", "/arguments/to": "2", "/arguments/n": "three", "/arguments/list/0": "4", "/arguments/a~1b/": "5",
		"/http/url": "6", "/http/body": "7", "/http/headers/0/value": "8",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Action{
		Kind: KindToolCall, Tool: "send", Content: "1",
		Arguments: map[string]any{"to": "2", "n": json.Number("0"), "list": []any{"4", nil, true}, "a/b": map[string]any{"": "5"}},
		HTTP:      &HTTPRequest{Method: "POST", URL: "6", Body: "7", Headers: []Header{{"k", "8"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if after, err := a.Canonical(); err != nil || string(after) != string(before) {
		t.Error("the action itself was changed")
	}
	if !SameShape(a.Arguments, got.Arguments) {
		t.Error("another shape")
	}
	for _, pointer := range []string{"/tool", "/arguments/to#key", "/arguments/nowhere", "/http/headers/0/name", "/http/headers/1/value", "/arguments", "/from_agent", ""} {
		if _, err := a.WithTexts(map[string]string{pointer: "x"}); err == nil {
			t.Errorf("%s was replaced", pointer)
		} else if e, ok := errors.AsType[*Error](err); !ok || e.Reason != ReasonNotReplaceable {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}

func TestSameShape(t *testing.T) {
	is := func(v any) map[string]any { return map[string]any{"k": v} }
	for _, other := range []any{is("x"), is(json.Number("2")), is([]any{"a"}), is(nil), is(true), is(is("a")), map[string]any{}, map[string]any{"k": json.Number("1"), "l": "x"}, []any{}, nil} {
		same := reflect.DeepEqual(other, is(json.Number("2")))
		if got := SameShape(is(json.Number("1")), other); got != same {
			t.Errorf("%v: %t", other, got)
		}
	}
	if SameShape([]any{"a"}, []any{"a", "b"}) || !SameShape([]any{"a"}, []any{"b"}) || SameShape(map[string]any{"a": "x"}, map[string]any{"b": "x"}) {
		t.Error("lists and keys")
	}
}
