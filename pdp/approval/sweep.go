package approval

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
		if now := q.clock(); now.Sub(surplus) >= surplusEvery {
			surplus = now
			err = errors.Join(err, q.trim(ctx))
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

// sweep does all that is due and can be read, and says in its error what cannot. It returns when there is something to do next; zero: nothing is known.
func (q *Queue) sweep(ctx context.Context) (time.Time, error) {
	unreadable := map[string]error{}
	for {
		now := q.clock()
		ids, next, err := q.store.Due(ctx, now, sweepBatch+len(unreadable))
		if err != nil {
			return next, failed("find what has run out", err)
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return unreadable[id] != nil })
		if len(ids) == 0 {
			return next, failed("expire approvals", joined(unreadable))
		}
		did := false
		stuck, err := q.updateAll(ctx, ids, func(rec *Record) Effect {
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
		maps.Copy(unreadable, stuck)
		if !did && len(stuck) == 0 {
			return next, failed("expire approvals", joined(unreadable))
		}
		q.changed(ids...)
	}
}

// updateAll changes many records. Where one cannot be read, the others are changed nonetheless; stuck says which were not.
func (q *Queue) updateAll(ctx context.Context, ids []string, change func(*Record) Effect) (stuck map[string]error, err error) {
	err = q.store.UpdateAll(ctx, ids, change)
	if _, damaged := errors.AsType[*Unreadable](err); !damaged {
		return nil, err
	}
	stuck = map[string]error{}
	for _, id := range ids {
		err := q.store.Update(ctx, id, change)
		if _, damaged := errors.AsType[*Unreadable](err); damaged {
			stuck[id] = err
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return stuck, err
		}
	}
	return stuck, nil
}

// maxNamed is how many records an error names.
const maxNamed = 5

// joined is one error of those about single records; nil if there is none.
func joined(stuck map[string]error) error {
	if len(stuck) == 0 {
		return nil
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(stuck)) {
		if len(errs) == maxNamed {
			break
		}
		errs = append(errs, stuck[id])
	}
	return fmt.Errorf("%d cannot be read, and were left as they are: %w", len(stuck), errors.Join(errs...))
}

// trim removes the oldest ended approvals beyond MaxKept.
func (q *Queue) trim(ctx context.Context) error {
	for {
		ids, err := q.store.Surplus(ctx, q.cfg.MaxKept, sweepBatch)
		if err != nil || len(ids) == 0 {
			return failed("find old approvals", err)
		}
		stuck, err := q.updateAll(ctx, ids, func(rec *Record) Effect {
			if rec.Approval.Live() {
				return Keep
			}
			return Remove
		})
		if err == nil && len(stuck) == len(ids) {
			err = joined(stuck)
		}
		if err != nil {
			return failed("remove old approvals", err)
		}
	}
}
