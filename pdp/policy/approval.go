package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

// approverPackage says who may approve. It is evaluated when a person is asked and when one votes, never along with a
// decision: nothing that decides may lean on it.
const approverPackage = "data.portcullis.approval"

// The rules of the approver policy that are evaluated.
const (
	TermsEntrypoint = approverPackage + ".terms"
	VoteEntrypoint  = approverPackage + ".vote"
)

// reviewFields are what the approver policy may look at of `input`: all else is empty there.
var reviewFields = [][]string{
	{"review"},
	{"principal", "tenant"},
	{"principal", "agent"},
	{"principal", "session"},
	{"principal", "run"},
	{"principal", "user"},
	{"principal", "profile"},
	{"principal", "known"},
	{"action", "kind"},
	{"action", "tool"},
	{"action", "server"},
	{"action", "digest"},
	{"action", "estimate"},
}

// Terms says how people are asked about in.Review, or a *Failure: then nobody can be asked.
func (s *Snapshot) Terms(ctx context.Context, in *policyv1.Input) (*policyv1.ApprovalTerms, error) {
	out := &policyv1.ApprovalTerms{}
	if err := s.ask(ctx, s.terms, TermsEntrypoint, in, out); err != nil {
		return nil, err
	}
	var last int64
	for i, stage := range out.GetStages() {
		if i == 0 && stage.GetAfterSeconds() != 0 || stage.GetAfterSeconds() < last {
			return nil, &Failure{ReasonBadDecision, errors.New("the stages are not in order, or the first does not open at once")}
		}
		last = stage.GetAfterSeconds()
	}
	return out, nil
}

// Vote says whether in.Review.Voter may give that verdict now, or a *Failure: then nobody may.
func (s *Snapshot) Vote(ctx context.Context, in *policyv1.Input) (*policyv1.VoteRuling, error) {
	out := &policyv1.VoteRuling{}
	if err := s.ask(ctx, s.vote, VoteEntrypoint, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// ask evaluates one rule of the approver policy into the message that its value must be. It never panics.
func (s *Snapshot) ask(ctx context.Context, query *rego.PreparedEvalQuery, rule string, in *policyv1.Input, into proto.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Failure{ReasonPanic, fmt.Errorf("%v\n%s", p, debug.Stack())}
		}
	}()
	if query == nil {
		return &Failure{ReasonUndefined, errors.New("no module defines " + rule)}
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(messageValue(in.ProtoReflect())))
	switch {
	case err != nil && (topdown.IsCancel(err) || ctx.Err() != nil):
		return &Failure{ReasonTimeout, errors.Join(ctx.Err(), errors.New("evaluation was cut off"))}
	case err != nil:
		return &Failure{ReasonError, withoutValues(err)}
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return &Failure{ReasonUndefined, errors.New(rule + " is undefined")}
	}
	raw, err := encodeJSON(results[0].Expressions[0].Value)
	if err != nil {
		return &Failure{ReasonBadDecision, err}
	}
	if err := protojson.Unmarshal(raw, into); err != nil {
		return &Failure{ReasonBadDecision, errors.New("the value of " + rule + " has unknown fields or wrong types")}
	}
	if err := protovalidate.Validate(into); err != nil {
		return &Failure{ReasonBadDecision, fmt.Errorf("the value of %s breaks its schema: %w", rule, err)}
	}
	return nil
}

// prepareApprover prepares the approver policy, if the bundle has one.
func (s *Snapshot) prepareApprover(ctx context.Context, c *ast.Compiler, options ...func(*rego.Rego)) error {
	for rule, query := range map[string]**rego.PreparedEvalQuery{TermsEntrypoint: &s.terms, VoteEntrypoint: &s.vote} {
		if len(c.GetRulesExact(ast.MustParseRef(rule))) == 0 {
			continue
		}
		prepared, err := rego.New(append(slices.Clip(options), rego.Query(rule))...).PrepareForEval(ctx)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", rule, err)
		}
		*query = &prepared
	}
	return nil
}

// tryApprover evaluates the approver policy on an ask of which nothing is known.
func (s *Snapshot) tryApprover(ctx context.Context) error {
	in := emptyInput()
	in.Review = &policyv1.Review{}
	if s.vote != nil {
		if ruling, err := s.Vote(ctx, in); err == nil && ruling.GetMayVote() {
			return errors.New("trial vote: nobody, on nothing, may vote")
		} else if err != nil && failureReason(err) != ReasonUndefined {
			return fmt.Errorf("trial vote: %w", err)
		}
	}
	if s.terms != nil {
		if _, err := s.Terms(ctx, in); err != nil && failureReason(err) != ReasonUndefined {
			return fmt.Errorf("trial of how people are asked: %w", err)
		}
	}
	return nil
}

func failureReason(err error) string {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Reason
	}
	return ""
}

// checkApprover refuses a bundle whose rules ask and that does not say who may approve; an approver policy that looks at
// what is empty for it; and a decision that leans on it.
func checkApprover(c *ast.Compiler) error {
	var errs []error
	asks := false
	for _, module := range c.Modules {
		pkg := module.Package.Path.String()
		if pkg != approverPackage {
			asks = asks || strings.HasPrefix(pkg, "data.portcullis.rules.") && exportsAsk(module)
			errs = append(errs, checkDecider(c, module)...)
			continue
		}
		for _, path := range pathsOf(module) {
			if !covered(path) {
				errs = append(errs, fmt.Errorf("%s reads input.%s, which is empty when people are asked or vote: see input.review", pkg, strings.Join(path, ".")))
			}
		}
	}
	for _, rule := range []string{TermsEntrypoint, VoteEntrypoint} {
		if asks && len(c.GetRulesExact(ast.MustParseRef(rule))) == 0 {
			errs = append(errs, fmt.Errorf("rules of this bundle ask for a person, but no module defines %s: nobody could approve", rule))
		}
	}
	return errors.Join(errs...)
}

func covered(path []string) bool {
	for _, field := range reviewFields {
		if covers(field, path) {
			return true
		}
	}
	return false
}

func exportsAsk(module *ast.Module) bool {
	for _, rule := range module.Rules {
		if head := rule.Head.Ref(); len(head) > 0 && strings.Trim(head[0].String(), `"`) == "ask" {
			return true
		}
	}
	return false
}

// checkDecider looks at a module that takes part in decisions.
func checkDecider(c *ast.Compiler, module *ast.Module) (errs []error) {
	if strings.HasPrefix(module.Package.Path.String(), "data.portcullis.lib.") {
		return nil // shared with the approver policy
	}
	for _, path := range pathsOf(module) {
		if len(path) > 0 && path[0] == "review" {
			errs = append(errs, fmt.Errorf("%s reads input.review, which only %s has", module.Package.Path, approverPackage))
		}
	}
	for _, rule := range module.Rules {
		for on := range c.Graph.Dependencies(rule) {
			if other, ok := on.(*ast.Rule); ok && other.Module.Package.Path.String() == approverPackage {
				errs = append(errs, fmt.Errorf("%s: %s leans on %s, which is evaluated by itself only", rule.Location, module.Package.Path, other.Ref()))
			}
		}
	}
	return errs
}
