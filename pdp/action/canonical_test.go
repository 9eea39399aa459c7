package action

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// full is an action with every field set.
func full() *Action {
	return &Action{
		Kind: KindToolCall, CallID: "call-1", Tool: "send_email", Server: "mail", SchemaDigest: "abc",
		Arguments:      map[string]any{"to": "a@example.org", "n": json.Number("1"), "list": []any{true, nil}},
		ArgumentsBytes: 42, Content: "text", Estimate: Usage{CostMicroUSD: 1, Tokens: 2},
		Memory: &MemoryRef{Layer: "long_term", Key: "k", Seal: "s"}, InReplyTo: "d1", FromAgent: "bob",
		HTTP: &HTTPRequest{Method: "POST", URL: "https://example.org/", Headers: []Header{{"A", "1"}, {"B", "2"}}, Body: "b"},
	}
}

func TestCanonicalGolden(t *testing.T) {
	got, err := full().Canonical()
	want := `{"arguments":{"list":[true,null],"n":1,"to":"a@example.org"},"content":"text","from_agent":"bob",` +
		`"http":{"body":"b","headers":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"method":"POST","url":"https://example.org/"},` +
		`"in_reply_to":"d1","kind":"TOOL_CALL","memory":{"key":"k","layer":"long_term","seal":"s"},` +
		`"schema_digest":"abc","server":"mail","tool":"send_email"}`
	if err != nil || string(got) != want {
		t.Fatalf("got  %s, %v\nwant %s", got, err, want)
	}
	digest, err := full().Digest()
	// The SHA-256 of the text above, computed by another program.
	if err != nil || digest != "pc1:467106f2f000cdda6a88966f5439a14712787d0e2da0abb4374d74d4fe3551fe" {
		t.Fatalf("%s, %v", digest, err)
	}
}

// The members are written in a fixed order; it must be the sorted one.
func TestCanonicalOrderIsSorted(t *testing.T) {
	text, err := full().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseArguments(string(text), DefaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	again, err := CanonicalArguments(parsed)
	if err != nil || string(again) != string(text) {
		t.Fatalf("sorted %s, %v\nwritten %s", again, err, text)
	}
}

// B1: every field that an approval must bind changes the digest; what may differ does not.
func TestThreat_B1_EveryFieldCounts(t *testing.T) {
	base, err := full().Digest()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Action)
		same   bool
	}{
		"kind":                {func(a *Action) { a.Kind = KindMessage }, false},
		"tool":                {func(a *Action) { a.Tool = "send_emai1" }, false},
		"server":              {func(a *Action) { a.Server = "other" }, false},
		"schema digest (A19)": {func(a *Action) { a.SchemaDigest = "abd" }, false},
		"argument":            {func(a *Action) { a.Arguments.(map[string]any)["to"] = "b@example.org" }, false},
		"argument added":      {func(a *Action) { a.Arguments.(map[string]any)["cc"] = nil }, false},
		"argument removed":    {func(a *Action) { delete(a.Arguments.(map[string]any), "to") }, false},
		"arguments absent":    {func(a *Action) { a.Arguments = nil }, false},
		"arguments empty":     {func(a *Action) { a.Arguments = map[string]any{} }, false},
		"content":             {func(a *Action) { a.Content = "texts" }, false},
		"content absent":      {func(a *Action) { a.Content = "" }, false},
		"memory layer":        {func(a *Action) { a.Memory.Layer = "shared" }, false},
		"memory key":          {func(a *Action) { a.Memory.Key = "l" }, false},
		"memory seal":         {func(a *Action) { a.Memory.Seal = "t" }, false},
		"memory empty":        {func(a *Action) { a.Memory = &MemoryRef{} }, false},
		"memory absent":       {func(a *Action) { a.Memory = nil }, false},
		"in reply to":         {func(a *Action) { a.InReplyTo = "d2" }, false},
		"from agent":          {func(a *Action) { a.FromAgent = "eve" }, false},
		"http absent":         {func(a *Action) { a.HTTP = nil }, false},
		"http empty":          {func(a *Action) { a.HTTP = &HTTPRequest{} }, false},
		"http method":         {func(a *Action) { a.HTTP.Method = "GET" }, false},
		"http url":            {func(a *Action) { a.HTTP.URL = "https://example.com/" }, false},
		"http body":           {func(a *Action) { a.HTTP.Body = "c" }, false},
		"header name":         {func(a *Action) { a.HTTP.Headers[0].Name = "C" }, false},
		"header value":        {func(a *Action) { a.HTTP.Headers[0].Value = "3" }, false},
		"header order":        {func(a *Action) { h := a.HTTP.Headers; h[0], h[1] = h[1], h[0] }, false},
		"header moved": {func(a *Action) {
			a.HTTP.Headers = []Header{{"A", "1"}}
		}, false},
		"call id":              {func(a *Action) { a.CallID = "call-2" }, true},
		"estimate":             {func(a *Action) { a.Estimate = Usage{} }, true},
		"size of the spelling": {func(a *Action) { a.ArgumentsBytes = 1 }, true},
	} {
		a := full()
		c.change(a)
		got, err := a.Digest()
		if err != nil || (got == base) != c.same {
			t.Errorf("%s: same digest %v, want %v (%v)", name, got == base, c.same, err)
		}
	}
}

