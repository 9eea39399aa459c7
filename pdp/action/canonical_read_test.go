package action

import (
	"testing"

	"pgregory.net/rapid"
)

func TestReadCanonicalIsTheWayBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zé"\\ \n<&]{0,12}`)
		a := Action{
			Kind: KindToolCall, Tool: text.Draw(t, "tool"), Server: text.Draw(t, "server"), SchemaDigest: text.Draw(t, "schema"),
			Content: text.Draw(t, "content") + "\x00", InReplyTo: text.Draw(t, "reply"), FromAgent: text.Draw(t, "from"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "arguments") {
		case 1:
			a.Arguments = map[string]any{}
		case 2:
			args, err := ParseArguments(`{"n": 1e40, "x": [null, true, {"deep": "1"}], "ü": -0.50}`, DefaultBounds())
			if err != nil {
				t.Fatal(err)
			}
			a.Arguments = args
		}
		if rapid.Bool().Draw(t, "memory") {
			a.Memory = &MemoryRef{Key: text.Draw(t, "key")}
		}
		if rapid.Bool().Draw(t, "http") {
			a.HTTP = &HTTPRequest{Method: "GET", URL: text.Draw(t, "url"), Headers: []Header{{Name: "a", Value: text.Draw(t, "value")}}}
		}
		want, err := a.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadCanonical(want)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if again, err := back.Canonical(); err != nil || string(again) != string(want) {
			t.Fatalf("%s, %v; want %s", again, err, want)
		}
	})
}

func TestReadCanonicalTakesNothingElse(t *testing.T) {
	for _, text := range []string{
		"", "{}", "null", `{"kind":"TOOL_CALL"} `, `{"kind": "TOOL_CALL"}`, `{"kind":"TOOL_CALL","x":1}`, `{"kind":"TOOL_CALL","tool":""}`,
		`{"tool":"a","kind":"TOOL_CALL"}`, `{"arguments":{"a":1,"a":2},"kind":"TOOL_CALL"}`, `{"arguments":{"a":1.0},"kind":"TOOL_CALL"}`,
		`{"kind":"TOOL_CALL","kind":"MESSAGE"}`, `{"KIND":"TOOL_CALL"}`, `{"arguments":[],"kind":"TOOL_CALL"}`, "{\"kind\":\"TOOL_CALL\",\"tool\":\"\xff\"}",
	} {
		if a, err := ReadCanonical([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, a)
		}
	}
}
