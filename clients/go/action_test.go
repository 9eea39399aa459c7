package portcullis

import (
	stdjson "encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestArgumentsAreWrittenExactly(t *testing.T) {
	t.Parallel()
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for name, tc := range map[string]struct {
		in   any
		want string
	}{
		"nothing":      {nil, ""},
		"sorted names": {map[string]any{"b": 1, "a": "x"}, `{"a":"x","b":1}`},
		"struct": {struct {
			To string `json:"to"`
		}{"ann"}, `{"to":"ann"}`},
		"int64":             {map[string]any{"n": int64(math.MaxInt64)}, `{"n":9223372036854775807}`},
		"json.Number":       {map[string]any{"n": stdjson.Number("12345678901234567890.50")}, `{"n":12345678901234567890.50}`},
		"big.Int":           {map[string]any{"n": huge}, `{"n":123456789012345678901234567890}`},
		"raw":               {stdjson.RawMessage(`{"n": 1.0}`), `{"n":1.0}`},
		"replacement rune":  {map[string]any{"s": "\ufffd"}, "{\"s\":\"\ufffd\"}"},
		"braces in strings": {map[string]any{"s": strings.Repeat(`{["\`, 100)}, `{"s":"` + strings.Repeat(`{[\"\\`, 100) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := encode(tc.in)
			if err != nil || string(got) != tc.want {
				t.Fatalf("got %s, %v; want %s", got, err, tc.want)
			}
		})
	}
}

func TestThreat_D10_ArgumentsThatAreNotExactAreRefused(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range maxDepth {
		deep = []any{deep}
	}
	cycle := map[string]any{}
	cycle["again"] = cycle
	var none *struct{}
	for name, in := range map[string]any{
		"NaN":                 map[string]any{"n": math.NaN()},
		"infinity":            map[string]any{"n": math.Inf(-1)},
		"invalid UTF-8":       map[string]any{"s": "secret\xff"},
		"invalid UTF-8 name":  map[string]any{"secret\xff": 1},
		"duplicate names":     map[string]any{"r": stdjson.RawMessage(`{"secret":1,"secret":2}`)},
		"number that is none": map[string]any{"n": stdjson.Number(`"secret"`)},
		"number that is text": map[string]any{"n": stdjson.Number("secret")},
		"list":                []string{"secret"},
		"null":                none,
		"text":                "secret",
		"channel":             map[string]any{"c": make(chan int)},
		"too deep":            map[string]any{"d": deep},
		"cycle":               cycle,
		"too large":           map[string]any{"s": strings.Repeat("x", maxArgumentBytes)},
		"broken raw":          stdjson.RawMessage(`{"secret":`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := encode(in)
			if err == nil {
				t.Fatalf("encoded %.40s", got)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Fatalf("the error quotes a value: %v", err)
			}
		})
	}
}

func TestThreat_E16_PrintingShowsNoArgumentsAndNoToken(t *testing.T) {
	t.Parallel()
	action := ToolCall("send_email", map[string]any{"body": "canary"})
	action.Content = "canary"
	cfg := Config{Token: "canary"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "action", action, "token", cfg.Token)
	inJSON, err := stdjson.Marshal(cfg.Token)
	if err != nil {
		t.Fatal(err)
	}
	out := log.String() + string(inJSON) + fmt.Sprintf("%v %+v %#v %s %v %+v %#v", action, action, action, action, cfg, cfg, cfg)
	if strings.Contains(out, "canary") {
		t.Fatalf("shown: %s", out)
	}
}
