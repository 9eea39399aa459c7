package approval

import (
	"slices"
	"time"
)

// This file is the state machine, and the only code that writes State or Use:
//
//	pending ──┬─► approved ──┬─► (use) redeemed     once, by one decision, before it runs out; a grant, when it is used up
//	          ├─► rejected   ├─► (use) lapsed       ran out unused
//	          ├─► expired    └─► (use) revoked      withdrawn unused
//	          └─► cancelled
//
// Every function here is pure: it changes the record that it is given, by the time that it is given, and is called
// inside the store's transaction. Each change of a record appends one Change.

// allowed are the transitions of the verdict.
var allowed = map[State][]State{Pending: {Approved, Rejected, Expired, Cancelled}}

// begin makes the record of a new ask.
func begin(a Approval, contentBytes int64) Record {
	a.State = Pending
	rec := Record{Approval: a, ContentBytes: contentBytes, Due: a.next()}
	rec.note(a.Created)
	return rec
}

// enter moves to a final state, if that is allowed from where it is.
func (r *Record) enter(to State, at time.Time, retention time.Duration) bool {
	if !slices.Contains(allowed[r.Approval.State], to) {
		return false
	}
	r.Approval.State, r.Approval.EndedAt = to, at
	if to == Approved { // due when it runs out, unless it is used before
		r.Due = r.Approval.Expires
	} else {
		r.Due = at.Add(retention)
	}
	return true
}

// spend ends the time in which an approved one can be redeemed.
func (r *Record) spend(use Use, at time.Time, retention time.Duration) bool {
	if r.Approval.State != Approved || r.Approval.Use != Unused {
		return false
	}
	r.Approval.Use, r.Due = use, at.Add(retention)
	return true
}

// note numbers a change.
func (r *Record) note(at time.Time) {
	a := &r.Approval
	r.Changes = append(r.Changes, Change{
		At: at, State: a.State, Use: a.Use, Votes: len(a.Votes), Stage: a.Stage, EditedDigest: a.EditedDigest,
	})
	a.Sequence = uint64(len(r.Changes))
}

// settle does what time alone does: it opens stages, and ends what has run out. It says the moment of that, not the moment of looking, so that it does not
// matter who looks first. Everything else begins with it: what has run out has ended, whether or not the sweeper was
// there.
func (r *Record) settle(now time.Time, retention time.Duration) bool {
	a := &r.Approval
	opened := r.openStages(now)
	if now.Before(a.Expires) {
		return r.doubt(now, retention) || opened
	}
	if !r.enter(Expired, a.Expires, retention) && !r.spend(Lapsed, a.Expires, retention) {
		return false
	}
	r.note(a.Expires)
	return true
}

// lostCause is why an approval in doubt was withdrawn.
const lostCause = "the shared store lost its memory"

// doubt withdraws what the store may have forgotten a use of, or a no to.
func (r *Record) doubt(now time.Time, retention time.Duration) bool {
	if !r.Doubtful || !r.enter(Cancelled, now, retention) && !r.spend(Revoked, now, retention) {
		return false
	}
	r.Approval.Cause = lostCause
	r.note(now)
	return true
}

// vote counts a verdict, or records that it came too late. The reason is empty if it was applied. stages are those that a
// yes counts for; none: it counts for nothing, and ErrStage refuses it.
func (r *Record) vote(v Vote, retention time.Duration, pin func(vary []string) string) (bool, string, error) {
	r.settle(v.At, retention)
	a := &r.Approval
	v.EditedDigest = a.EditedDigest
	if a.State != Pending {
		if v.repeats(a) {
			return false, "ALREADY_VOTED", nil
		}
		if len(a.Votes) < maxVotes {
			a.Votes = append(a.Votes, v)
			r.note(v.At)
		}
		return false, endedReasons[a.State], nil
	}
	switch {
	case v.Verdict == Approve && len(v.Stages) == 0:
		return false, "", ErrStage
	case v.repeats(a):
		return false, "ALREADY_VOTED", nil
	case v.Verdict == Approve && len(a.Votes) >= maxVotes: // a no always finds room
		return false, "", ErrTooManyEdits
	}
	v.Applied = true
	a.Votes = append(a.Votes, v)
	switch {
	case v.Verdict == Reject:
		r.enter(Rejected, v.At, retention)
	case a.complete():
		r.enter(Approved, v.At, retention)
		r.grantAsAgreed(v.At, pin)
	}
	r.note(v.At)
	return true, "", nil
}

