package approval

import (
	"context"
	"sync"
	"time"
)

const (
	// sweepBatch is how many records one transaction of the sweeper touches: verdicts wait for no more than that.
	sweepBatch = 128
	// sweepEvery is how long the sweeper trusts its timer, and waits after a failure.
	sweepEvery = time.Second
	// surplusEvery is how often ended approvals beyond MaxKept are looked for.
	surplusEvery = time.Minute
)

// Run expires asks on time, first those that ran out while nobody ran; it erases the action of what lapsed and
// removes what ended long ago. It hears of what other processes change. It returns when ctx ends. A store that fails is tried again and seen in Health;
// meanwhile nothing can be redeemed late, because every call looks at the clock itself.
func (q *Queue) Run(ctx context.Context) {
	if shared, ok := q.store.(Follower); ok {
		var following sync.WaitGroup
		following.Go(func() { shared.Follow(ctx, q.heard) })
		defer following.Wait()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var surplus time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.sooner:
		case <-timer.C:
		}
		next, err := q.sweep(ctx)
		if now := q.clock(); err == nil && now.Sub(surplus) >= surplusEvery {
			surplus = now
			err = q.trim(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		q.health.Store(&err)
		wait := sweepEvery
		if err == nil && !next.IsZero() {
			wait = min(max(next.Sub(q.clock()), 0), sweepEvery)
		}
		timer.Reset(wait)
	}
}

// sweep does all that is due and returns when there is something to do next; zero: nothing is known.
func (q *Queue) sweep(ctx context.Context) (time.Time, error) {
	for {
		now := q.clock()
		ids, next, err := q.store.Due(ctx, now, sweepBatch)
		if err != nil || len(ids) == 0 {
			return next, failed("find what has run out", err)
		}
		did := false
		err = q.store.UpdateAll(ctx, ids, func(rec *Record) Effect {
			switch {
			case rec.settle(now, q.cfg.Retention):
				did = true
				return Write
			case !rec.Approval.Live() && !now.Before(rec.Due):
				did = true
				return Remove
			default: // changed since it was found
				return Keep
			}
		})
		if err != nil {
			return time.Time{}, failed("expire approvals", err)
		}
		if !did {
			return next, nil
		}
		q.changed(ids...)
	}
}

// trim removes the oldest ended approvals beyond MaxKept.
func (q *Queue) trim(ctx context.Context) error {
	for {
		ids, err := q.store.Surplus(ctx, q.cfg.MaxKept, sweepBatch)
		if err != nil || len(ids) == 0 {
			return failed("find old approvals", err)
		}
		err = q.store.UpdateAll(ctx, ids, func(rec *Record) Effect {
			if rec.Approval.Live() {
				return Keep
			}
			return Remove
		})
		if err != nil {
			return failed("remove old approvals", err)
		}
	}
}