func TestThreat_D12_NullMissingEmptyDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		`{}`, `{"a":null}`, `{"a":""}`, `{"a":[]}`, `{"a":{}}`, `{"a":0}`, `{"a":false}`, `{"a":"null"}`, `{"a":"0"}`, `{"a":[null]}`, `{"a":[[]]}`, `{"":null}`,
	} {
		digest := digestOf(t, text)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s share a digest", text, other)
		}
		seen[digest] = text
	}
}

// The fields that can say so tell absent from empty.
func TestThreat_D12_AbsentIsNotEmpty(t *testing.T) {
	seen := map[string]int{}
	for i, a := range []Action{
		{Kind: KindToolCall},
		{Kind: KindToolCall, Arguments: map[string]any{}},
		{Kind: KindToolCall, Memory: &MemoryRef{}},
		{Kind: KindToolCall, HTTP: &HTTPRequest{}},
		{Kind: KindToolCall, HTTP: &HTTPRequest{Headers: []Header{{}}}},
		{Kind: KindToolCall, Content: " "},
	} {
		digest, err := a.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if j, ok := seen[digest]; ok {
			t.Errorf("actions %d and %d share a digest", i, j)
		}
		seen[digest] = i
	}
}

func digestOf(t interface{ Fatal(...any) }, text string) string {
	args, err := ParseArguments(text, DefaultBounds())
	if err != nil {
		t.Fatal(text, err)
	}
	digest, err := (&Action{Kind: KindToolCall, Tool: "t", Arguments: args}).Digest()
	if err != nil {
		t.Fatal(text, err)
	}
	return digest
}

func TestThreat_D10_DigestOfNumbers(t *testing.T) {
	same := [][]string{
		{"1000", "1e3", "1000.0", "1E3", "10e2", "1000.000"},
		{"0", "-0", "0.0", "0e9"},
		{"0.1", "1e-1", "0.10"},
		{"9007199254740992"},
		{"9007199254740993", "9007199254740993.0"},
		{"0.1000000000000000055511151231257827"},
		{"1e400"},
		{"1e-400"},
		{"1000000000000000000000000000000000000001"},
		{"1e39"},
	}
	seen := map[string]int{}
	for i, group := range same {
		for _, n := range group {
			digest := digestOf(t, `{"amount":`+n+`}`)
			if j, ok := seen[digest]; ok && j != i {
				t.Errorf("%s shares a digest with group %d", n, j)
			}
			seen[digest] = i
		}
	}
	if len(seen) != len(same) {
		t.Errorf("%d digests for %d values", len(seen), len(same))
	}
}

