package action

import (
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// MostAmount is what an action may come to: of each name of an amount the sum of its values, without signs, and of these sums
// the largest, in whole units, rounded up, and at most the largest int64; 0 if there is none. Unlike LargestAmount it takes the
// larger of two readings, what has digits and cannot be read for the largest there is, and looks into the query and the body of an
// HTTP request too (JSON or a form), so that another spelling does not make an amount smaller.
func (a *Action) MostAmount() int64 {
	sums := map[string]int64{}
	visit := func(n node) {
		name := amountName(n.name)
		if name == "" {
			return
		}
		switch n.value.(type) {
		case string, json.Number:
			sums[name] = saturated(sums[name], mostOf(n.value))
		default: // what is in a list or an object is looked at by itself
		}
	}
	look := func(v any) { walk("", "", v, 0, visit, func(string, string) {}) }
	if a.Arguments != nil {
		look(a.Arguments)
	}
	if a.HTTP != nil {
		if u, err := url.Parse(a.HTTP.URL); err == nil {
			look(formOf(u.RawQuery))
		}
		look(bodyOf(a.HTTP.Body))
	}
	most := int64(0)
	for _, sum := range sums {
		most = max(most, sum)
	}
	return most
}

// bodyOf is what a body says, if it is JSON or a form. A list at the top, which arguments cannot be, is put into an object.
func bodyOf(body string) any {
	text := strings.TrimSpace(body)
	if strings.HasPrefix(text, "[") {
		text = `{"": ` + text + `}`
	}
	if parsed, err := ParseArguments(text, DefaultBounds()); err == nil {
		return parsed
	}
	return formOf(text)
}

// formOf is what a form says. What of it cannot be read is left out.
func formOf(text string) any {
	values, _ := url.ParseQuery(text) // an error leaves the rest, which counts
	form := make(map[string]any, len(values))
	for name, list := range values {
		var all []any
		for _, v := range list {
			all = append(all, v)
		}
		form[name] = all
	}
	return form
}

// amountUnits may stand after the name of an amount: `amount_in_cents`, `totalEur`.
var amountUnits = []string{"in", "cent", "cents", "pence", "minor", "major", "unit", "units", "usd", "eur", "gbp", "chf", "jpy", "dollar", "dollars", "euro", "euros", "pound", "pounds"}

// amountName is the name of an amount without its unit, in lower case; empty for another name.
func amountName(name string) string {
	words := wordsOf(name)
	for len(words) > 1 && slices.Contains(amountUnits, words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if !(names{name: name, words: words}).last(amountNames) {
		return ""
	}
	return strings.Join(words, " ")
}

// mostOf is the larger of the ways to read an amount.
func mostOf(v any) int64 {
	exact, ambiguous, ok := CanonicalAmount(v)
	text, _ := v.(string)
	switch {
	case !ok && strings.ContainsFunc(nfkc(text), unicode.IsDigit):
		return math.MaxInt64
	case !ok:
		return 0
	case ambiguous && !strings.Contains(nfkc(text), ","): // `20.500` has three digits after its point, which may be one for thousands
		return wholeUnits(exact + "e3")
	}
	return wholeUnits(exact)
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
