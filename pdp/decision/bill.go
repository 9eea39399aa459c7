package decision

import (
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
)

// bill is what an action counts for. The caller's own estimate can raise it and never lower it: who is billed is who
// speaks.
type bill struct {
	// estimate is reserved, and charged if no outcome is reported: the largest of what the caller expects, its tokens at
	// the price of their model, and the default of the table `estimates`.
	estimate action.Usage
	// floor is what an outcome cannot go below, unless a gateway reports it.
	floor action.Usage
	price priceState
}

// priceState is what is known about the price of the tokens that an action is expected to take.
type priceState string

const (
	priceNone    priceState = "none"    // there are no tokens
	priceKnown   priceState = "known"   // the table `prices` has the model
	priceUnknown priceState = "unknown" // it lacks the model
	priceUnnamed priceState = "unnamed" // nobody says which model
	priceStated  priceState = "stated"  // the table does not help, but a gateway says what the tokens cost
)

// estimated works the bill out. stated is what the caller expects.
func estimated(t *policy.Tables, caller identity.Caller, kind action.Kind, tool string, stated action.Usage) bill {
	expected := t.Estimate(kind, tool)
	b := bill{estimate: whole(stated), floor: expected.Floor}
	silent := b.estimate.Tokens == 0 && b.estimate.Model == "" // the default cost has the price of the default tokens in it
	b.estimate.Tokens = max(b.estimate.Tokens, expected.Default.Tokens)
	b.price = priceNone
	if b.estimate.Tokens > 0 && !silent {
		b.price = priceOf(t, caller, &b.estimate)
	}
	b.estimate.CostMicroUSD = max(b.estimate.CostMicroUSD, expected.Default.CostMicroUSD)
	return b
}

// actual is what an outcome charges. Where it names a model without a price, the cost of the estimate stands at least.
func (r *record) actual(t *policy.Tables, caller identity.Caller, reported *action.Usage) action.Usage {
	if reported == nil {
		return r.Usage
	}
	u := whole(*reported)
	if u.Tokens > 0 && priceOf(t, caller, &u) == priceUnknown {
		u.CostMicroUSD = max(u.CostMicroUSD, r.Usage.CostMicroUSD)
	}
	if !caller.Has(identity.RoleGateway) {
		u.CostMicroUSD, u.Tokens = max(u.CostMicroUSD, r.Floor.CostMicroUSD), max(u.Tokens, r.Floor.Tokens)
	}
	return u
}

// whole is usage with tokens that are not fewer than its parts, and all of it within the contract's bounds.
func whole(u action.Usage) action.Usage {
	u.InputTokens, u.OutputTokens = min(u.InputTokens, policy.MaxTokens), min(u.OutputTokens, policy.MaxTokens)
	u.Tokens = min(max(u.Tokens, u.InputTokens+u.OutputTokens), policy.MaxTokens)
	u.CostMicroUSD = min(u.CostMicroUSD, policy.MaxCostMicroUSD)
	return u
}

// priceOf raises the cost of usage to that of its tokens, if their price is known.
func priceOf(t *policy.Tables, caller identity.Caller, u *action.Usage) priceState {
	cost, known := t.Cost(*u)
	switch {
	case known:
		u.CostMicroUSD = max(u.CostMicroUSD, cost)
		return priceKnown
	case u.CostMicroUSD > 0 && caller.Has(identity.RoleGateway):
		return priceStated
	case u.Model == "":
		return priceUnnamed
	}
	return priceUnknown
}

// refuseNegative is for callers that the contract has not checked.
func refuseNegative(u action.Usage, field string) error {
	if min(u.CostMicroUSD, u.Tokens, u.InputTokens, u.OutputTokens) < 0 {
		return &Error{Problem: Invalid, Reason: "NEGATIVE_AMOUNT", Field: field, Detail: "money and tokens are never negative"}
	}
	return nil
}

func (j *judgement) wants() limit.Amounts {
	a := j.req.Action
	return limit.Amounts{
		Calls: 1, CostMicroUSD: j.bill.estimate.CostMicroUSD, Tokens: j.bill.estimate.Tokens,
		Bytes: int64(a.ArgumentsBytes) + int64(len(a.Content)) + httpBytes(a.HTTP),
	}
}

// recipientDigits, in hexadecimal, say into how many the recipients of one agent are told apart. Two that fall together are counted together, which
// over-counts; made-up ones make no more counters than that.
const recipientDigits = 3

// recipient is who an action of a tool that writes affects, and what it may come to, for limits that add up what
// goes to one recipient (threat A2). Recipients are the values that are addresses by their shape, or where there is none all
// sinks; how they are spelt makes no difference.
func (e *Engine) recipient(j *judgement) (who string, amount int64) {
	if !j.role.Writes {
		return "", 0
	}
	if amount = j.req.Action.MostAmount(); amount == 0 {
		return "", 0
	}
	var addresses, all []string
	values, arguments, _ := argumentsOf(&j.req.Action, j.facts)
	for i, v := range values {
		if !j.traced[i].sink {
			continue
		}
		name := origin.Folded(v.Text)
		if v.Pointer == "/http/url" { // whatever the path and the query
			name = origin.Folded(nonEmpty(hostAt(j.facts, v.Pointer), v.Text))
		}
		all = append(all, name)
		if arguments[i].Address {
			addresses = append(addresses, name)
		}
	}
	if len(addresses) == 0 {
		addresses = all
	}
	if len(addresses) == 0 {
		return "", 0
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses) // one who stands there twice is one
	name := e.Keys.Fingerprint(j.req.Principal.Tenant, joined(addresses...))
	return name[len(name)-recipientDigits:], min(amount, ledger.MaxUnits)
}

// hostAt is the host of the value at a pointer.
func hostAt(facts []action.Fact, pointer string) string {
	for _, f := range facts {
		if f.Pointer == pointer && f.Host != "" {
			return f.Host
		}
	}
	return ""
}