// RFC 8785 section 3.2.3: the sample, sorted by UTF-16 code units.
func TestCanonicalKeyOrder(t *testing.T) {
	args, err := ParseArguments(`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`, DefaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	got, err := CanonicalArguments(args)
	want := "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}"
	if err != nil || string(got) != want {
		t.Fatalf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestCompareUTF16(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xEFFF, 0xF000, 0xFFFD, 0x10000, 0x10FFFF}), 0, 4, -1)
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		want := 0
		x, y := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
		for i := 0; want == 0 && i < len(x) && i < len(y); i++ {
			want = int(x[i]) - int(y[i])
		}
		if want == 0 {
			want = len(x) - len(y)
		}
		if got := compareUTF16(a, b); (got < 0) != (want < 0) || (got > 0) != (want > 0) {
			t.Fatalf("compare(%q, %q) = %d, want the sign of %d", a, b, got, want)
		}
	})
}

func TestCanonicalStrings(t *testing.T) {
	got, err := CanonicalArguments(map[string]any{"s": "\x01\b\t\n\v\f\r\x1f\"\\/\x7f<>&\u2028é😀"})
	want := "{\"s\":\"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\\\\/\x7f<>&\u2028é😀\"}"
	if err != nil || string(got) != want {
		t.Fatalf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	deep := any("x")
	for range 2 * hardDepth {
		deep = []any{deep}
	}
	for _, c := range []struct {
		name          string
		a             Action
		field, reason string
	}{
		{"no kind", Action{}, "kind", ReasonInvalidKind},
		{"unknown kind", Action{Kind: "tool_call"}, "kind", ReasonInvalidKind},
		{"invalid UTF-8", Action{Kind: KindToolCall, Tool: "\xff"}, "tool", ReasonInvalidUTF8},
		{"invalid UTF-8 in content", Action{Kind: KindToolCall, Content: "\xff"}, "content", ReasonInvalidUTF8},
		{"NUL in tool", Action{Kind: KindToolCall, Tool: "a\x00"}, "tool", ReasonNUL},
		{"NUL in a URL", Action{Kind: KindHTTPRequest, HTTP: &HTTPRequest{URL: "a\x00"}}, "http.url", ReasonNUL},
		{"NUL in an argument", Action{Kind: KindToolCall, Arguments: map[string]any{"a": "\x00"}}, "arguments", ReasonNUL},
		{"array", Action{Kind: KindToolCall, Arguments: []any{}}, "arguments", ReasonNotAnObject},
		{"float", Action{Kind: KindToolCall, Arguments: map[string]any{"a": math.NaN()}}, "arguments", ReasonUnsupportedType},
		{"bad number", Action{Kind: KindToolCall, Arguments: map[string]any{"a": json.Number("NaN")}}, "arguments", ReasonNotANumber},
		{"too deep", Action{Kind: KindToolCall, Arguments: map[string]any{"a": deep}}, "arguments", ReasonTooDeep},
	} {
		_, err := c.a.Digest()
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Field != c.field || e.Reason != c.reason {
			t.Errorf("%s: %v, want %s %s", c.name, err, c.field, c.reason)
		}
	}
	if text, err := (&Action{Kind: KindToolResult, Content: "a\x00b"}).Canonical(); err != nil || !strings.Contains(string(text), `a\u0000b`) {
		t.Errorf("a result may hold U+0000: %s, %v", text, err)
	}
}

// arguments generates objects of every shape that arguments may have.
func arguments() *rapid.Generator[map[string]any] {
	number := rapid.Custom(func(t *rapid.T) any {
		n, err := NormaliseNumber(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "n"))
		if err != nil {
			t.Skip()
		}
		return n
	})
	leaf := rapid.OneOf(number, rapid.Map(text(), func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just[any](nil))
	var value func(depth int) *rapid.Generator[any]
	object := func(depth int) *rapid.Generator[map[string]any] { return rapid.MapOfN(text(), value(depth), 0, 4) }
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 4), func(s []any) any { return s }),
			rapid.Map(object(depth-1), func(m map[string]any) any { return m }))
	}
	return object(3)
}

func text() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune(`ab01~/"\#`)), rapid.RuneFrom([]rune{'\n', 0x7f, 'é', 0xFFFD, 0xE000, 0x1F600}), rapid.Rune()), 0, 6, -1).
		Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
}

