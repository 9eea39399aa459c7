package action

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func reasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return fmt.Sprint(err)
}

func TestParseArguments(t *testing.T) {
	got, err := ParseArguments(` {"a":1e3,"b":[true,false,null,"x\u00e9\ud83d\ude00"],"c":{},"":"empty key"} `, DefaultBounds())
	want := map[string]any{"a": json.Number("1000"), "b": []any{true, false, nil, "xé😀"}, "c": map[string]any{}, "": "empty key"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, %v", got, err)
	}
}

func TestParseArgumentsRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, reason string }{
		{"empty", "", ReasonEmpty},
		{"white space", " \n\t", ReasonEmpty},
		{"byte-order mark", "\ufeff{}", ReasonByteOrderMark},
		{"D9 duplicate key", `{"to":"a","to":"b"}`, ReasonDuplicateKey},
		{"D9 duplicate key, escaped", `{"to":"a","\u0074o":"b"}`, ReasonDuplicateKey},
		{"D9 duplicate key, nested", `{"x":[{"to":"a","to":"b"}]}`, ReasonDuplicateKey},
		{"D10 NaN", `{"a":NaN}`, ReasonInvalidJSON},
		{"D10 Infinity", `{"a":-Infinity}`, ReasonInvalidJSON},
		{"D10 41 digits", `{"a":` + strings.Repeat("1", 41) + `}`, ReasonNumberTooLong},
		{"D10 exponent", `{"a":1e401}`, ReasonNumberRange},
		{"D11 lone high surrogate", `{"a":"\ud800"}`, ReasonLoneSurrogate},
		{"D11 lone low surrogate", `{"a":"\udc00x"}`, ReasonLoneSurrogate},
		{"D11 high surrogate and a letter", `{"a":"\ud800\u0041"}`, ReasonLoneSurrogate},
		{"D11 surrogate in key", `{"\udfff":1}`, ReasonLoneSurrogate},
		{"D11 surrogates the wrong way round", `{"a":"\udc00\ud800"}`, ReasonLoneSurrogate},
		{"D11 invalid UTF-8", "{\"a\":\"\xff\"}", ReasonInvalidUTF8},
		{"D11 surrogate as bytes", "{\"a\":\"\xed\xa0\x80\"}", ReasonInvalidUTF8},
		{"D11 overlong", "{\"a\":\"\xc0\xaf\"}", ReasonInvalidUTF8},
		{"D11 NUL in value", `{"a":"x\u0000y"}`, ReasonNUL},
		{"D11 NUL in key", `{"a\u0000":1}`, ReasonNUL},
		{"D11 raw NUL", "{\"a\":\"\x00\"}", ReasonInvalidJSON},
		{"text after", `{} x`, ReasonTrailingText},
		{"second object", `{}{}`, ReasonTrailingText},
		{"array", `[]`, ReasonNotAnObject},
		{"string", `"x"`, ReasonNotAnObject},
		{"null", `null`, ReasonNotAnObject},
		{"number", `1`, ReasonNotAnObject},
		{"unfinished", `{"a":`, ReasonInvalidJSON},
		{"unfinished array", `{"a":[1`, ReasonInvalidJSON},
		{"comma", `{"a":1,}`, ReasonInvalidJSON},
		{"array comma", `{"a":[1,]}`, ReasonInvalidJSON},
		{"comment", `{/**/}`, ReasonInvalidJSON},
		{"single quotes", `{'a':1}`, ReasonInvalidJSON},
		{"control character", "{\"a\":\"\n\"}", ReasonInvalidJSON},
		{"bad escape", `{"a":"\x41"}`, ReasonInvalidJSON},
		{"leading zero", `{"a":01}`, ReasonInvalidJSON},
		{"mismatch", `{"a":[}`, ReasonInvalidJSON},
		{"long key path", `{"` + strings.Repeat("k", 1100) + `":1}`, ReasonPathTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseArguments(c.text, DefaultBounds())
			if reasonOf(err) != c.reason {
				t.Fatalf("got %v, %v; want %s", got, err, c.reason)
			}
		})
	}
}

