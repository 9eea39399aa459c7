package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"buf.build/go/protovalidate"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"google.golang.org/protobuf/encoding/protojson"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

// Failure is an evaluation that gave no decision. Reason is stable; Detail is for operators and names rules and
// lines, never values.
type Failure struct {
	Reason string
	Err    error
}

func (f *Failure) Error() string { return f.Reason + ": " + f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Reasons of a Failure.
const (
	ReasonUndefined   = "POLICY_UNDEFINED"    // the entrypoint has no value
	ReasonError       = "POLICY_ERROR"        // a built-in or a conflict of rules
	ReasonTimeout     = "POLICY_TIMEOUT"      // the deadline passed
	ReasonBadDecision = "POLICY_BAD_DECISION" // the value is not a Decision
	ReasonPanic       = "POLICY_PANIC"        // a bug below us
)

// evaluate runs the policy once. It never panics and never returns a nil decision without an error.
func (s *Snapshot) evaluate(ctx context.Context, in Input) (out *policyv1.Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, &Failure{ReasonPanic, fmt.Errorf("%v\n%s", p, debug.Stack())}
		}
	}()
	value, err := in.value(s.readsArgs)
	if err != nil {
		return nil, &Failure{ReasonError, err}
	}
	results, err := s.query.Eval(ctx, rego.EvalParsedInput(value))
	switch {
	case err != nil && (topdown.IsCancel(err) || ctx.Err() != nil):
		return nil, &Failure{ReasonTimeout, errors.Join(ctx.Err(), errors.New("evaluation was cut off"))}
	case err != nil:
		return nil, &Failure{ReasonError, withoutValues(err)}
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return nil, &Failure{ReasonUndefined, errors.New(Entrypoint + " is undefined")}
	}
	return readDecision(results[0].Expressions[0].Value)
}

// withoutValues keeps code and place of an OPA error: its message may quote a value of the input.
func withoutValues(err error) error {
	if e, ok := errors.AsType[*topdown.Error](err); ok {
		return fmt.Errorf("%s at %v", e.Code, e.Location)
	}
	if list, ok := errors.AsType[ast.Errors](err); ok && len(list) > 0 {
		return fmt.Errorf("%s at %v", list[0].Code, list[0].Location)
	}
	return errors.New("evaluation failed")
}

// readDecision checks the value of the entrypoint against the message Decision: its fields, no others, and the
// rules that stand beside them in the contract.
func readDecision(value any) (*policyv1.Decision, error) {
	raw, err := encodeJSON(value)
	if err != nil {
		return nil, &Failure{ReasonBadDecision, err}
	}
	decision := &policyv1.Decision{}
	if err := protojson.Unmarshal(raw, decision); err != nil {
		return nil, &Failure{ReasonBadDecision, errors.New("the entrypoint's value has unknown fields or wrong types")}
	}
	if err := protovalidate.Validate(decision); err != nil {
		return nil, &Failure{ReasonBadDecision, fmt.Errorf("the entrypoint's value breaks its schema: %w", err)}
	}
	if len(decision.GetReasons()) == 0 && decision.GetEffect() != "allow" {
		return nil, &Failure{ReasonBadDecision, errors.New("a decision other than allow gives at least one reason")}
	}
	asks := func(r *policyv1.Reason) bool { return r.GetEffect() == "ask" }
	if decision.GetEffect() == "require_approval" && !slices.ContainsFunc(decision.GetReasons(), asks) {
		// Approvals and grants are bound to the rules that asked: without one, any of them would do.
		return nil, &Failure{ReasonBadDecision, errors.New("a decision that asks has at least one reason that asks")}
	}
	return decision, nil
}
