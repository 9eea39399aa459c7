package redis

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

const (
	// drift is how much the clocks of two machines may differ in a second: 500 ppm, what NTP steers by at most.
	drift = 500
	// slack is what the times of two tenants on different nodes may differ by, microseconds.
	slack = 2_000
)

// clock bounds the ledger's time by this process's monotonic clock, since the last answer that told it. It exists so that a
// step of the Redis host's clock moves nothing as long as one process remembers. Safe for concurrent use.
type clock struct {
	source ledger.Source
	// slept is how long the machine was suspended since: the monotonic clock stands still then, and the boot-time clock does not.
	slept atomic.Int64

	told atomic.Pointer[told] // nil: nothing was. Read for each decision, hence no lock

	mu     sync.Mutex    // of who writes
	booted string        // the start of the machine that wake looked at first
	ahead  time.Duration // how far its time was ahead of ours then
}

// told are the bounds of the ledger's time at some moment. It never changes.
type told struct {
	at               time.Duration
	earliest, latest int64
}

// elapsed is the time since some moment of this process.
func (c *clock) elapsed() time.Duration { return c.source.Elapsed() + time.Duration(c.slept.Load()) }

// wake looks whether the machine was suspended. Without it the ledger's time would stay behind by as long.
func (c *clock) wake() {
	name, since := c.source.Boot()
	if name == "" {
		return
	}
	ahead := since - c.source.Elapsed()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.booted == "" {
		c.booted, c.ahead = name, ahead
	}
	// The two are not read at once: what is less than a second is no sleep.
	if slept := ahead - c.ahead - time.Duration(c.slept.Load()); slept > time.Second {
		c.slept.Add(int64(slept))
	}
}

// bounds are what the ledger's time can be now.
func (c *clock) bounds() (earliest, latest int64, known bool) {
	t := c.told.Load()
	if t == nil {
		return 0, 0, false
	}
	earliest, latest = t.later(c.elapsed())
	return earliest, latest, true
}

// later is what has become of the bounds.
func (t *told) later(now time.Duration) (earliest, latest int64) {
	passed := max(now-t.at, 0).Microseconds()
	wrong := passed * drift / 1_000_000
	return t.earliest + passed - wrong, t.latest + passed + wrong
}

// learn takes in that the ledger's time was told at some moment between asked and answered.
func (c *clock) learn(ledgerTime int64, asked, answered time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := (answered - asked).Microseconds()
	now := &told{at: answered, earliest: ledgerTime, latest: ledgerTime + took + took*drift/1_000_000 + 1}
	if before := c.told.Load(); before != nil {
		now.at = max(answered, before.at)
		was, will := before.later(now.at)
		switch {
		case now.earliest > will:
			// It is ahead of what was known. It never goes back, so this is the time now.
		case now.latest < was:
			return // told before, answered late
		default:
			now.earliest, now.latest = max(now.earliest, was), min(now.latest, will)
		}
	}
	c.told.Store(now)
}
