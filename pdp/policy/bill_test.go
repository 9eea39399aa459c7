package policy

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// tablesWith reads the small bundle's tables after a change.
func tablesWith(t *testing.T, change func(b *Bundle)) (Tables, error) {
	t.Helper()
	b := small(t)
	change(b)
	return readTables(b.Data)
}

func rows(rows ...any) []any { return rows }

func TestEstimateOfAnAction(t *testing.T) {
	tables, err := tablesWith(t, func(b *Bundle) {
		b.table("tools")["tools"] = rows(map[string]any{"tool": "add"}, map[string]any{"tool": "free"}, map[string]any{"tool": "dear"})
		b.table("estimates")["estimates"] = rows(
			map[string]any{"name": "calls", "kinds": rows("TOOL_CALL", "HTTP_REQUEST"), "cost_micro_usd": 100, "tokens": 5},
			map[string]any{"name": "outputs", "kinds": rows("MODEL_OUTPUT"), "cost_micro_usd": 1000, "tokens": 500, "floor_cost_micro_usd": 10, "floor_tokens": 0},
			map[string]any{"name": "all calls", "kinds": rows("TOOL_CALL"), "cost_micro_usd": 50, "tokens": 7, "floor_tokens": 0},
			map[string]any{"name": "free", "tools": rows("free")},
			map[string]any{"name": "dear", "tools": rows("dear"), "cost_micro_usd": 5000},
			map[string]any{"name": "dear calls", "tools": rows("dear"), "kinds": rows("TOOL_CALL"), "cost_micro_usd": 4000, "tokens": 9},
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		kind action.Kind
		tool string
		want Estimate
	}{
		"the largest of each column":      {action.KindToolCall, "add", Estimate{action.Usage{CostMicroUSD: 100, Tokens: 7}, action.Usage{CostMicroUSD: 100, Tokens: 5}}},
		"a tool that no table knows":      {action.KindToolCall, "made up", Estimate{action.Usage{CostMicroUSD: 100, Tokens: 7}, action.Usage{CostMicroUSD: 100, Tokens: 5}}},
		"a row for the tool stands alone": {action.KindToolCall, "free", Estimate{}},
		"two rows for the tool":           {action.KindToolCall, "dear", Estimate{action.Usage{CostMicroUSD: 5000, Tokens: 9}, action.Usage{CostMicroUSD: 5000, Tokens: 9}}},
		"a floor of its own":              {action.KindModelOutput, "", Estimate{action.Usage{CostMicroUSD: 1000, Tokens: 500}, action.Usage{CostMicroUSD: 10}}},
		"a kind without a row":            {action.KindMemoryRead, "", Estimate{}},
		"a floor is the default":          {action.KindHTTPRequest, "http_request", Estimate{action.Usage{CostMicroUSD: 100, Tokens: 5}, action.Usage{CostMicroUSD: 100, Tokens: 5}}},
	} {
		if got := tables.Estimate(tc.kind, tc.tool); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestThreat_F11_AmountsInTheWrongUnitAreRefused(t *testing.T) {
	estimate := func(field string, v any) func(*Bundle) {
		return func(b *Bundle) { b.row("estimates", "estimates")[field] = v }
	}
	priceOf := func(field string, v any) func(*Bundle) {
		return func(b *Bundle) { b.row("prices", "prices")[field] = v }
	}
	loops := func(of, field string, v any) func(*Bundle) {
		return func(b *Bundle) { b.table("loops")[of].(map[string]any)[field] = v }
	}
	const in, out = "input_micro_usd_per_million_tokens", "output_micro_usd_per_million_tokens"
	for name, tc := range map[string]struct {
		change func(*Bundle)
		want   string // empty: good
	}{
		"nothing changed":            {func(*Bundle) {}, ""},
		"free":                       {estimate("cost_micro_usd", 0), ""},
		"the smallest":               {estimate("cost_micro_usd", 10), ""},
		"dollars":                    {estimate("cost_micro_usd", 5), "millionths"},
		"parts of a micro-dollar":    {estimate("cost_micro_usd", 0.01), "int64"},
		"a negative cost":            {estimate("cost_micro_usd", -100), "millionths"},
		"too dear for one action":    {estimate("cost_micro_usd", 1_000_000_001), "millionths"},
		"a text":                     {estimate("cost_micro_usd", "100"), "cost_micro_usd"},
		"cents":                      {estimate("cost_cents", 5), "cost_cents"},
		"negative tokens":            {estimate("tokens", -1), "tokens is"},
		"too many tokens":            {estimate("tokens", 100_000_001), "tokens is"},
		"a floor":                    {estimate("floor_cost_micro_usd", 100), ""},
		"no floor":                   {estimate("floor_cost_micro_usd", 0), ""},
		"a floor above the estimate": {estimate("floor_cost_micro_usd", 101), "floor"},
		"a negative floor":           {estimate("floor_cost_micro_usd", -1), "floor"},
		"a floor of tokens above":    {estimate("floor_tokens", 1), "floor"},
		"no name":                    {estimate("name", ""), "name"},
		"a misspelt tool":            {estimate("tools", rows("ad")), "misspelt"},
		"a misspelt kind":            {estimate("kinds", rows("TOLL_CALL")), "misspelt"},
		"twice the same name": {func(b *Bundle) {
			b.table("estimates")["estimates"] = rows(b.row("estimates", "estimates"), b.row("estimates", "estimates"))
		}, "no other has"},
		"no table of estimates":  {func(b *Bundle) { delete(b.Data["tables"].(map[string]any), "estimates") }, "tables/estimates is missing"},
		"no table of prices":     {func(b *Bundle) { delete(b.Data["tables"].(map[string]any), "prices") }, "tables/prices is missing"},
		"no table of loops":      {func(b *Bundle) { delete(b.Data["tables"].(map[string]any), "loops") }, "tables/loops is missing"},
		"a free model":           {priceOf(in, 0), ""},
		"a price in dollars":     {priceOf(in, 3), "3000000"},
		"a price in cents":       {priceOf(out, 300), "3000000"},
		"a price for each token": {priceOf(in, 0.000003), "int64"},
		"a negative price":       {priceOf(out, -3_000_000), "3000000"},
		"too dear":               {priceOf(out, 10_000_000_001), "3000000"},
		"half a price":           {func(b *Bundle) { delete(b.row("prices", "prices"), out) }, "must be given"},
		"no source":              {priceOf("source", ""), "source"},
		"no date":                {priceOf("as_of", "November"), "as_of"},
		"no model":               {priceOf("model", ""), "model"},
		"a misspelt price":       {priceOf("input", 3_000_000), "input"},
		"loops":                  {loops("repeats", "warn_calls", 2), ""},
		"a loop of one":          {loops("repeats", "warn_calls", 1), "repeats"},
		"asked before warned":    {loops("cycles", "ask_calls", 1), "cycles"},
		"denied before asked":    {loops("cycles", "deny_calls", 2), "cycles"},
		"never denied":           {loops("cycles", "deny_calls", 1_000_001), "cycles"},
		"rounds":                 {loops("cycles", "deny_rounds", 5), "deny_rounds"},
		"exempt from nothing":    {func(b *Bundle) { b.table("loops")["exempt_tools"] = rows("ad") }, "misspelt"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tablesWith(t, tc.change)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v; want %q", err, tc.want)
			}
		})
	}
}

func TestUnpricedRowsAreOfTwoNames(t *testing.T) {
	for want, unpriced := range map[string]string{
		"":               `[{"name":"unknown","effect":"deny"},{"name":"unnamed","effect":"ask"}]`,
		"unknwon":        `[{"name":"unknwon","effect":"deny"}]`,
		`effect "dney"`:  `[{"name":"unknown","effect":"dney"}]`,
		"unknown stands": `[{"name":"unknown","effect":"deny"},{"name":"unknown","effect":"ask"}]`,
		"unknown field":  `[{"name":"unknown","effect":"deny","of":1}]`,
	} {
		err := checkShapes(tree(t, `{"tables":{"prices":{"prices":[],"unpriced":`+unpriced+`}}}`), nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
}

// The cost of tokens is exact, rounded up, and never wraps around.
func TestThreat_E8_TheCostOfTokens(t *testing.T) {
	million := big.NewInt(1_000_000)
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, MaxTokens), rapid.Int64Range(0, math.MaxInt64/2))
		p := price{rapid.Int64Range(0, maxPriceMicroUSD).Draw(rt, "in price"), rapid.Int64Range(0, maxPriceMicroUSD).Draw(rt, "out price")}
		u := action.Usage{Model: "m", Tokens: amount.Draw(rt, "all"), InputTokens: amount.Draw(rt, "in"), OutputTokens: amount.Draw(rt, "out")}
		tables := Tables{prices: map[string]price{"m": p}}
		got, known := tables.Cost(u)
		rest := max(u.Tokens-u.InputTokens-u.OutputTokens, 0)
		sum := new(big.Int)
		for _, part := range [][2]int64{{u.InputTokens, p.input}, {u.OutputTokens, p.output}, {rest, max(p.input, p.output)}} {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(part[0]), big.NewInt(part[1])))
		}
		quotient, remainder := new(big.Int).QuoRem(sum, million, new(big.Int))
		if remainder.Sign() > 0 {
			quotient.Add(quotient, big.NewInt(1))
		}
		want := MaxCostMicroUSD
		if quotient.IsInt64() {
			want = min(quotient.Int64(), MaxCostMicroUSD)
		}
		if !known || got != want {
			rt.Fatalf("%+v at %+v: %d, want %d", u, p, got, want)
		}
	})
	dear := Tables{prices: map[string]price{"m": {maxPriceMicroUSD, maxPriceMicroUSD}}}
	for name, u := range map[string]action.Usage{
		"as many as a request may say": {Model: "m", InputTokens: MaxTokens, OutputTokens: MaxTokens},
		"as many as there are":         {Model: "m", InputTokens: math.MaxInt64 / 2, OutputTokens: math.MaxInt64 / 2},
	} {
		if got, _ := dear.Cost(u); got != MaxCostMicroUSD {
			t.Errorf("%s: %d", name, got)
		}
	}
	if _, known := (&Tables{}).Cost(action.Usage{Model: "m", Tokens: 1}); known {
		t.Error("a model without a row has a price")
	}
	if _, known := (&Tables{}).Cost(action.Usage{Tokens: 1}); known {
		t.Error("no model has a price")
	}
}

func TestLevelsOfALoop(t *testing.T) {
	at := Thresholds{WarnCalls: 3, AskCalls: 5, DenyCalls: 5}
	for calls, want := range map[int64]struct {
		level   Level
		reached bool
	}{
		0: {LevelNone, false}, 2: {LevelNone, false}, 3: {LevelWarn, true}, 4: {LevelWarn, false},
		5: {LevelDeny, true}, 6: {LevelDeny, false}, math.MaxInt64: {LevelDeny, false},
	} {
		if level, reached := at.Level(calls); level != want.level || reached != want.reached {
			t.Errorf("%d calls: %s, %v; want %s, %v", calls, level, reached, want.level, want.reached)
		}
	}
}
