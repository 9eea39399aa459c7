package scan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan/signal"
)

// RuleSuspicion is the rule of findings that the statistical signal makes. Nothing may be denied for one alone.
const RuleSuspicion = "suspicion.injection-likely"

var suspicion = Rule{
	ID: RuleSuspicion, Category: "suspicion", Severity: "low", Confidence: "low",
	Description: "text reads like instructions to a model",
}

const (
	// suspiciousRate is the rate of benign texts that score as high as a text with a finding does.
	suspiciousRate = 0.01
	// leastSuspicious is the length below which the signal says nothing, in bytes.
	leastSuspicious = 48
)

// Suspicions gives the findings of the statistical injection signal, at most one a text, by pointer. It is apart from Scan:
// the Rego reference has nothing like it, and it is worth its time only for what comes in from outside.
func Suspicions(texts []Text) []Finding {
	var out []Finding
	model := signal.Shipped()
	for i := range texts {
		if t := &texts[i]; !t.Name && len(t.Value) >= leastSuspicious && model.FalsePositives(model.Score(t.Value)) <= suspiciousRate {
			out = append(out, finding(suspicion, t.Pointer, 1, ""))
		}
	}
	return out
}

// Merge puts findings of two sources into one list in the order of Result.Findings.
func Merge(a, b []Finding) []Finding {
	if len(b) == 0 {
		return a
	}
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Rule, b.Rule))
	})
	return out
}
