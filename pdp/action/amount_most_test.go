package action

import (
	"math"
	"testing"
)

func TestThreat_A2_AnAmountIsNotSmallerInAnotherSpelling(t *testing.T) {
	for arguments, want := range map[string]int64{
		`{}`:                                 0,
		`{"to": "ann", "count": 5000}`:       0,
		`{"amount": 12.01}`:                  13,
		`{"amount": -500}`:                   500,
		`{"amount": "1.000"}`:                1000,
		`{"amount": "20.500 EUR"}`:           20500,
		`{"amount": "1,000"}`:                1000,
		`{"amount": "1,234.50"}`:             1235,
		`{"amount": "10k"}`:                  math.MaxInt64,
		`{"amount": "10000 dollars or so"}`:  math.MaxInt64,
		`{"amount": "１０k"}`:                  math.MaxInt64,
		`{"amount": "a lot"}`:                0,
		`{"payment": "card"}`:                0,
		`{"payment_id": "p-1871"}`:           0,
		`{"amount_in_cents": 700}`:           700,
		`{"totalEUR": "700"}`:                700,
		`{"eur": 700}`:                       0,
		`{"amounts": [5, "70", {"fee": 9}]}`: 75,
		`{"lines": [{"to": "a", "amount": 15000}, {"to": "a", "amount": 15000}]}`:      30000,
		`{"a": {"amount": 9223372036854775807}, "b": {"amount": 9223372036854775807}}`: math.MaxInt64,
		`{"amount": 5, "price": 3}`: 5,
	} {
		args, err := ParseArguments(arguments, DefaultBounds())
		if err != nil {
			t.Fatal(err)
		}
		a := Action{Kind: KindToolCall, Arguments: args}
		if got := a.MostAmount(); got != want {
			t.Errorf("%s: %d, want %d", arguments, got, want)
		}
	}
}

func TestThreat_A2_AnHTTPRequestHasAmountsToo(t *testing.T) {
	for _, c := range []struct {
		url, body string
		want      int64
	}{
		{"https://bank.example/pay", `{"to": "x", "amount": 700}`, 700},
		{"https://bank.example/pay", ` [{"amount": 700}, {"amount": "1.000"}]`, 1700},
		{"https://bank.example/pay", "to=x&amount=700", 700},
		{"https://bank.example/pay?amount=700", "", 700},
		{"https://bank.example/pay?amount=700&amount=1", "hello", 701},
		{"https://bank.example/pay?a=%zz&amount=700", "{", 700},
		{"%", "amount", 0},
	} {
		a := Action{Kind: KindHTTPRequest, HTTP: &HTTPRequest{URL: c.url, Body: c.body}}
		if got := a.MostAmount(); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.url, c.body, got, c.want)
		}
	}
}
