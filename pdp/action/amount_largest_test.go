package action

import (
	"math"
	"testing"
)

func TestLargestAmount(t *testing.T) {
	for arguments, want := range map[string]struct {
		whole   int64
		unclear bool
	}{
		`{}`:                              {0, false},
		`{"to": "ann", "count": 5000}`:    {0, false},
		`{"amount": 12}`:                  {12, false},
		`{"amount": 12.01}`:               {13, false},
		`{"amount": -500}`:                {500, false},
		`{"amount": "1,234.50 EUR"}`:      {1235, false},
		`{"amount": "１２３４５"}`:             {12345, false},
		`{"amount": "1.000"}`:             {1, true},
		`{"amount": "1,000"}`:             {1000, true},
		`{"amount": "a lot"}`:             {0, true},
		`{"amount": 1e300}`:               {math.MaxInt64, false},
		`{"amount": 9223372036854775807}`: {math.MaxInt64, false},
		`{"amount": 1e-300}`:              {1, false},
		`{"amount": null}`:                {0, false},
		`{"amount": {"total_amount": 7, "currency": "EUR"}}`:    {7, false},
		`{"amounts": [5, "70", {"fee": 9}]}`:                    {70, false},
		`{"lines": [{"price": 3}, {"price": 40}], "amount": 5}`: {40, false},
	} {
		args, err := ParseArguments(arguments, DefaultBounds())
		if err != nil {
			t.Fatal(err)
		}
		a := Action{Kind: KindToolCall, Arguments: args}
		if whole, unclear := a.LargestAmount(); whole != want.whole || unclear != want.unclear {
			t.Errorf("%s: %d, %v; want %d, %v", arguments, whole, unclear, want.whole, want.unclear)
		}
	}
	if whole, unclear := (&Action{}).LargestAmount(); whole != 0 || unclear {
		t.Errorf("no arguments: %d, %v", whole, unclear)
	}
}
