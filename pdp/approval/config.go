package approval

import (
	"errors"
	"fmt"
	"time"
)

// ReplayWindow is how many changes of all approvals a store keeps for WatchAll to resume from.
const ReplayWindow = 10_000

// Bounds that are not configurable.
const (
	maxQuorum       = 10
	maxNames        = 40 // groups and roles of one stage
	maxTTL          = 30 * 24 * time.Hour
	maxReasons      = 512
	maxNameBytes    = 1024
	maxMessageBytes = 4096
	maxCommentRunes = 1000
	maxCauseRunes   = 200
	// maxVotes bounds the votes that are kept: late ones beyond it are answered, not recorded. Pending approvals
	// have at most maxQuorum.
	maxVotes = 64
	// maxPage is the largest page, defaultPage what 0 means, scanBudget how many rows one page may look at.
	maxPage, defaultPage, scanBudget = 200, 50, 10_000
	// maxAllWatchers bounds the streams over all approvals: each begins with a copy of what is pending.
	maxAllWatchers = 64
)

// Config steers the queue. Zero fields take the defaults. There is no setting that makes silence a yes.
type Config struct {
	// MaxPendingPerAgent, MaxPendingPerTenant and MaxPending are how many asks may wait at once. 20, 5,000, 10,000.
	MaxPendingPerAgent  int
	MaxPendingPerTenant int
	MaxPending          int
	// DefaultTTL is for asks that name none, MaxTTL the most that one may ask for. 300 s and 24 h.
	DefaultTTL time.Duration
	MaxTTL     time.Duration
	// Retention is how long an approval is kept after it ended, MaxKept how many of them. 7 days and 100,000.
	Retention time.Duration
	MaxKept   int
	// MaxContentBytes bounds one action with its view, MaxContentTotalBytes all that are kept. 8 MiB and 1 GiB.
	MaxContentBytes      int64
	MaxContentTotalBytes int64
	// MaxWatchers is how many streams may wait for verdicts. 10,000.
	MaxWatchers int
}

func (c Config) withDefaults() Config {
	c.MaxPendingPerAgent = orDefault(c.MaxPendingPerAgent, 20)
	c.MaxPendingPerTenant = orDefault(c.MaxPendingPerTenant, 5_000)
	c.MaxPending = orDefault(c.MaxPending, 10_000)
	c.DefaultTTL = orDefault(c.DefaultTTL, 300*time.Second)
	c.MaxTTL = orDefault(c.MaxTTL, 24*time.Hour)
	c.Retention = orDefault(c.Retention, 7*24*time.Hour)
	c.MaxKept = orDefault(c.MaxKept, 100_000)
	c.MaxContentBytes = orDefault(c.MaxContentBytes, 8<<20)
	c.MaxContentTotalBytes = orDefault(c.MaxContentTotalBytes, 1<<30)
	c.MaxWatchers = orDefault(c.MaxWatchers, 10_000)
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Validate names every field that is wrong.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("approvals: "+format, args...))
		}
	}
	bad(c.MaxPendingPerAgent > 0, "max_pending_per_agent is %d", c.MaxPendingPerAgent)
	bad(c.MaxPendingPerTenant > 0, "max_pending_per_tenant is %d", c.MaxPendingPerTenant)
	bad(c.MaxPending > 0, "max_pending is %d", c.MaxPending)
	bad(c.MaxTTL >= time.Second && c.MaxTTL <= maxTTL, "max_ttl is %s, 1 s to %s are possible", c.MaxTTL, maxTTL)
	bad(c.DefaultTTL >= time.Second && c.DefaultTTL <= c.MaxTTL, "default_ttl is %s, 1 s to max_ttl (%s) are possible", c.DefaultTTL, c.MaxTTL)
	bad(c.Retention > 0, "retention is %s", c.Retention)
	bad(c.MaxKept > 0, "max_kept is %d", c.MaxKept)
	bad(c.MaxContentBytes > 0, "max_content_bytes is %d", c.MaxContentBytes)
	bad(c.MaxContentTotalBytes >= c.MaxContentBytes, "max_content_total_bytes is %d, at least max_content_bytes (%d) is needed", c.MaxContentTotalBytes, c.MaxContentBytes)
	bad(c.MaxWatchers > 0, "max_watchers is %d", c.MaxWatchers)
	return errors.Join(errs...)
}
