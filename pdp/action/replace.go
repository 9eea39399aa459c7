package action

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ReasonNotReplaceable is the reason of an Error of WithTexts.
const ReasonNotReplaceable = "NOT_REPLACEABLE" // a name, or nothing that is there

// WithTexts returns a copy of the action with other texts at some pointers of Texts, and everything else as it is: the
// same members in the same places, and values of the same type. A number there becomes 0, since a text is none. What
// something is called (a tool, a server, a key, a header) can't be replaced, because that would be another action: the
// error is an *Error with ReasonNotReplaceable.
func (a *Action) WithTexts(texts map[string]string) (*Action, error) {
	out := *a
	left := maps.Clone(texts)
	take := func(pointer string, field *string) {
		if text, ok := left[pointer]; ok && *field != "" {
			*field = text
			delete(left, pointer)
		}
	}
	take("/content", &out.Content)
	if a.HTTP != nil {
		h := *a.HTTP
		h.Headers = slices.Clone(h.Headers)
		take("/http/body", &h.Body)
		take("/http/url", &h.URL)
		for i := range h.Headers {
			take("/http/headers/"+strconv.Itoa(i)+"/value", &h.Headers[i].Value)
		}
		out.HTTP = &h
	}
	if a.Arguments != nil {
		out.Arguments = withTexts("/"+fieldArguments, a.Arguments, left)
	}
	if len(left) > 0 {
		return nil, &Error{Field: fieldOf(slices.Min(slices.Collect(maps.Keys(left)))), Reason: ReasonNotReplaceable, Detail: "a name, or nothing that is there, was to be replaced"}
	}
	return &out, nil
}

// fieldOf is the field of the contract that a pointer leads into.
func fieldOf(pointer string) string {
	field, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return field
}

// withTexts copies a value, with other texts at some pointers, and takes those out of the list.
func withTexts(pointer string, v any, texts map[string]string) any {
	switch v := v.(type) {
	case string:
		if text, ok := texts[pointer]; ok {
			delete(texts, pointer)
			return text
		}
	case json.Number:
		if _, ok := texts[pointer]; ok {
			delete(texts, pointer)
			return json.Number("0")
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = withTexts(pointer+"/"+strconv.Itoa(i), item, texts)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = withTexts(pointer+"/"+escapePointer(k), item, texts)
		}
		return out
	}
	return v
}

// SameShape says whether two values of arguments have the same members in the same places, and leaves of the same types.
func SameShape(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, item := range a {
			other, there := b[k]
			if !there || !SameShape(item, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, SameShape)
	case string:
		_, ok := b.(string)
		return ok
	case json.Number:
		_, ok := b.(json.Number)
		return ok
	default: // true, false and null have nothing that could change
		return a == b
	}
}