// Two arguments that differ in one leaf differ in their digest; order of keys and spelling of numbers don't matter.
func TestDigestSeparatesLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		args := arguments().Draw(t, "arguments")
		base, err := (&Action{Kind: KindToolCall, Arguments: args}).Digest()
		if err != nil {
			t.Fatal(err)
		}
		if respelt := digestAs(t, respell(t, args)); respelt != base {
			t.Fatalf("another spelling has another digest")
		}
		changed, ok := changeLeaf(t, args)
		if !ok {
			t.Skip("no leaf")
		}
		other, err := (&Action{Kind: KindToolCall, Arguments: changed}).Digest()
		if err != nil {
			t.Fatal(err)
		}
		if other == base {
			t.Fatalf("%v and %v share a digest", args, changed)
		}
	})
}

func digestAs(t *rapid.T, text string) string {
	args, err := ParseArguments(text, Bounds{MaxDepth: 100})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	digest, err := (&Action{Kind: KindToolCall, Arguments: args}).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// respell writes a value as JSON with keys in random order, numbers and strings in random spellings, and
// random white space.
func respell(t *rapid.T, v any) string {
	space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
	switch v := v.(type) {
	case json.Number:
		return rapid.SampledFrom([]string{string(v), scaled(string(v))}).Draw(t, "number")
	case string:
		plain, _ := json.Marshal(v)
		if rapid.Bool().Draw(t, "escape") {
			var b strings.Builder
			for _, unit := range utf16.Encode([]rune(v)) {
				b.WriteString(`\u` + string(hexDigits[unit>>12]) + string(hexDigits[unit>>8&15]) + string(hexDigits[unit>>4&15]) + string(hexDigits[unit&15]))
			}
			return `"` + b.String() + `"`
		}
		return string(plain)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = respell(t, v[i])
		}
		return "[" + space + strings.Join(parts, space+",") + "]"
	case map[string]any:
		parts := []string{}
		for _, k := range rapid.Permutation(sortedKeys(v)).Draw(t, "order") {
			parts = append(parts, respell(t, k)+space+":"+respell(t, v[k]))
		}
		return "{" + strings.Join(parts, ","+space) + space + "}"
	}
	plain, _ := json.Marshal(v)
	return string(plain)
}

// scaled writes 12.5 as 12.5e0 or, where there is an exponent already, with a needless sign and zero.
func scaled(n string) string {
	mantissa, exponent, ok := strings.Cut(n, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".00"
	}
	if !ok {
		return mantissa + "E0"
	}
	return mantissa + "E" + strings.Replace(exponent, "+", "", 1)
}

// changeLeaf returns a copy in which one leaf is another value.
func changeLeaf(t *rapid.T, args map[string]any) (map[string]any, bool) {
	var leaves []string
	visit := func(n node) {
		switch n.value.(type) {
		case []any, map[string]any:
		default:
			leaves = append(leaves, n.pointer)
		}
	}
	walk("", "", args, 0, visit, func(string, string) {})
	if len(leaves) == 0 {
		return nil, false
	}
	target := rapid.SampledFrom(leaves).Draw(t, "leaf")
	var rebuild func(pointer string, v any) any
	rebuild = func(pointer string, v any) any {
		switch v := v.(type) {
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = rebuild(pointer+"/"+strconv.Itoa(i), v[i])
			}
			return out
		case map[string]any:
			out := map[string]any{}
			for k := range v {
				out[k] = rebuild(pointer+"/"+escapePointer(k), v[k])
			}
			return out
		}
		if pointer != target {
			return v
		}
		return otherLeaf(t, v)
	}
	return rebuild("", args).(map[string]any), true
}

func otherLeaf(t *rapid.T, v any) any {
	candidates := []any{nil, true, false, "", "x", json.Number("0"), json.Number("1")}
	switch v := v.(type) {
	case string:
		candidates = append(candidates, v+" ", v+"\u200b", v+"0")
	case json.Number:
		candidates = append(candidates, string(v)) // the same, as a string
	}
	return rapid.SampledFrom(candidates).Filter(func(c any) bool { return c != v }).Draw(t, "other")
}
