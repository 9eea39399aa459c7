package decision

import (
	"context"
	"errors"
	"hash/maphash"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

var claimSeed = maphash.MakeSeed()

// claim admits one report on a decision at a time.
func (e *Engine) claim(ctx context.Context, id string) (release func(), err error) {
	slot := e.claims[maphash.String(claimSeed, id)%uint64(len(e.claims))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ReportOutcome settles what an allowed action reserved, once, and feeds the breakers. The first report stands.
func (e *Engine) ReportOutcome(ctx context.Context, caller identity.Caller, o Outcome) (OutcomeResult, error) {
	release, err := e.claim(ctx, o.DecisionID)
	if err != nil {
		return OutcomeResult{}, err
	}
	defer release()
	if o.Actual != nil {
		if err := refuseNegative(*o.Actual, "actual"); err != nil {
			return OutcomeResult{}, err
		}
	}
	r, err := e.loadRecord(o.DecisionID)
	switch {
	case errors.Is(err, errNoRecord), err == nil && !caller.MaySpeakFor(r.Subject.Tenant, r.Subject.Agent):
		return OutcomeResult{}, &Error{
			Problem: NotFound, Reason: "DECISION_UNKNOWN", Field: "decision_id",
			Detail: "no decision of this agent has this id, or it is more than a day old",
		}
	case err != nil:
		return OutcomeResult{}, e.outcomeFailure(o, err)
	case r.Effect != Allow:
		return OutcomeResult{}, &Error{
			Problem: FailedPrecondition, Reason: "DECISION_NOT_ALLOWED", Field: "decision_id",
			Detail: "the decision did not allow the action, so it has no outcome",
		}
	case r.Outcome != nil:
		return OutcomeResult{Charged: r.Outcome.Charged, Breakers: e.breakersNow(ctx, r.Subject)}, nil
	}
	return e.settle(ctx, caller, o, r)
}

func (e *Engine) settle(ctx context.Context, caller identity.Caller, o Outcome, r *record) (OutcomeResult, error) {
	ctx, cancel := timely(context.WithoutCancel(ctx)) // a report that has begun is finished
	defer cancel()
	snapshot, err := e.Policies.Active()
	if err != nil {
		return OutcomeResult{}, e.outcomeFailure(o, err)
	}
	charged := r.actual(&snapshot.Tables, caller, o.Actual)
	settled, err := e.Limits.Settle(ctx, snapshot.Tables.LimitSet, r.Subject.Tenant, r.Reservation, limit.Amounts{CostMicroUSD: charged.CostMicroUSD, Tokens: charged.Tokens})
	switch {
	case err == nil:
		charged.CostMicroUSD, charged.Tokens = settled.Charged.CostMicroUSD, settled.Charged.Tokens
	case errors.Is(err, limit.ErrUnknownReservation): // gone, and charged in full: what went beyond it is debt
		if err := e.debt(ctx, r, charged); err != nil {
			return OutcomeResult{}, e.outcomeFailure(o, err)
		}
		charged.CostMicroUSD, charged.Tokens = max(charged.CostMicroUSD, r.Usage.CostMicroUSD), max(charged.Tokens, r.Usage.Tokens)
	default:
		return OutcomeResult{}, e.outcomeFailure(o, err)
	}
	if err := e.count(ctx, o, r); err != nil {
		return OutcomeResult{}, e.outcomeFailure(o, err)
	}
	r.Outcome = &recordOutcome{Status: o.Status, Charged: charged}
	if err := e.saveRecord(o.DecisionID, r); err != nil {
		return OutcomeResult{}, e.outcomeFailure(o, err)
	}
	result := OutcomeResult{Applied: true, Charged: charged, Breakers: e.breakersNow(ctx, r.Subject)}
	if err := e.Log.Append(ctx, outcomeEntry(e.Now(), caller, o, r, result)); err != nil {
		return OutcomeResult{}, e.outcomeFailure(o, err)
	}
	return result, nil
}

// debt charges what an action cost beyond an estimate that can no longer be settled.
func (e *Engine) debt(ctx context.Context, r *record, actual action.Usage) error {
	excess := limit.Amounts{
		CostMicroUSD: max(actual.CostMicroUSD-r.Usage.CostMicroUSD, 0), Tokens: max(actual.Tokens-r.Usage.Tokens, 0),
	}
	if excess == (limit.Amounts{}) {
		return nil
	}
	snapshot, err := e.Policies.Active()
	if err != nil {
		return err
	}
	_, err = e.Limits.Add(ctx, snapshot.Tables.LimitSet, &r.Subject, &excess)
	return err
}

// count feeds failures into limits and the outcome into breakers.
func (e *Engine) count(ctx context.Context, o Outcome, r *record) error {
	snapshot, err := e.Policies.Active()
	if err != nil {
		return err
	}
	if o.Status == Failed {
		statuses, err := e.Limits.Add(ctx, snapshot.Tables.LimitSet, &r.Subject, &limit.Amounts{Failures: 1})
		if err != nil {
			return err
		}
		for _, s := range statuses {
			if s.Exceeded && s.OnExceed == limit.Alert {
				e.raise(r.Subject, s)
			}
		}
	}
	changes, err := e.Breakers.Record(ctx, snapshot.Tables.Breakers, r.Subject, o.DecisionID, breakerOutcome(o.Status))
	for _, c := range changes { // also those before an error: they stand
		e.breakerChanged(r.Subject, c.Name, c.State)
	}
	return err
}

func (e *Engine) breakerChanged(who limit.Subject, name string, state breaker.State) {
	e.Observer.BreakerChanged(string(state))
	e.Events.Publish(event.Event{
		Type: event.Breaker, Tenant: who.Tenant,
		Message:    "breaker " + name + " is " + string(state) + " for agent " + who.Agent,
		Attributes: map[string]string{"breaker": name, "state": string(state), "agent": who.Agent, "tool": who.Tool},
	})
}

// probed tells of the breakers that let an action through as their probe.
func (e *Engine) probed(j *judgement) {
	if !j.probing {
		return
	}
	for _, b := range j.breakers {
		if b.Probe {
			e.breakerChanged(j.subject(), b.Name, breaker.HalfOpen)
		}
	}
}

func (e *Engine) breakersNow(ctx context.Context, who limit.Subject) []breaker.Status {
	snapshot, err := e.Policies.Active()
	if err != nil {
		return nil
	}
	out, err := e.Breakers.Peek(ctx, snapshot.Tables.Breakers, who)
	if err != nil {
		e.Logger.Error("breakers cannot be read", "error", err.Error())
	}
	return out
}

func (e *Engine) outcomeFailure(o Outcome, err error) error {
	e.Logger.Error("outcome not recorded", "decision_id", o.DecisionID, "error", err.Error())
	return &Error{Problem: Unavailable, Reason: "STATE_UNAVAILABLE", Detail: "the outcome could not be recorded; report it again"}
}

func breakerOutcome(s OutcomeStatus) breaker.Outcome {
	switch s {
	case Succeeded:
		return breaker.Success
	case Failed:
		return breaker.Failure
	case Unknown:
	}
	return breaker.NotKnown
}
