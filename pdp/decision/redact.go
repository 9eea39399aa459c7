package decision

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// obligationRedact is the obligation that the engine meets by itself: its property `rule` names what was found,
// `pointers` (a JSON list) where, and `replace` what is to stand there instead.
const obligationRedact = "redact"

// obligationEffective is what the caller has to do then: carry out what the answer gives instead of what it asked about.
const obligationEffective = "use_effective"

// What stands in the place of what was found. None of it is the agent's to choose: it is made of letters, digits and a
// dash, so that it means nothing in a command, a URL or a query.
const (
	replaceConstant = "constant" // the same for everything
	replaceToken    = "token"    // the same for the same value, so that an agent can still refer to it
	replaceLast4    = "last4"    // with the last four digits of a number of at least twelve
	redacted        = "redacted"
)

// order is one redaction obligation, read.
type order struct {
	rule, replace string
	pointers      []string
}

// redact replaces what policy wants replaced. What comes out is looked at as the proposed action was: what was to go is
// gone, nothing came in, and no host, path or command is there that was not judged. Whatever of this does not hold
// denies, because then nobody knows what would be done.
func (e *Engine) redact(ctx context.Context, j *judgement) error {
	j.obligations = slices.DeleteFunc(j.obligations, func(o Obligation) bool {
		if o.Type != obligationRedact {
			return false
		}
		j.redactions = append(j.redactions, o)
		return true
	})
	if len(j.redactions) == 0 || j.effect != Allow {
		return nil // a person is asked about the action as proposed
	}
	limited, cancel := context.WithTimeout(ctx, e.cfg.ScanTimeout)
	defer cancel()
	if problem := e.tryRedact(limited, j); problem != "" {
		e.Logger.Error("redaction failed; the action is denied", "decision_id", j.id, "problem", problem)
		j.effective = nil
		j.deny("REDACTION_FAILED", "engine.redact", "What must not be passed on could not be taken out, so the action is denied.", "high")
	}
	return nil
}

// tryRedact returns what went wrong, in words that hold nothing of the action.
func (e *Engine) tryRedact(ctx context.Context, j *judgement) (problem string) {
	orders, ok := readOrders(j.redactions)
	if !ok {
		return "an obligation of the bundle is malformed"
	}
	for _, rule := range j.split {
		if slices.ContainsFunc(orders, func(o order) bool { return o.covers(rule, "") }) {
			return "a part of it has been sent before"
		}
	}
	proposed := &j.req.Action
	before := texts(proposed)
	fingerprint := e.fingerprint(j)
	after, complete := j.snapshot.Scanner.Redact(ctx, before, e.cfg.Scan, func(f scan.Found) (string, bool) {
		i := slices.IndexFunc(orders, func(o order) bool { return o.covers(f.Rule.ID, j.hide(f.Pointer)) })
		if i < 0 {
			return "", false
		}
		return instead(orders[i].replace, f, fingerprint), true
	})
	if !complete {
		return "the action was not inspected to the end"
	}
	changed := map[string]string{}
	for i, t := range before {
		if after[i] != t.Value {
			changed[t.Pointer] = after[i]
		}
	}
	effective, err := proposed.WithTexts(changed)
	if err != nil {
		return "a name would have to be replaced"
	}
	if !action.SameShape(proposed.Arguments, effective.Arguments) {
		return "the arguments would have another shape"
	}
	if _, err := effective.Canonical(); err != nil {
		return "the result is no action"
	}
	j.effective = effective
	return e.checkRedacted(ctx, j, orders)
}

// checkRedacted looks at the result as if it had been proposed.
func (e *Engine) checkRedacted(ctx context.Context, j *judgement, orders []order) (problem string) {
	result := j.snapshot.Scanner.Scan(ctx, texts(j.effective), nil, e.cfg.Scan)
	if result.Incomplete {
		return "the result was not inspected to the end"
	}
	for _, f := range j.unsuppressed(result.Findings) {
		f.Pointer = j.hide(f.Pointer)
		if slices.ContainsFunc(orders, func(o order) bool { return o.covers(f.Rule, f.Pointer) }) {
			return "what was to be replaced is still found"
		}
		if !slices.ContainsFunc(j.findings, func(o scan.Finding) bool { return o.Rule == f.Rule && o.Pointer == f.Pointer }) {
			return "something is found that was not there before"
		}
	}
	for _, f := range e.factsOf(j, j.effective) {
		f.Pointer = j.hide(f.Pointer)
		if !slices.ContainsFunc(j.facts, func(o action.Fact) bool { return sameFact(o, f) }) {
			return "the result reaches for something that was not judged"
		}
	}
	return ""
}

func sameFact(a, b action.Fact) bool {
	return a.Pointer == b.Pointer && a.Type == b.Type && a.Class == b.Class && a.Host == b.Host && a.Scheme == b.Scheme &&
		a.Port == b.Port && a.NearMissOf == b.NearMissOf && slices.Equal(a.Flags, b.Flags) && slices.Equal(a.Programs, b.Programs)
}

func (o order) covers(rule, pointer string) bool {
	return o.rule == rule && slices.Contains(o.pointers, pointer)
}

func readOrders(obligations []Obligation) (orders []order, ok bool) {
	for _, o := range obligations {
		r := order{rule: o.Properties["rule"], replace: o.Properties["replace"]}
		if json.Unmarshal([]byte(o.Properties["pointers"]), &r.pointers) != nil || len(r.pointers) == 0 || r.rule == "" {
			return nil, false
		}
		if !slices.Contains([]string{replaceConstant, replaceToken, replaceLast4}, r.replace) {
			return nil, false
		}
		orders = append(orders, r)
	}
	return orders, true
}

// instead is the text that stands for what was found.
func instead(how string, f scan.Found, fingerprint func(string) string) string {
	if end, ok := lastDigits(f.Value); ok && how == replaceLast4 {
		return redacted + "-" + end
	}
	if how == replaceConstant {
		return redacted
	}
	return redacted + "-" + fingerprint(f.Value)
}

// lastDigits are the last four of a number of which they tell little.
func lastDigits(value string) (end string, ok bool) {
	const least, shown = 12, 4
	if len(value) < least {
		return "", false
	}
	end = value[len(value)-shown:]
	for _, c := range []byte(end) {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return end, true
}

// effectiveOf are the parts of an action that differ from what was proposed.
func effectiveOf(proposed, effective action.Action) *Effective {
	out := &Effective{}
	if arguments, ok := effective.Arguments.(map[string]any); ok {
		before, _ := proposed.Arguments.(map[string]any)
		raw, err := action.CanonicalArguments(arguments)
		old, errOld := action.CanonicalArguments(before)
		if err == nil && (errOld != nil || string(raw) != string(old)) {
			out.ArgumentsJSON = string(raw)
		}
	}
	if effective.Content != proposed.Content {
		out.Content = effective.Content
	}
	if h := effective.HTTP; h != nil && (h.URL != proposed.HTTP.URL || h.Body != proposed.HTTP.Body || !slices.Equal(h.Headers, proposed.HTTP.Headers)) {
		out.HTTP = h
	}
	return out
}
