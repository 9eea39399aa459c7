package action

import (
	"encoding/json"
	"strconv"
	"strings"
)

// KeySuffix ends the pointer of a text that is the key of a member and not its value: `/arguments/to#key` is
// the key `to`. A slash or tilde of the key is escaped as RFC 6901 says; the suffix is not.
const KeySuffix = "#key"

// Text is one text to inspect, and the RFC 6901 pointer to where it stands in the action.
type Text struct{ Pointer, Value string }

// Texts returns every text of the action that somebody could have chosen and that goes somewhere: tool,
// server, content, sender, the memory's layer and key, the HTTP request, and of the arguments every string,
// every number (a card number need not be a string) and every key. Left out are CallID, InReplyTo,
// SchemaDigest and the memory's seal: they name things to the PDP and travel no further. Empty texts are
// left out as well. The order is that of the canonical form, a key before its value.
//
// A pointer holds the keys that lead to its text, and keys are an agent's to choose: it is no safer to show
// than they are.
func (a *Action) Texts() []Text {
	var out []Text
	add := func(pointer, value string) {
		if value != "" {
			out = append(out, Text{pointer, value})
		}
	}
	if a.Arguments != nil {
		walk("/"+fieldArguments, "", a.Arguments, 0, func(n node) {
			switch v := n.value.(type) {
			case string:
				add(n.pointer, v)
			case json.Number:
				add(n.pointer, string(v))
			}
		}, func(pointer, key string) { add(pointer+KeySuffix, key) })
	}
	add("/content", a.Content)
	add("/from_agent", a.FromAgent)
	if h := a.HTTP; h != nil {
		add("/http/body", h.Body)
		for i, header := range h.Headers {
			at := "/http/headers/" + strconv.Itoa(i)
			add(at+"/name", header.Name)
			add(at+"/value", header.Value)
		}
		add("/http/method", h.Method)
		add("/http/url", h.URL)
	}
	if m := a.Memory; m != nil {
		add("/memory/key", m.Key)
		add("/memory/layer", m.Layer)
	}
	add("/server", a.Server)
	add("/tool", a.Tool)
	return out
}

// node is one value of the arguments. name is the nearest key above it: an item of `paths` is named `paths`.
type node struct {
	pointer string
	name    string
	value   any
}

// walk visits a value and all below it in canonical order: the value itself, then for each member its key and
// its value. Beyond hardDepth, where Canonical refuses, it goes no further.
func walk(pointer, name string, v any, depth int, visit func(node), key func(pointer, key string)) {
	if depth > hardDepth {
		return
	}
	visit(node{pointer, name, v})
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			walk(pointer+"/"+strconv.Itoa(i), name, item, depth+1, visit, key)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			at := pointer + "/" + escapePointer(k)
			key(at, k)
			walk(at, k, v[k], depth+1, visit, key)
		}
	}
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(key string) string {
	if !strings.ContainsAny(key, "~/") {
		return key
	}
	return pointerEscaper.Replace(key)
}
