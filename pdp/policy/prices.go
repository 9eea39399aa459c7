package policy

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// What a price may be (F11), in micro-USD per million tokens: nothing, or a tenth of a cent to 10,000 US dollars. Three
// dollars are 3000000; who writes 3, or 300, is told.
const (
	minPriceMicroUSD = 1_000
	maxPriceMicroUSD = 10_000_000_000
)

type pricesTable struct {
	Prices   []priceRow    `json:"prices"`
	Unpriced []namedEffect `json:"unpriced"` // for Rego
}

type priceRow struct {
	Model  string `json:"model"`
	Input  *int64 `json:"input_micro_usd_per_million_tokens"`
	Output *int64 `json:"output_micro_usd_per_million_tokens"`
	Source string `json:"source"` // where the price was read, for people
	AsOf   string `json:"as_of"`  // when, as 2026-11-25
}

type price struct{ input, output int64 }

// Cost turns tokens into money at the price of their model, in micro-USD, rounded up. Tokens beyond those that are said to
// be input or output cost the dearer of both prices. It stops at MaxCostMicroUSD. False if the table `prices` lacks the
// model; amounts are not negative.
func (t *Tables) Cost(u action.Usage) (microUSD int64, known bool) {
	p, known := t.prices[u.Model]
	if !known {
		return 0, false
	}
	rest := max(u.Tokens-u.InputTokens-u.OutputTokens, 0)
	var hi, lo uint64 // the sum, in millionths of a micro-USD
	for _, part := range [][2]int64{{u.InputTokens, p.input}, {u.OutputTokens, p.output}, {rest, max(p.input, p.output)}} {
		h, l := bits.Mul64(uint64(part[0]), uint64(part[1]))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	const million = 1_000_000
	if hi >= million { // the quotient has more than 64 bits
		return MaxCostMicroUSD, true
	}
	quotient, remainder := bits.Div64(hi, lo, million)
	if quotient >= uint64(MaxCostMicroUSD) {
		return MaxCostMicroUSD, true
	}
	if remainder > 0 {
		quotient++
	}
	return int64(quotient), true
}

func (t *Tables) readPrices(table pricesTable) []error {
	var errs []error
	bad := func(row, format string, args ...any) {
		errs = append(errs, fmt.Errorf("tables/prices: "+row+": "+format, args...))
	}
	t.prices = map[string]price{}
	for _, r := range table.Prices {
		if _, twice := t.prices[r.Model]; twice || r.Model == "" {
			bad(r.Model, "a row has a model, which no other has")
		}
		if r.Input == nil || r.Output == nil {
			bad(r.Model, "input_micro_usd_per_million_tokens and output_micro_usd_per_million_tokens must be given")
			continue
		}
		for field, v := range map[string]int64{"input": *r.Input, "output": *r.Output} {
			if v != 0 && (v < minPriceMicroUSD || v > maxPriceMicroUSD) {
				bad(r.Model, "%s_micro_usd_per_million_tokens is 0, or %d to %d, not %d: 3 US dollars are 3000000",
					field, minPriceMicroUSD, maxPriceMicroUSD, v)
			}
		}
		if _, err := time.Parse(time.DateOnly, r.AsOf); err != nil || r.Source == "" {
			bad(r.Model, "source says where the price was read, and as_of when, as 2026-11-25")
		}
		t.prices[r.Model] = price{*r.Input, *r.Output}
	}
	return errs
}
