package action

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
)

// LargestAmount is the largest amount among the arguments, without its sign, in whole units, rounded up, and at most the
// largest int64; 0 if there is none. What an amount is, its name says, as for Facts; nobody knows the currency. unclear is
// true if one could not be read, or not in one way only: then it may be any.
func (a *Action) LargestAmount() (whole int64, unclear bool) {
	if a.Arguments == nil {
		return 0, false
	}
	walk("/"+fieldArguments, "", a.Arguments, 0, func(n node) {
		name := names{name: n.name, words: wordsOf(n.name)}
		if !name.last(amountNames) {
			return
		}
		switch n.value.(type) {
		case string, json.Number:
		default: // what is in a list or an object is looked at by itself
			return
		}
		exact, ambiguous, ok := CanonicalAmount(n.value)
		if !ok || ambiguous {
			unclear = true
		}
		if ok {
			whole = max(whole, wholeUnits(exact))
		}
	}, func(string, string) {})
	return whole, unclear
}

// wholeUnits rounds away from zero and drops the sign.
func wholeUnits(n json.Number) int64 {
	r, ok := new(big.Rat).SetString(strings.TrimPrefix(string(n), "-"))
	if !ok {
		return math.MaxInt64
	}
	up := new(big.Int).Add(r.Num(), new(big.Int).Sub(r.Denom(), big.NewInt(1)))
	if up.Quo(up, r.Denom()); !up.IsInt64() {
		return math.MaxInt64
	}
	return up.Int64()
}
