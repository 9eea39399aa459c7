package approval

import (
	"sync"
	"time"
)

// clock is the time by which asks run out. It exists because the wall clock can be set back, which must not make an
// approval live longer: it never goes back, goes on at the monotonic clock's pace while the wall is behind, and
// follows the wall forward (also over a suspended machine, where the monotonic clock stands still). Safe for
// concurrent use.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time // what now said last, with its monotonic reading
	at   time.Time
}

// newClock begins at now, or at floor if that is later: the last thing known to have happened.
func newClock(now func() time.Time, floor time.Time) *clock {
	c := &clock{now: now, last: now()}
	c.at = later(wall(c.last), floor)
	return c
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.at = later(c.at.Add(max(now.Sub(c.last), 0)), wall(now))
	c.last = now
	return c.at
}

func wall(t time.Time) time.Time { return t.UTC().Round(0) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