// An error must never repeat what the agent sent.
func TestParseErrorsHoldNoValue(t *testing.T) {
	for _, text := range []string{
		`{"CANARY":1,"CANARY":2}`, `{"a":CANARY}`, `{"a":"CANARY\ud800"}`, `{"a":"CANARY\u0000"}`, `CANARY`, `{"CANARY" 1}`, `{} CANARY`,
		`{"a":"` + strings.Repeat("CANARY", 1<<18) + `"}`,
	} {
		_, err := ParseArguments(text, DefaultBounds())
		if err == nil || strings.Contains(err.Error(), "CANARY") || strings.Contains(fmt.Sprintf("%+v", err), "CANARY") {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

func TestParseBounds(t *testing.T) {
	b := Bounds{MaxBytes: 100, MaxDepth: 3, MaxNodes: 6, MaxStringBytes: 8}
	for _, c := range []struct{ name, text, reason string }{
		{"at the depth", `{"a":[[1]]}`, "<nil>"},
		{"too deep", `{"a":[[[1]]]}`, ReasonTooDeep},
		{"at the nodes", `{"a":[1,2,3,4]}`, "<nil>"},
		{"too many", `{"a":[1,2,3,4,5]}`, ReasonTooManyNodes},
		{"at the string", `{"a":"12345678"}`, "<nil>"},
		{"escapes count once", `{"a":"\u0031\u0032345678"}`, "<nil>"},
		{"string too long", `{"a":"123456789"}`, ReasonStringTooLong},
		{"key too long", `{"123456789":1}`, ReasonStringTooLong},
		{"at the bytes", `{"a":1` + strings.Repeat(" ", 93) + `}`, "<nil>"},
		{"too large", `{"a":1` + strings.Repeat(" ", 94) + `}`, ReasonTooLarge},
	} {
		if _, err := ParseArguments(c.text, b); reasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %s", c.name, err, c.reason)
		}
	}
	if _, err := ParseArguments(strings.Repeat(`{"a":`, 600)+"1"+strings.Repeat("}", 600), Bounds{MaxDepth: 1 << 20}); reasonOf(err) != ReasonTooDeep {
		t.Errorf("the hard depth was lifted: %v", err)
	}
}

// The time is that of reading up to the bound, whatever comes after it.
func TestThreat_D13_RefusedInBoundedTime(t *testing.T) {
	manyKeys := func(n int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return b.String() + `"z":1}`
	}
	roomy := DefaultBounds()
	roomy.MaxBytes = 1 << 30
	for _, c := range []struct {
		name, text, reason string
		bounds             Bounds
	}{
		{"depth 10,000", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), ReasonTooDeep, roomy},
		{"array depth 10,000", `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", ReasonTooDeep, roomy},
		{"a million keys", manyKeys(1_000_000), ReasonTooManyNodes, roomy},
		{"a million keys, byte bound", manyKeys(1_000_000), ReasonTooLarge, DefaultBounds()},
		{"100 MiB string", `{"a":"` + strings.Repeat("x", 100<<20) + `"}`, ReasonTooLarge, DefaultBounds()},
		{"a million digits", `{"a":` + strings.Repeat("1", 1_000_000) + `}`, ReasonNumberTooLong, DefaultBounds()},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := ParseArguments(c.text, c.bounds)
			took := time.Since(start)
			if reasonOf(err) != c.reason {
				t.Fatalf("%v, want %s", err, c.reason)
			}
			// Ten times what it takes under the race detector; without the bounds these take seconds.
			if took > 2*time.Second {
				t.Fatalf("took %v", took)
			}
		})
	}
}

// Pointers of all values together must stay within a bound of the text, or a megabyte becomes gigabytes.
func TestThreat_D13_LongKeysDoNotMultiply(t *testing.T) {
	text := `{"` + strings.Repeat("k", 500) + `":{"` + strings.Repeat("k", 600) + `":[` + strings.Repeat("0,", 40_000) + `0]}}`
	if _, err := ParseArguments(text, DefaultBounds()); reasonOf(err) != ReasonPathTooLong {
		t.Fatal(err)
	}
}

func TestFromMapEqualsParse(t *testing.T) {
	text := `{"n":[0,1,-1,0.1,1000,1e21,1e-7,123456.75],"s":"x\n😀","t":true,"f":false,"z":null,"o":{"e":{},"a":[]},"":""}`
	parsed, err := ParseArguments(text, DefaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any // as structpb's AsMap gives it: numbers are float64
	if err := json.Unmarshal([]byte(text), &plain); err != nil {
		t.Fatal(err)
	}
	mapped, err := FromMap(plain, DefaultBounds())
	if err != nil || !reflect.DeepEqual(parsed, mapped) {
		t.Fatalf("parsed %#v\nmapped %#v, %v", parsed, mapped, err)
	}
	again, err := FromMap(parsed, DefaultBounds())
	if err != nil || !reflect.DeepEqual(parsed, again) {
		t.Fatalf("again %#v, %v", again, err)
	}
}

func TestFromMapRefuses(t *testing.T) {
	small := Bounds{MaxBytes: 100, MaxDepth: 3, MaxNodes: 6, MaxStringBytes: 8}
	cyclic := map[string]any{}
	cyclic["a"] = cyclic
	for _, c := range []struct {
		name   string
		m      map[string]any
		reason string
	}{
		{"NaN", map[string]any{"a": math.NaN()}, ReasonNotANumber},
		{"infinity", map[string]any{"a": []any{math.Inf(1)}}, ReasonNotANumber},
		{"bad number", map[string]any{"a": json.Number("1x")}, ReasonNotANumber},
		{"invalid UTF-8", map[string]any{"a": "\xff"}, ReasonInvalidUTF8},
		{"invalid UTF-8 key", map[string]any{"\xff": "a"}, ReasonInvalidUTF8},
		{"NUL", map[string]any{"a": "\x00"}, ReasonNUL},
		{"NUL key", map[string]any{"\x00": "a"}, ReasonNUL},
		{"type", map[string]any{"a": 1}, ReasonUnsupportedType},
		{"deep", map[string]any{"a": []any{[]any{[]any{}}}}, ReasonTooDeep},
		{"cyclic", cyclic, ReasonTooDeep},
		{"nodes", map[string]any{"a": []any{1.0, 2.0, 3.0, 4.0, 5.0}}, ReasonTooManyNodes},
		{"keys", map[string]any{"a": nil, "b": nil, "c": nil, "d": nil, "e": nil, "f": nil}, ReasonTooManyNodes},
		{"string", map[string]any{"a": "123456789"}, ReasonStringTooLong},
		{"bytes", map[string]any{strings.Repeat("k", 101): nil}, ReasonTooLarge},
	} {
		if got, err := FromMap(c.m, small); reasonOf(err) != c.reason {
			t.Errorf("%s: %v, %v; want %s", c.name, got, err, c.reason)
		}
	}
	if got, err := FromMap(nil, small); err != nil || got == nil || len(got) != 0 {
		t.Errorf("nil map: %v, %v", got, err)
	}
}

// FromMap copies: what the caller changes later must not change what was inspected.
func TestFromMapCopies(t *testing.T) {
	inner := []any{"a"}
	got, err := FromMap(map[string]any{"x": inner}, DefaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	inner[0] = "b"
	if got["x"].([]any)[0] != "a" {
		t.Fatal("the copy shares a slice")
	}
}
