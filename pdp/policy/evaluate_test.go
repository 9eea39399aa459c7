package policy

import (
	"context"
	"strings"
	"testing"
	"time"
)

// breaks is the small decision for all tools but `boom`, for which it has this body.
func breaks(rest string) string {
	return strings.Replace(smallDecision, "decision := answer(\"allow\", []) if {", "decision := answer(\"allow\", []) if {\n\tinput.action.tool != \"boom\"", 1) + rest
}

func TestThreat_E4_ABrokenPolicyDenies(t *testing.T) {
	// replaced puts a part of the answer for `boom` in another shape.
	replaced := func(field, value string) string {
		return strings.Replace(breaks(""), "[refusal])\n",
			"[refusal]) if {\n\tinput.action.tool != \"boom\"\n} else := object.union(answer(\"allow\", []), {\""+field+"\": "+value+"})\n", 1)
	}
	for name, tc := range map[string]struct{ decision, known, want string }{
		"conflict":           {decision: breaks("\ndecision := answer(\"deny\", [refusal, refusal]) if input.action.tool == \"boom\"\n"), want: ReasonError},
		"undefined":          {decision: strings.Replace(breaks(""), "[refusal])\n", "[refusal]) if input.action.tool != \"boom\"\n", 1), want: ReasonUndefined},
		"not an object":      {decision: strings.Replace(breaks(""), "[refusal])\n", "[refusal]) if input.action.tool != \"boom\"\nelse := true\n", 1), want: ReasonBadDecision},
		"a list":             {decision: strings.Replace(breaks(""), "[refusal])\n", "[refusal]) if input.action.tool != \"boom\"\nelse := [answer(\"allow\", [])]\n", 1), want: ReasonBadDecision},
		"unknown effect":     {decision: replaced("effect", `"permit"`), want: ReasonBadDecision},
		"effect in capitals": {decision: replaced("effect", `"ALLOW"`), want: ReasonBadDecision},
		"effect of a type":   {decision: replaced("effect", `true`), want: ReasonBadDecision},
		"asks for nothing":   {decision: replaced("effect", `"require_approval"`), want: ReasonBadDecision},
		"no effect":          {decision: replaced("effect", `""`), want: ReasonBadDecision},
		"unknown field":      {decision: replaced("allowed", `true`), want: ReasonBadDecision},
		"reasons of a type":  {decision: replaced("reasons", `"none"`), want: ReasonBadDecision},
		"deny, no reason":    {decision: replaced("effect", `"deny"`), want: ReasonBadDecision},
		"no end of asking":   {decision: replaced("approval", `{"ttl_seconds": 86401, "quorum": 1}`), want: ReasonBadDecision},
		"nobody to approve":  {decision: replaced("approval", `{"ttl_seconds": 60, "quorum": 0}`), want: ReasonBadDecision},
		"built-in error":     {known: smallKnown + "\ndeny contains \"n\" if {\n\tinput.action.tool == \"boom\"\n\tto_number(input.action.tool) > 1\n}\n", want: ReasonError},
		"division by zero":   {known: smallKnown + "\ndeny contains \"n\" if {\n\tinput.action.tool == \"boom\"\n\t1 / input.action.content_bytes > 1\n}\n", want: ReasonError},
		"two values":         {known: smallKnown + "\ndeny contains \"n\" if pick(input.action.tool) == 3\n\npick(x) := 1 if x != \"\"\n\npick(x) := 2 if x == \"boom\"\n", want: ReasonError},
		"over the deadline":  {known: endless(`input.action.tool == "boom"`), want: ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			b := small(t)
			if tc.decision != "" {
				b.Modules["portcullis/decision.rego"] = tc.decision
			}
			if tc.known != "" {
				b.Modules["rules/known.rego"] = tc.known
			}
			s := load(t, b)
			e := evaluator(t, 100)
			if got, err := e.Evaluate(t.Context(), s, call("add")); err != nil || got.GetEffect() != "allow" {
				t.Fatalf("before it breaks: %v, %v; want an allow", got, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if tc.want == ReasonTimeout {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			got, err := e.Evaluate(ctx, s, call("boom"))
			if failure(err) != tc.want || got != nil {
				t.Fatalf("%v, %v; want no decision and %s", got, err, tc.want)
			}
			e.memoWait()
			if got, err := e.Evaluate(ctx, s, call("boom")); failure(err) != tc.want || got != nil {
				t.Fatalf("again: %v, %v; want the same", got, err)
			}
		})
	}
}

func TestThreat_E4_APanicBelowDenies(t *testing.T) {
	got, err := (&Snapshot{}).evaluate(t.Context(), call("add"))
	if failure(err) != ReasonPanic || got != nil {
		t.Fatalf("%v, %v; want no decision and %s", got, err, ReasonPanic)
	}
}

func TestThreat_E16_AnEvaluationErrorQuotesNoValue(t *testing.T) {
	const canary = "canary-7391"
	b := small(t)
	b.Modules["rules/known.rego"] = smallKnown + "\ndeny contains \"n\" if {\n\tstartswith(input.action.tool, \"canary\")\n\tto_number(input.action.tool) > 1\n}\n"
	_, err := evaluator(t, 0).Evaluate(t.Context(), load(t, b), call(canary))
	wantError(t, err, "rules/known.rego:9")
	if strings.Contains(err.Error(), canary) {
		t.Fatalf("the error quotes the input: %v", err)
	}
}

// A policy that compares a missing counter would see undefined and stay silent: every field is there, zero or not.
func TestThreat_I1_EveryFieldOfTheInputIsFilledIn(t *testing.T) {
	b := small(t)
	b.Modules["rules/known.rego"] = `package portcullis.rules.known

deny contains "tool" if not input.action.tool in {r.tool | some r in data.tables.tools.tools}

passed if {
	is_number(input.action.content_bytes)
	is_number(input.action.estimate.tokens)
	is_boolean(input.session.ended)
	is_array(input.session.labels)
	is_string(input.principal.user)
	is_array(input.provenance)
	is_array(input.findings)
	is_array(input.degraded)
	is_number(input.now.ns)
	is_string(input.action.memory.seal)
	is_object(input.action.arguments)
	not input.views
}
`
	in := call("add")
	in.Action.Estimate, in.Action.Memory, in.Session, in.Now, in.Principal = nil, nil, nil, nil, nil
	got, err := evaluator(t, 0).Evaluate(t.Context(), load(t, b), in)
	if err != nil || got.GetEffect() != "allow" {
		t.Fatalf("%v, %v; want an allow", got, err)
	}
}
