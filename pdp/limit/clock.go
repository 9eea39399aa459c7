package limit

import (
	"sync/atomic"
	"time"
)

// clock never goes back. It exists because a window that sees time go back would free what it holds twice. Within a
// process it follows the monotonic reading of the source, so that a step of the wall clock moves nothing; from one
// process to the next it goes on from the latest time that the ledger has seen, so that a wall clock which was once set
// far ahead blocks nothing for longer than a window. Safe for concurrent use.
type clock struct {
	source func() time.Time
	base   time.Time
	ahead  int64 // of the source, in nanoseconds
	latest atomic.Int64
}

func newClock(source func() time.Time, seen int64) *clock {
	c := &clock{source: source, base: source()}
	c.ahead = max(seen-c.base.UnixNano(), -c.base.UnixNano(), 0)
	c.latest.Store(c.base.UnixNano() + c.ahead)
	return c
}

// now is nanoseconds since 1970.
func (c *clock) now() int64 {
	t := c.base.UnixNano() + c.ahead + int64(c.source().Sub(c.base))
	for {
		old := c.latest.Load()
		if t <= old {
			return old
		}
		if c.latest.CompareAndSwap(old, t) {
			return t
		}
	}
}

// behind is how far the source is behind the latest time seen; operators see it.
func (c *clock) behind() time.Duration {
	t := c.base.UnixNano() + int64(c.source().Sub(c.base))
	return time.Duration(max(c.latest.Load()-t, 0))
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }
