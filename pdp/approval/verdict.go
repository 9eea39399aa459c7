package approval

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// SubmitVerdict counts one person's verdict; what it did is durable when it returns. One no ends it; a yes counts once
// a person, until Quorum people have said so. A verdict that comes too late is recorded and changes nothing
// (Applied false).
//
// ErrNotFound also stands for an approval of another tenant; ErrNotApprover, ErrSelfApproval and ErrDigest refuse the
// verdict and record nothing.
func (q *Queue) SubmitVerdict(ctx context.Context, id string, voter Voter, b Ballot) (Result, error) {
	switch {
	case b.Verdict != Approve && b.Verdict != Reject:
		return Result{}, invalid("verdict", "is neither approve nor reject")
	case !voter.mayVote():
		return Result{}, ErrNotApprover
	case len(voter.Subject) > maxNameBytes:
		return Result{}, invalid("subject", "has %d bytes, at most %d", len(voter.Subject), maxNameBytes)
	}
	comment := clean(b.Comment, maxCommentRunes)
	var result Result
	var refused error
	rec, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		result, refused = Result{}, voter.refused(&rec.Approval, b.ExpectedDigest)
		if refused != nil {
			return
		}
		result.Applied, result.Reason = rec.vote(Vote{Subject: voter.Subject, Verdict: b.Verdict, Comment: comment, At: now}, q.cfg.Retention)
	})
	if err != nil || refused != nil {
		return Result{}, firstOf(err, refused)
	}
	result.Approval = rec.Approval
	return result, nil
}

// mayVote is said here again, behind the server's own table: no machine ever votes, whatever else its credential has.
func (v Voter) mayVote() bool {
	return strings.TrimSpace(v.Subject) != "" && v.Tenant != "" && slices.Contains(v.Roles, identity.RoleApprover) &&
		!slices.Contains(v.Roles, identity.RoleAgent) && !slices.Contains(v.Roles, identity.RoleGateway)
}

// refused says why this person may not vote on this approval. The agent that wants to act is as much a party as the
// credential that asked for it.
func (v Voter) refused(a *Approval, expectedDigest string) error {
	switch {
	case v.Tenant != a.Tenant:
		return ErrNotFound
	case samePerson(v.Subject, a.RequestedBy), samePerson(v.Subject, a.Agent):
		return ErrSelfApproval
	case expectedDigest != "" && expectedDigest != a.Digest:
		return ErrDigest
	}
	return nil
}

// Cancel withdraws an approval that is pending, or approved and not used. Applied is false if it had ended.
func (q *Queue) Cancel(ctx context.Context, id, cause string) (Result, error) {
	cause = clean(cause, maxCauseRunes)
	var result Result
	rec, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		result.Applied, result.Reason = rec.cancel(now, cause, q.cfg.Retention)
	})
	if err != nil {
		return Result{}, err
	}
	result.Approval = rec.Approval
	return result, nil
}

// CancelWhere withdraws everything in the scope that is pending, or approved and not used, and returns how many.
// Asks that are created meanwhile may escape it: whoever stops an agent stops its decisions first.
func (q *Queue) CancelWhere(ctx context.Context, scope Scope, cause string) (int, error) {
	if scope.Tenant == "" {
		return 0, invalid("tenant", "is needed")
	}
	ids, err := q.store.Live(ctx, scope.Tenant, scope.Agent)
	if err != nil {
		return 0, failed("find what to cancel", err)
	}
	cause = clean(cause, maxCauseRunes)
	n := 0
	for batch := range slices.Chunk(ids, sweepBatch) {
		var cancelled, changed []string
		err := q.store.UpdateAll(ctx, batch, func(rec *Record) Effect {
			a, before, now := &rec.Approval, len(rec.Changes), q.clock()
			rec.settle(now, q.cfg.Retention)
			if (scope.Session == "" || scope.Session == a.Session) && (scope.Tool == "" || strings.EqualFold(scope.Tool, a.Tool)) {
				if applied, _ := rec.cancel(now, cause, q.cfg.Retention); applied {
					cancelled = append(cancelled, a.ID)
				}
			}
			if len(rec.Changes) == before {
				return Keep
			}
			changed = append(changed, a.ID)
			return Write
		})
		if err != nil {
			return n, failed("cancel approvals", err)
		}
		slices.Sort(cancelled) // a store may have run the function more than once
		n += len(slices.Compact(cancelled))
		q.changed(changed...)
	}
	return n, nil
}

// CancelAll withdraws everything of all tenants that is pending, or approved and not used, and returns how many.
func (q *Queue) CancelAll(ctx context.Context, cause string) (int, error) {
	ids, err := q.store.Live(ctx, "", "")
	if err != nil {
		return 0, failed("find what to cancel", err)
	}
	n := 0
	for _, id := range ids {
		result, err := q.Cancel(ctx, id, cause)
		if err != nil {
			return n, err
		}
		if result.Applied {
			n++
		}
	}
	return n, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
