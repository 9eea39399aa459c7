package action

import (
	"strings"
	"testing"
)

func TestPinnedCoversAllButWhatMayVary(t *testing.T) {
	pin := func(t *testing.T, arguments, tool string, vary ...string) string {
		t.Helper()
		args, err := ParseArguments(arguments, Bounds{})
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := (&Action{Kind: KindToolCall, Tool: tool, Arguments: args}).Canonical()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := Pinned(canonical, vary)
		if err != nil {
			return err.Error()
		}
		return digest
	}
	const base = `{"to":"ann","body":"x","opts":{"cc":"bob","n":1},"list":[{"a":1}]}`
	of := pin(t, base, "send", "/arguments/body", "/arguments/opts/n")
	if !strings.HasPrefix(of, PinnedPrefix) || of != pin(t, base, "send", "/arguments/opts/n", "/arguments/body", "/arguments/body") {
		t.Errorf("the order of pointers counts: %s", of)
	}
	for arguments, same := range map[string]bool{
		`{"to":"ann","body":"y","opts":{"cc":"bob","n":2.5},"list":[{"a":1}]}`:      true,
		`{"to":"ann","opts":{"cc":"bob"},"list":[{"a":1}]}`:                         true,
		`{"to":"ann","body":{"a":[1]},"opts":{"cc":"bob","n":1},"list":[{"a":1}]}`:  true,
		`{"to":"bob","body":"x","opts":{"cc":"bob","n":1},"list":[{"a":1}]}`:        false,
		`{"to":"ann","body":"x","opts":{"cc":"eve","n":1},"list":[{"a":1}]}`:        false,
		`{"to":"ann","body":"x","opts":{"cc":"bob","n":1},"list":[{"a":2}]}`:        false,
		`{"to":"ann","body":"x","opts":{"cc":"bob","n":1,"m":1},"list":[{"a":1}]}`:  false,
		`{"to":"ann","body":"x","opts":{"cc":"bob","n":1},"list":[{"a":1}],"b":""}`: false,
	} {
		if got := pin(t, arguments, "send", "/arguments/body", "/arguments/opts/n"); (got == of) != same {
			t.Errorf("%s: same %t", arguments, got == of)
		}
	}
	if of == pin(t, base, "pay", "/arguments/body", "/arguments/opts/n") || of == pin(t, base, "send", "/arguments/body") || of == pin(t, base, "send") {
		t.Error("another tool, or less that varies, is the same")
	}
	for _, vary := range []string{"", "/", "/tool", "/arguments", "arguments/to", "/kind", "/arguments/list/0/a", "/arguments/to/x", "/content", "/arguments/" + strings.Repeat("a", 2000)} {
		if got := pin(t, base, "send", vary); strings.HasPrefix(got, PinnedPrefix) {
			t.Errorf("%.40q may vary", vary)
		}
	}
	if got := pin(t, base, "send", strings.Split(strings.Repeat("/arguments/x,", MaxVary)+"/arguments/y", ",")...); !strings.HasPrefix(got, PinnedPrefix) {
		t.Errorf("the same pointer again counts as another: %s", got)
	}
	var many []string
	for i := range MaxVary + 1 {
		many = append(many, "/arguments/"+strings.Repeat("a", i+1))
	}
	if got := pin(t, base, "send", many...); strings.HasPrefix(got, PinnedPrefix) {
		t.Error("any number may vary")
	}
}
