package approval

import (
	"context"
	"errors"
	"time"
)

// maxEarlier bounds how many asks for one action are looked at.
const maxEarlier = 256

// maxJoined bounds how many may join an ask.
const maxJoined = 100

// Earlier is what is known of asks for the same action.
type Earlier struct {
	// Refused is an ask to which a person said no, not long ago; nil if there is none.
	Refused *Approval
	// Pending is the same ask, still waiting, which a further caller may join; nil if there is none.
	Pending *Approval
}

// Refusals say for how long a no is remembered, and where.
type Refusals struct {
	For        time.Duration // 0: not at all
	AnySession bool          // a no counts in every session of the agent, else in the one that asked
	AnyUser    bool          // a no counts for whomever the agent says to act, else for the user of that ask
}

// Earlier looks for a no that still counts, and for the same ask that still waits: same action, same principal, same
// credential, same policy, and at least the rules that ask now. It changes nothing.
func (q *Queue) Earlier(ctx context.Context, want Redemption, rules []string, r Refusals) (Earlier, error) {
	recs, err := q.store.ByDigest(ctx, want.Tenant, want.Agent, want.Digest, maxEarlier)
	if err != nil {
		return Earlier{}, failed("look for earlier asks", err)
	}
	now := q.clock()
	var out Earlier
	for i := range recs {
		recs[i].settle(now, q.cfg.Retention)
		a := &recs[i].Approval
		switch {
		case a.State == Rejected && out.Refused == nil && r.For > 0 && now.Before(a.EndedAt.Add(r.For)) &&
			(r.AnyUser || a.User == want.User) && (r.AnySession || a.Session == want.Session):
			out.Refused = a
		case a.State == Pending && out.Pending == nil && a.joinable(want, rules):
			out.Pending = a
		}
	}
	return out, nil
}

// joinable says whether an ask is the same in all that a verdict is bound to.
func (a *Approval) joinable(want Redemption, rules []string) bool {
	return a.bound(want) == nil && subset(rules, a.Rules)
}

// Join counts one more caller of an ask that still waits. It is durable when it returns. ErrEnded if it waits no longer or
// has maxJoined callers, ErrMismatch if it is another ask.
func (q *Queue) Join(ctx context.Context, id string, want Redemption, rules []string) (Approval, error) {
	var refused error
	rec, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		refused = nil
		rec.settle(now, q.cfg.Retention)
		switch a := &rec.Approval; {
		case a.State != Pending:
			refused = ErrEnded
		case !a.joinable(want, rules):
			refused = ErrMismatch
		case a.Joined >= maxJoined:
			refused = ErrEnded
		default:
			a.Joined++
			rec.note(now)
		}
	})
	return rec.Approval, firstOf(err, refused)
}

// AskAgain lets one of those who joined an ask go on without it: its one use was another's. False if nobody is left to.
func (q *Queue) AskAgain(ctx context.Context, id string, want Redemption) (bool, error) {
	again := false
	_, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		a := &rec.Approval
		again = a.bound(want) == nil && a.State == Approved && a.Use == Redeemed && a.AskedAgain < a.Joined
		if again {
			a.AskedAgain++
			rec.note(now)
		}
	})
	return again && err == nil, err
}

// Granted returns the grants that cover an action, the oldest first. It uses nothing up. One that cannot be read covers nothing.
func (q *Queue) Granted(ctx context.Context, want Redemption) ([]Approval, error) {
	ids, err := q.store.Live(ctx, want.Tenant, want.Agent)
	if err != nil {
		return nil, failed("look for grants", err)
	}
	var out []Approval
	for _, id := range ids {
		rec, err := q.load(ctx, id)
		if _, damaged := errors.AsType[*Unreadable](err); damaged || errors.Is(err, ErrNotFound) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if rec.Approval.Grant != nil && rec.redeemable(want) == nil {
			out = append(out, rec.Approval)
		}
	}
	return out, nil
}

func subset(some, of []string) bool {
	in := make(map[string]bool, len(of))
	for _, s := range of {
		in[s] = true
	}
	for _, s := range some {
		if !in[s] {
			return false
		}
	}
	return true
}
