package portcullis

import (
	"cmp"
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// Run is one guarded action under way.
type Run struct {
	// Decision is the allow that it runs on.
	Decision *Decision
	// Arguments (JSON), Content and HTTP are what to carry out: what was asked about or, with UseEffective, what the PDP gave
	// instead. They are nil or empty where there was nothing of the sort. Arguments may differ in spelling from what was given.
	Arguments []byte
	Content   string
	HTTP      *portcullisv1.HttpRequest
	// Actual is what the action really cost; set it where it is known, otherwise the estimate stands.
	Actual *portcullisv1.Usage
}

// Guard asks, and calls do only if the answer is an allow that still stands. With WaitFor it waits for a person where one is needed,
// and redeems the approval. It reports the outcome: an error of do is FAILED, and returned as it is. If do was not called, the error
// is a *DeniedError. The arguments must not change meanwhile: if they did, do is not called.
func (c *Client) Guard(ctx context.Context, a Action, do func(ctx context.Context, run *Run) error, opts ...Option) error {
	o := apply(opts)
	arguments, err := encode(a.Arguments)
	if err != nil {
		return refuse(ReasonArgumentsInvalid, codes.InvalidArgument, err).Err()
	}
	// A copy, which later changes do not reach.
	asked := proto.CloneOf(a.proto(arguments))
	d := c.decide(ctx, asked, o)
	if d.NeedsApproval() && o.wait > 0 {
		v := c.Wait(ctx, d.ApprovalID, o.wait)
		if !v.Approved() {
			return d.unapproved(v)
		}
		d = c.decide(ctx, asked, options{approvalID: d.ApprovalID, effective: o.effective})
	}
	if err := d.Err(); err != nil {
		return err
	}
	if err := c.prepare(ctx, d, a, asked); err != nil {
		return err
	}
	return c.carryOut(ctx, newRun(d, asked), do)
}

// newRun is what to carry out on an allow.
func newRun(d *Decision, asked *portcullisv1.Action) *Run {
	run := &Run{Decision: d, Content: asked.GetContent(), HTTP: asked.GetHttp()}
	if text := cmp.Or(d.Response.GetEffectiveArgumentsJson(), asked.GetArgumentsJson()); text != "" {
		run.Arguments = []byte(text)
	}
	run.Content = cmp.Or(d.Response.GetEffectiveContent(), run.Content)
	if h := d.Response.GetEffectiveHttp(); h != nil {
		run.HTTP = h
	}
	return run
}

// unapproved is the error of an ask that nobody said yes to. It stays open where that is only a matter of waiting.
func (d *Decision) unapproved(v Verdict) error {
	out := d.turnedDown(v.Reason, v.cause)
	if v.State == portcullisv1.ApprovalState_APPROVAL_STATE_PENDING {
		out.Effect = d.Effect
	}
	return &DeniedError{Decision: out, Verdict: &v}
}

// prepare makes sure that what is about to run is what was judged, and that the conditions of the allow are met.
func (c *Client) prepare(ctx context.Context, d *Decision, a Action, judged *portcullisv1.Action) error {
	for _, o := range d.Response.GetObligations() {
		if o.GetType() == obligationEffective {
			continue // do has it in its Run
		}
		if err := c.obligations[o.GetType()](ctx, o); err != nil {
			return &DeniedError{Decision: d.turnedDown(ReasonObligationUnmet, fmt.Errorf("obligation %s: %w", o.GetType(), err))}
		}
	}
	if now, err := encode(a.Arguments); err != nil || !proto.Equal(a.proto(now), judged) {
		return &DeniedError{Decision: d.turnedDown(ReasonArgumentsChanged, err)}
	}
	return d.Err() // time has passed
}

func (c *Client) carryOut(ctx context.Context, run *Run, do func(context.Context, *Run) error) error {
	d := run.Decision
	// What stands if do panics: nobody knows how far it came.
	outcome := portcullisv1.OutcomeStatus_OUTCOME_STATUS_UNKNOWN
	defer func() {
		// The report is due even if the caller gave up. If it does not arrive, the action stays charged in full.
		if err := c.Report(context.WithoutCancel(ctx), d.ID, outcome, run.Actual); err != nil {
			code, reason := explain(err)
			c.log.WarnContext(ctx, "outcome not reported", "decision_id", d.ID, "outcome", outcome.String(), "code", code.String(), "reason", reason)
		}
	}()
	err := do(ctx, run)
	outcome = portcullisv1.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED
	if err != nil {
		outcome = portcullisv1.OutcomeStatus_OUTCOME_STATUS_FAILED
	}
	return err
}
