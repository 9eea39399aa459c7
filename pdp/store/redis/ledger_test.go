package redis

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// The client of a cluster sleeps before it looks at the nodes again, and before it closes connections to those that are no more:
// up to five seconds, whoever closes it before.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// replica is a ledger with a clock that a test moves.
type replica struct {
	*Ledger
	ahead atomic.Int64
}

func (r *replica) advance(d time.Duration) { r.ahead.Add(int64(d)) }

// join opens a ledger and waits until it knows the time.
func join(tb testing.TB, cfg Config) *replica {
	tb.Helper()
	r := start(tb, cfg)
	redistest.Until(tb, "the ledger is reached", func() bool { return r.Status().Err == nil })
	return r
}

// start opens a ledger.
func start(tb testing.TB, cfg Config) *replica {
	tb.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second // the machine that tests run on may be slow
	}
	r := &replica{}
	source := ledger.System()
	elapsed := source.Elapsed
	source.Elapsed = func() time.Duration { return elapsed() + time.Duration(r.ahead.Load()) }
	adapt := stepped
	if cfg.Cluster { // its key would have to be on each node
		adapt = func(script string) string { return script }
	}
	l, err := open(cfg, source, adapt)
	if err != nil {
		tb.Fatal(err)
	}
	r.Ledger = l
	tb.Cleanup(func() { _ = l.Close() })
	return r
}

func conform(t *testing.T, cfg Config) {
	t.Helper()
	ledgertest.Run(t, func(t *testing.T, b ledgertest.Bounds) ledgertest.Harness {
		t.Helper()
		cfg := cfg
		cfg.MaxCellsPerTenant, cfg.MaxCellsPerOwner, cfg.MaxReservationsPerOwner = b.PerTenant, b.PerOwner, b.ReservationsPerOwner
		r := join(t, cfg)
		return ledgertest.Harness{Ledger: r, Records: r, Advance: r.advance, Prompt: true}
	})
}

// TestConformance runs the contract of ledgers against a real Redis.
func TestConformance(t *testing.T) {
	conform(t, Config{URL: redistest.Start(t).URL()})
}
