package notify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// Feed is the changes of approvals: pdp/approval's queue.
type Feed interface {
	WatchAll(ctx context.Context, f approval.Filter, cursor uint64, beat <-chan time.Time) (iter.Seq2[approval.Event, error], error)
	Get(ctx context.Context, id string) (approval.Approval, error)
}

// Outcome is what became of a notification, or of a try.
type Outcome string

// The outcomes. All but Retried end a notification.
const (
	Sent     Outcome = "sent"
	Retried  Outcome = "retried"  // a try failed; there will be another
	Refused  Outcome = "refused"  // the target does not want it
	Obsolete Outcome = "obsolete" // nobody has to act on it any more: the ask has ended or run out, the end is old
	// Gap: the feed was lost for a target that lagged behind by more than the replay window. What is pending is told
	// anew, ends in between are not.
	Gap Outcome = "gap"
)

// Outcomes are all of them.
var Outcomes = []Outcome{Sent, Retried, Refused, Obsolete, Gap}

const (
	firstPause, longestPause = time.Second, time.Minute
	// keepEvery is how often a cursor is stored while nothing is told: a third of the lease.
	keepEvery = leaseFor / 3
)

// errTaken says that another replica tells this target now.
var errTaken = errors.New("another replica has the lease")

// courier tells one target everything, in order, one after another. Its queue is the feed itself.
type courier struct {
	target     *Target
	feed       Feed
	progress   *progress
	send       func(ctx context.Context, n notice) error
	consoleURL string
	now        func() time.Time
	observe    func(target string, outcome Outcome)
	log        *slog.Logger
}

// run works until ctx ends.
func (c *courier) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		wait, err := c.turn(ctx)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errTaken):
			pause = firstPause
		case err != nil:
			c.log.Error("notifications stand still for a moment", "target", c.target.Name, "error", err)
			wait, pause = about(pause), min(2*pause, longestPause)
		default:
			pause = firstPause
		}
		sleep(ctx, wait)
	}
	if c.progress.mark.Holder == c.progress.holder {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		c.progress.free(last)
	}
}

// turn takes the lease and tells what there is until something goes wrong. wait is how long another replica has it.
func (c *courier) turn(ctx context.Context) (wait time.Duration, err error) {
	ok, wait, err := c.progress.take(ctx)
	if err != nil || !ok {
		return wait, err
	}
	cursor := c.progress.mark.Cursor
	beat := time.NewTicker(keepEvery)
	defer beat.Stop()
	events, err := c.feed.WatchAll(ctx, approval.Filter{}, cursor, beat.C)
	if err == nil {
		for e, broken := range events {
			if err = broken; err == nil {
				err = c.heard(ctx, e)
			}
			if err != nil {
				break
			}
		}
	}
	if errors.Is(err, approval.ErrCursor) || errors.Is(err, approval.ErrSlow) {
		c.observe(c.target.Name, Gap)
		c.log.Error("notifications lag behind by more than the replay window: what is pending is told anew, ends in between are not",
			"target", c.target.Name)
		return 0, c.keep(ctx, 0)
	}
	return 0, err
}

func (c *courier) heard(ctx context.Context, e approval.Event) error {
	told := false
	if !e.Heartbeat {
		n, ok := noticeOf(e.Approval, c.consoleURL)
		if ok && c.target.wants(n.kind, e.Approval.Tenant) {
			told = true
			if err := c.tell(ctx, n); err != nil {
				return err
			}
		}
	}
	// While the first list is under way there is no cursor yet: who is cut off in it begins it again.
	cursor := c.progress.mark.Cursor
	if e.Cursor > 0 {
		cursor = e.Cursor
	}
	return c.renew(ctx, cursor, told)
}

// renew stores the cursor if a third of the lease is over, or it must be now. Nothing is told without the lease: a replica
// that was suspended finds out here.
func (c *courier) renew(ctx context.Context, cursor uint64, now bool) error {
	if !now && c.progress.mark.Until.Sub(c.now()) > leaseFor-keepEvery {
		return nil
	}
	return c.keep(ctx, cursor)
}

func (c *courier) keep(ctx context.Context, cursor uint64) error {
	ok, err := c.progress.keep(ctx, cursor)
	if err == nil && !ok {
		err = errTaken
	}
	return err
}

// tell tries until it is told, refused, or of no more use. It holds the lease meanwhile. The error is that of the lease,
// the feed or ctx: a target's own failure is no error, it is waited for.
func (c *courier) tell(ctx context.Context, n notice) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		obsolete, err := c.obsolete(ctx, n)
		if err != nil {
			return err
		}
		if obsolete {
			c.observe(c.target.Name, Obsolete)
			return nil
		}
		if err := c.renew(ctx, c.progress.mark.Cursor, false); err != nil {
			return err
		}
		err = c.send(ctx, n)
		switch {
		case err == nil:
			c.observe(c.target.Name, Sent)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(refusal)):
			c.observe(c.target.Name, Refused)
			c.log.Error("a notification was refused", "target", c.target.Name, "approval_id", n.approval.ID, "error", err)
			return nil
		}
		c.observe(c.target.Name, Retried)
		c.log.Warn("a notification was not delivered; it is tried again", "target", c.target.Name, "approval_id", n.approval.ID, "error", err)
		wait := about(pause)
		if asked, ok := errors.AsType[later](err); ok {
			wait = max(wait, asked.wait)
		}
		for wait > 0 {
			part := min(wait, keepEvery)
			sleep(ctx, part)
			wait -= part
			if err := c.keep(ctx, c.progress.mark.Cursor); err != nil {
				return err
			}
		}
	}
}

// obsolete looks whether anybody still has to act on it.
func (c *courier) obsolete(ctx context.Context, n notice) (bool, error) {
	if !c.now().Before(n.until()) {
		return true, nil
	}
	if n.kind != Asked {
		return false, nil
	}
	a, err := c.feed.Get(ctx, n.approval.ID)
	if errors.Is(err, approval.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether it still waits: %w", err)
	}
	return a.State != approval.Pending, nil
}

// about is a pause of which half is chance, so that couriers do not come back in step.
func about(pause time.Duration) time.Duration {
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // nobody gains by guessing it
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
