package limit

import (
	"context"
	"sync/atomic"
	"time"
)

// committer calls flush a little after it is woken, again while flush fails, and tick now and then. It exists because an
// fsync for each change would cost more than the decision that makes it.
type committer struct {
	every  time.Duration
	flush  func(context.Context) error
	tick   func(context.Context)
	period time.Duration

	waking atomic.Bool
	wake   chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
}

func startCommitter(every, period time.Duration, flush func(context.Context) error, tick func(context.Context)) *committer {
	ctx, stop := context.WithCancel(context.Background())
	c := &committer{
		every: every, flush: flush, tick: tick, period: period,
		wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	go c.run(ctx)
	return c
}

// changed asks for a flush. It never blocks.
func (c *committer) changed() {
	if c.waking.Load() || c.waking.Swap(true) {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) run(ctx context.Context) {
	defer close(c.done)
	ticker := time.NewTicker(c.period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.tick(ctx)
			continue
		case <-c.wake:
		}
		delay := time.NewTimer(c.every) // let more arrive: one commit for all of them
		select {
		case <-ctx.Done():
			delay.Stop()
			return
		case <-delay.C:
		}
		c.waking.Store(false)
		if err := c.flush(ctx); err != nil {
			c.changed() // nothing is lost: it waits for the next try
		}
	}
}

func (c *committer) close() {
	c.stop()
	<-c.done
}
