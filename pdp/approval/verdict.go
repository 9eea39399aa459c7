package approval

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/review"
)

// SubmitVerdict counts one person's verdict; what it did is durable when it returns. One no ends it; a yes counts once
// a person and stage, until the quorum of an open stage is complete. With an edit, the action is changed in the same
// transaction, and the yes is the first to it. A verdict that comes too late is recorded and changes nothing (Applied
// false).
//
// ErrNotFound also stands for an approval of another tenant; ErrNotApprover, ErrSelfApproval, ErrStage, ErrDigest,
// ErrUnseenEdit, ErrNotSeen and ErrMoved refuse the verdict and record nothing. Who may approve is policy, which has been asked:
// see Ballot.Stages.
func (q *Queue) SubmitVerdict(ctx context.Context, id string, voter Voter, b Ballot) (Result, error) {
	if err := b.check(voter); err != nil {
		return Result{}, err
	}
	sealed, err := q.sealEdit(ctx, id, b.Edit)
	if err != nil {
		return Result{}, err
	}
	comment, terms := clean(b.Comment, maxCommentRunes), b.Terms.normal()
	if terms != nil && b.Verdict == Reject {
		return Result{}, invalid("grant", "comes with a no")
	}
	pin, err := q.pinner(ctx, voter.Tenant, id, terms)
	if err != nil {
		return Result{}, err
	}
	var result Result
	var refused error
	rec, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		a := &rec.Approval
		result, refused = Result{}, voter.refused(a, &b)
		if refused == nil && terms != nil {
			refused = terms.refusal(a, b.Edit != nil)
		}
		if refused == nil && b.Sequence != 0 && b.Sequence != a.Sequence && a.State == Pending {
			refused = ErrMoved
		}
		before := *rec
		if refused == nil && b.Edit != nil && a.State == Pending {
			refused = rec.edit(b.Edit, sealed, voter.Named(), now)
		}
		if refused != nil {
			return
		}
		v := Vote{Subject: voter.Subject, Person: voter.Person, Verdict: b.Verdict, Comment: comment, At: now, Terms: terms}
		if b.Verdict == Approve {
			v.Stages = b.countable(a)
		}
		if result.Applied, result.Reason, refused = rec.vote(v, q.cfg.Retention, pin); !result.Applied && a.State == Pending {
			*rec = before // without the edit: the record may be written for what time has done
		}
	})
	if err != nil || refused != nil {
		return Result{}, firstOf(err, refused)
	}
	result.Approval = rec.Approval
	q.agentFirst(ctx, id)
	return result, nil
}

// check refuses a ballot that no approval could take.
func (b *Ballot) check(voter Voter) error {
	switch {
	case b.Verdict != Approve && b.Verdict != Reject:
		return invalid("verdict", "is neither approve nor reject")
	case !voter.mayVote():
		return ErrNotApprover
	case len(voter.Subject) > maxNameBytes || len(voter.Person) > maxNameBytes:
		return invalid("subject", "is longer than %d bytes", maxNameBytes)
	case (b.EditedArguments != "") != (b.Edit != nil):
		return invalid("edited_arguments_json", "was not decided anew")
	case b.Edit != nil && b.Verdict != Approve:
		return invalid("edited_arguments_json", "goes with a yes only")
	case b.Edit == nil:
		return nil
	case len(b.Edit.Rules) > maxReasons || len(b.Edit.Reasons) > maxReasons:
		return invalid("reasons", "more than %d", maxReasons)
	}
	return checkStages(b.Edit.Stages)
}

// Eligible says whether somebody may vote on it at all, whoever policy lets. Neither the asker nor who is behind it may.
func (v Voter) Eligible(a *Approval, b *Ballot) error {
	if !v.mayVote() {
		return ErrNotApprover
	}
	return v.refused(a, b)
}

// mayVote is said here again, behind the server's own table: no machine ever votes, whatever else its credential has.
func (v Voter) mayVote() bool {
	return strings.TrimSpace(v.Subject) != "" && v.Tenant != "" && slices.Contains(v.Roles, identity.RoleApprover) &&
		!slices.Contains(v.Roles, identity.RoleAgent) && !slices.Contains(v.Roles, identity.RoleGateway)
}

// Named is who that is, whatever they sign in with.
func (v Voter) Named() string { return cmp.Or(v.Person, v.Subject) }

// refused says why this person may not vote on this approval. The agent that wants to act, the person behind the
// credential that asked for it and the person who runs the agent are as much a party as that credential.
func (v Voter) refused(a *Approval, b *Ballot) error {
	if v.Tenant != a.Tenant {
		return ErrNotFound
	}
	for _, party := range []string{a.RequestedBy, a.RequestedByPerson, a.Owner, a.Agent} {
		if party != "" && (samePerson(v.Subject, party) || samePerson(v.Named(), party)) {
			return ErrSelfApproval
		}
	}
	switch {
	case b.ExpectedDigest == "" && a.State == Pending && (b.Edit != nil || b.EditedArguments != "" || b.Verdict == Approve && a.EditedDigest != ""):
		return ErrUnseenEdit
	case b.ExpectedDigest != "" && b.ExpectedDigest != a.EffectiveDigest():
		return ErrDigest
	case b.Verdict == Approve && !b.SeenInFull && a.State == Pending && a.ActionBytes > review.PageBytes:
		return ErrNotSeen
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
// Asks that are created meanwhile may escape it: whoever stops an agent stops its decisions first. What cannot be read stays
// as it is, cannot be used either, and is named in the error; everything else is withdrawn.
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
	unreadable := map[string]error{}
	for batch := range slices.Chunk(ids, sweepBatch) {
		var cancelled, changed []string
		stuck, err := q.updateAll(ctx, batch, func(rec *Record) Effect {
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
		maps.Copy(unreadable, stuck)
	}
	return n, failed("cancel approvals", joined(unreadable))
}

// CancelAll withdraws everything of all tenants that is pending, or approved and not used, and returns how many.
func (q *Queue) CancelAll(ctx context.Context, cause string) (int, error) {
	ids, err := q.store.Live(ctx, "", "")
	if err != nil {
		return 0, failed("find what to cancel", err)
	}
	n := 0
	unreadable := map[string]error{}
	for _, id := range ids {
		result, err := q.Cancel(ctx, id, cause)
		if damaged, ok := errors.AsType[*Unreadable](err); ok {
			unreadable[id] = damaged
			continue
		}
		if err != nil {
			return n, err
		}
		if result.Applied {
			n++
		}
	}
	return n, failed("cancel approvals", joined(unreadable))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