var endedReasons = map[State]string{
	Approved: "APPROVAL_APPROVED", Rejected: "APPROVAL_REJECTED", Expired: "APPROVAL_EXPIRED", Cancelled: "APPROVAL_CANCELLED",
}

// cancel withdraws what is pending or approved and not yet used.
func (r *Record) cancel(now time.Time, cause string, retention time.Duration) (bool, string) {
	r.settle(now, retention)
	switch a := &r.Approval; {
	case r.enter(Cancelled, now, retention), r.spend(Revoked, now, retention):
		a.Cause = cause
		r.note(now)
		return true, ""
	case a.State == Approved:
		return false, "APPROVAL_" + map[Use]string{Redeemed: "USED", Lapsed: "EXPIRED", Revoked: "CANCELLED"}[a.Use]
	default:
		return false, endedReasons[a.State]
	}
}

// bound says whether an action is what the approval is bound to; else ErrMismatch with what differs.
func (a *Approval) bound(want Redemption) error {
	for _, b := range []struct {
		field string
		same  bool
	}{
		{"tenant", want.Tenant == a.Tenant},
		{"agent", want.Agent == a.Agent},
		{"session", want.Session == a.Session || a.Grant != nil && a.Grant.AnySession},
		{"user", want.User == a.User}, // the reviewer saw for whom
		{"requested_by", want.RequestedBy == a.RequestedBy},
		{"digest", a.covers(want)},
		{"tool", want.Tool == a.Tool},
		{"schema_digest", want.SchemaDigest == a.SchemaDigest},
		{"bundle_revision", want.BundleRevision == a.BundleRevision},
		{"estimate.cost_micro_usd", want.EstimateCostMicroUSD <= a.EstimateCostMicroUSD},
		{"estimate.tokens", want.EstimateTokens <= a.EstimateTokens},
	} {
		if !b.same {
			return mismatch(b.field)
		}
	}
	return nil
}

// redeemable says whether it may be used for this now, or why not. Binding comes first: who asks with another action
// learns nothing about the state.
func (r *Record) redeemable(want Redemption) error {
	a := &r.Approval
	if err := a.bound(want); err != nil {
		return err
	}
	switch a.State {
	case Approved:
	case Pending:
		return ErrPending
	case Rejected:
		return ErrRejected
	case Expired:
		return ErrExpired
	default:
		return ErrCancelled
	}
	switch a.Use {
	case Unused:
		return nil
	case Lapsed:
		return ErrExpired
	case Revoked:
		return ErrCancelled
	default:
		return ErrUsed
	}
}

// redeem uses it up, or a use of it. The same decision may say so twice.
func (r *Record) redeem(now time.Time, want Redemption, decisionID string, retention time.Duration) error {
	r.settle(now, retention)
	a := &r.Approval
	err := r.redeemable(want)
	if err == ErrUsed && a.RedeemedBy == decisionID { //nolint:errorlint // the very value, from the line above
		return nil
	}
	if err != nil || a.Grant != nil && a.RedeemedBy == decisionID {
		return err
	}
	a.RedeemedBy, a.RedeemedAt = decisionID, now
	usedUp := true
	if a.Grant != nil {
		g := *a.Grant
		g.Used++
		a.Grant, usedUp = &g, g.Uses > 0 && g.Used >= g.Uses
	}
	if usedUp {
		r.spend(Redeemed, now, retention)
	}
	r.note(now)
	return nil
}

// asOf is the approval as it stood after change n, counted from 1.
func (r *Record) asOf(n uint64) Approval {
	a, c := r.Approval, r.Changes[n-1]
	a.State, a.Use, a.Sequence, a.Stage, a.EditedDigest = c.State, c.Use, n, c.Stage, c.EditedDigest
	a.Votes = slices.Clip(a.Votes[:c.Votes])
	if n > 1 && c.Stage > r.Changes[n-2].Stage && c.EditedDigest == r.Changes[n-2].EditedDigest {
		a.StageOpened = c.At
	}
	if c.State == Pending {
		a.EndedAt = time.Time{}
	}
	if c.State != Cancelled && c.Use != Revoked {
		a.Cause = ""
	}
	if c.Use != Redeemed && a.Grant == nil {
		a.RedeemedBy, a.RedeemedAt = "", time.Time{}
	}
	return a
}

// final is the sequence at which the state became final, 0 while it is pending.
func (r *Record) final() uint64 {
	return uint64(slices.IndexFunc(r.Changes, func(c Change) bool { return c.State != Pending }) + 1)
}
