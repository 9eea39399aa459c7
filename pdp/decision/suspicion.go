package decision

import (
	"context"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Suspicion adds up (threat A7): what an agent tries feeds breakers of its session and of its own, which the table
// `suspicion` has, as failures of a tool feed those of the table `breakers`. Here an outcome is known at once.

// holdSuspected denies what an open breaker of suspicion holds back.
func (e *Engine) holdSuspected(ctx context.Context, j *judgement) error {
	var err error
	if j.suspicion, err = e.Breakers.Check(ctx, j.snapshot.Tables.Suspicion, j.subject(), j.id); err != nil {
		return err
	}
	for _, b := range j.suspicion {
		j.suspected = j.suspected || b.Probe
		if b.Holds() {
			j.retryAfter = max(j.retryAfter, b.RetryAfter)
		}
	}
	if slices.ContainsFunc(j.suspicion, func(b breaker.Status) bool { return b.Holds() }) {
		j.deny("SUSPICION", "engine.suspicion",
			"Too much of what was tried here was refused, so nothing more is done for a while. Do not try again; tell the user.", "high")
	}
	return nil
}

// suspect tells the breakers of suspicion what came of an action. An ask is neither: a person looks at it.
func (e *Engine) suspect(ctx context.Context, j *judgement) error {
	who, defs := j.subject(), j.snapshot.Tables.Suspicion
	if len(defs) == 0 || j.replayed {
		return nil
	}
	ctx, cancel := timely(ctx)
	defer cancel()
	outcome := j.suspicious()
	if outcome == breaker.NotKnown {
		return nil // not allowed: giveBack lets the next action be the probe
	}
	j.suspected = false // said what came of it; if that fails, the probe's time ends
	changes, err := e.Breakers.Record(ctx, defs, who, j.id, outcome)
	for _, c := range changes {
		e.breakerChanged(who, c.Name, c.State)
		if c.State != breaker.Open {
			continue
		}
		e.Logger.Warn("too much of what an agent tried was suspicious; it is held back",
			"breaker", c.Name, "tenant", who.Tenant, "agent", who.Agent, "session", who.Session, "counted", c.Failures, "until", c.RetryAt)
		e.Observer.Anomaly(c.Name)
		e.Events.Publish(event.Event{
			Type: event.Anomaly, Tenant: who.Tenant, Message: "suspicion adds up: agent " + who.Agent + " is held back by " + c.Name,
			Attributes: map[string]string{"threshold": c.Name, "agent": who.Agent, "session": who.Session, "tool": who.Tool},
		})
	}
	return err
}

// unsuspect lets the next action be the probe.
func (e *Engine) unsuspect(ctx context.Context, j *judgement) error {
	if !j.suspected {
		return nil
	}
	j.suspected = false
	return e.Breakers.Release(ctx, j.snapshot.Tables.Suspicion, j.subject(), j.id)
}

// suspicious is what an action says about its agent: a failure if it was denied for what it is (a tool that passes for
// another is, by its name), or if it hides something or speaks to a model, seriously; a success if it was allowed and did
// none of that. The same call again says nothing new: that is a loop.
func (j *judgement) suspicious() breaker.Outcome {
	switch {
	case j.effect == Deny && slices.ContainsFunc(j.reasons, j.incriminates), slices.ContainsFunc(j.findings, seriously):
		if j.session.Repeats > 0 {
			return breaker.NotKnown
		}
		return breaker.Failure
	case j.effect == Allow:
		return breaker.Success
	}
	return breaker.NotKnown
}

// incriminates says whether a denial is about what the agent tried. Of the engine's own, only one is.
func (j *judgement) incriminates(r Reason) bool {
	control, _, _ := strings.Cut(r.Rule, ".")
	if control == "engine" {
		return r.Rule == delegationRule && !slices.Contains(honest, delegation.CauseOf(j.chainErr))
	}
	return !slices.Contains(j.snapshot.Tables.Innocent, control)
}

// honest are the causes for which a chain may not hold any more that its holder cannot help.
var honest = []delegation.Cause{delegation.Expired, delegation.NotYet, delegation.Revoked, delegation.UnknownKey, delegation.Risk}

func seriously(f scan.Finding) bool {
	return (f.Category == "injection" || f.Category == "evasion" || f.Category == "suspicion") &&
		(f.Severity == "high" || f.Severity == "critical") && !strings.HasPrefix(f.Rule, anomalyPrefix)
}
