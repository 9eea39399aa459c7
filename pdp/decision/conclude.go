package decision

import (
	"cmp"
	"context"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

// conclude carries the answer out: asks a person, redeems an approval, seals a memory item. Whatever fails here
// denies.
func (e *Engine) conclude(ctx context.Context, j *judgement) error {
	ctx, cancel := timely(ctx)
	defer cancel()
	switch j.effect {
	case RequireApproval:
		e.askPerson(ctx, j)
	case Allow:
		return e.allow(ctx, j)
	case Deny:
	}
	return nil
}

// allow uses up the approval, if there is one, and looks at the kill switches once more: one may have been set since
// the decision began.
func (e *Engine) allow(ctx context.Context, j *judgement) error {
	if j.approval != nil {
		if err := e.Approvals.Redeem(ctx, j.approval.ID, j.redemption(), j.id); err != nil {
			if j.ungranted != nil && refused(err) { // others used it up meanwhile: this one asks
				j.merge(j.ungranted)
				j.approval, j.ungranted = nil, nil
				return e.conclude(ctx, j)
			}
			return e.approvalFailure(ctx, j, err)
		}
		j.redeemed = true
		j.ticket = &Ticket{
			ID: j.approval.ID, State: string(j.approval.State),
			ExpiresAt: j.approval.Expires, Quorum: j.approval.Quorum, EditedDigest: j.approval.EditedDigest,
		}
	}
	if s, stopped := e.stopped(j); stopped {
		j.deny("KILL_SWITCH", "engine.kill_switch", killMessage(s.WholeTenant), "critical")
		return nil
	}
	e.allowMemory(ctx, j)
	return nil
}

// remember keeps what comes after the decision needs: its record, and what the session did. If that fails, an allow
// becomes a deny: a session that forgets is not one that policy has judged.
func (e *Engine) remember(ctx context.Context, j *judgement) {
	a := j.req.Action
	step := provenance.Step{Labels: j.labels(), Call: j.uncounted()}
	if j.effect == Allow {
		switch a.Kind {
		case action.KindToolCall:
			step.AllowedTool = a.Tool
		case action.KindMemoryWrite:
			step.MemoryPut = joined(a.Memory.Layer, a.Memory.Key)
		case action.KindMemoryDelete:
			step.MemoryGone = joined(a.Memory.Layer, a.Memory.Key)
		case action.KindToolResult, action.KindModelOutput, action.KindMemoryRead, action.KindMessage, action.KindHTTPRequest:
		}
	}
	if err := e.suspect(ctx, j); err != nil {
		e.forgotten(j, "suspicion", err)
	}
	if err := e.Sessions.Record(ctx, j.sessionID(), step); err != nil {
		e.forgotten(j, "session", err)
	} else if err := e.bequeath(ctx, j, step.Labels); err != nil {
		e.forgotten(j, "session", err)
	}
	if err := e.saveRecord(j.id, j.record()); err != nil {
		e.forgotten(j, "records", err)
	}
}

func (j *judgement) record() *record {
	a := j.req.Action
	return &record{
		Subject: j.subject(), Kind: a.Kind, Tool: j.tool(), Server: a.Server, Digest: j.digest, Effect: j.effect, At: j.now,
		Usage: j.bill.estimate, Floor: j.bill.floor, Reservation: cmp.Or(j.charged, j.id),
	}
}

func (e *Engine) forgotten(j *judgement, what string, err error) {
	if j.effect == Deny {
		e.Logger.Error("state engine failed after a deny", "decision_id", j.id, "part", what, "error", err.Error())
		return
	}
	j.ticket, j.grant = nil, nil
	e.stateFailure(j, what, err)
}

// keep leaves charged what was allowed, so that its outcome can settle it. What can't be written down for that stays
// charged in full. An earlier answer to this request has charged under its own id.
func (e *Engine) keep(j *judgement) {
	if j.effect != Allow || j.charged != "" {
		return
	}
	if err := e.Limits.Keep(&j.hold, j.id, e.cfg.SettleFor.Microseconds()); err != nil {
		e.Logger.Error("reservation not kept; it stays charged in full", "decision_id", j.id, "error", err.Error())
	}
}

// settleAnswer gives back what an answer other than allow must not keep.
func (e *Engine) settleAnswer(ctx context.Context, j *judgement) {
	if j.effect != Allow {
		e.giveBack(ctx, j)
	}
}

// giveBack returns the reservation (all but attempts) and the breaker's probe. A failure here only over-counts.
func (e *Engine) giveBack(ctx context.Context, j *judgement) {
	ctx, cancel := timely(ctx)
	defer cancel()
	if j.reserved {
		j.reserved = false
		e.Limits.Refund(&j.hold)
	}
	if err := e.unsuspect(ctx, j); err != nil {
		e.Logger.Error("suspicion's probe not released; it times out", "decision_id", j.id, "error", err.Error())
	}
	if j.probing {
		j.probing = false
		if err := e.Breakers.Release(ctx, j.snapshot.Tables.Breakers, j.subject(), j.id); err != nil {
			e.Logger.Error("breaker probe not released; it times out", "decision_id", j.id, "error", err.Error())
		}
	}
}
