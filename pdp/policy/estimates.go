package policy

import (
	"fmt"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// Bounds of what one action counts for, in the tables and in what is worked out: those of the contract.
const (
	MaxCostMicroUSD = int64(1_000_000_000_000_000) // 10^15: a thousand million US dollars
	MaxTokens       = int64(1_000_000_000_000)     // 10^12
)

// What a row of `estimates` may say (F11): less than minRowMicroUSD, a thousandth of a cent, is no price of anything but
// looks like dollars or cents in the wrong unit; more than maxRowMicroUSD, 1,000 US dollars, is no default for one action.
const (
	minRowMicroUSD = 10
	maxRowMicroUSD = 1_000_000_000
	maxRowTokens   = 100_000_000
)

// Estimate is what an action counts for where its caller says less, and what its outcome cannot go below unless a gateway
// reports it.
type Estimate struct{ Default, Floor action.Usage }

type estimateRow struct {
	Name              string   `json:"name"`
	Tools             []string `json:"tools"`
	Kinds             []string `json:"kinds"`
	CostMicroUSD      int64    `json:"cost_micro_usd"`
	Tokens            int64    `json:"tokens"`
	FloorCostMicroUSD *int64   `json:"floor_cost_micro_usd"` // default cost_micro_usd
	FloorTokens       *int64   `json:"floor_tokens"`         // default tokens
}

// Estimate is what the table `estimates` says of actions of this kind with this tool. A row that names the tool stands
// for it alone: rows that name none do not count then. Of several, the largest value of each column counts. Without a row
// it is zero.
func (t *Tables) Estimate(kind action.Kind, tool string) Estimate {
	var out Estimate
	named := false
	for _, row := range t.estimates {
		if len(row.Kinds) > 0 && !slices.Contains(row.Kinds, string(kind)) {
			continue
		}
		names := slices.Contains(row.Tools, tool)
		if len(row.Tools) > 0 && !names || named && !names {
			continue
		}
		if names && !named {
			named, out = true, Estimate{}
		}
		e := row.estimate()
		out.Default, out.Floor = larger(out.Default, e.Default), larger(out.Floor, e.Floor)
	}
	return out
}

func (r *estimateRow) estimate() Estimate {
	e := Estimate{Default: action.Usage{CostMicroUSD: r.CostMicroUSD, Tokens: r.Tokens}}
	e.Floor = e.Default
	if r.FloorCostMicroUSD != nil {
		e.Floor.CostMicroUSD = *r.FloorCostMicroUSD
	}
	if r.FloorTokens != nil {
		e.Floor.Tokens = *r.FloorTokens
	}
	return e
}

func larger(a, b action.Usage) action.Usage {
	return action.Usage{CostMicroUSD: max(a.CostMicroUSD, b.CostMicroUSD), Tokens: max(a.Tokens, b.Tokens)}
}

func (t *Tables) checkEstimates() []error {
	var errs []error
	bad := func(row, format string, args ...any) {
		errs = append(errs, fmt.Errorf("tables/estimates: "+row+": "+format, args...))
	}
	seen := map[string]bool{}
	for _, r := range t.estimates {
		if r.Name == "" || seen[r.Name] {
			bad(r.Name, "a row has a name, which no other has")
		}
		seen[r.Name] = true
		errs = append(errs, t.checkNarrowing("tables/estimates: "+r.Name, r.Tools, r.Kinds))
		if r.CostMicroUSD != 0 && (r.CostMicroUSD < minRowMicroUSD || r.CostMicroUSD > maxRowMicroUSD) {
			bad(r.Name, "cost_micro_usd is 0, or %d to %d, not %d: is it in millionths of a US dollar?", minRowMicroUSD, maxRowMicroUSD, r.CostMicroUSD)
		}
		if r.Tokens < 0 || r.Tokens > maxRowTokens {
			bad(r.Name, "tokens is 0 to %d, not %d", maxRowTokens, r.Tokens)
		}
		floor := r.estimate().Floor
		if floor.CostMicroUSD < 0 || floor.CostMicroUSD > r.CostMicroUSD || floor.Tokens < 0 || floor.Tokens > r.Tokens {
			bad(r.Name, "floor_cost_micro_usd and floor_tokens are 0 to cost_micro_usd and tokens of the same row")
		}
	}
	return errs
}
