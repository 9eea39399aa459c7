package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// unavailable sends a batch that must fail, and fail because Redis is not there.
func unavailable(t *testing.T, l ledger.Ledger, lines ...ledger.Line) {
	t.Helper()
	if _, err := l.Do(t.Context(), batch(lines...)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("do: %v, want unavailable", err)
	}
}

// open waits until the breaker on the connection is open, and shows that nothing is sent then.
func (r *replica) open(t *testing.T) {
	t.Helper()
	redistest.Until(t, "the breaker is open", func() bool {
		_, err := r.Do(t.Context(), batch(free("probe", 0)))
		return errors.Is(err, ledger.ErrUnavailable) && r.Status().Err != nil
	})
}

// TestItSaysWhereNothingWasSent, so that a sender keeps what it holds whole. Where Redis may have got it, it must not say so.
func TestItSaysWhereNothingWasSent(t *testing.T) {
	s := redistest.Prepare(t)
	r := start(t, Config{URL: s.URL(), Timeout: 100 * time.Millisecond})
	unsent := func(ctx context.Context, want bool) {
		t.Helper()
		trips := r.Status().RoundTrips
		_, err := r.Do(ctx, batch(free("cell", 1)))
		if !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrUnsent) != want {
			t.Fatalf("after %d round trips: %v; want it unsent: %v", trips, err, want)
		}
	}
	unsent(t.Context(), true) // never reached
	s.Run()
	again(t, r)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	unsent(gone, true)
	do(t, r, free("cell", 1))
	s.Do("CLIENT", "PAUSE", "600000")
	unsent(t.Context(), false)
	r.open(t)
	unsent(t.Context(), true)
}

// TestADownRedisIsNoCrash starts before Redis does.
func TestADownRedisIsNoCrash(t *testing.T) {
	s := redistest.Prepare(t)
	r := start(t, Config{URL: s.URL()})
	unavailable(t, r, free("cell", 1))
	if _, _, known := r.Now(); known || r.Status().Err == nil {
		t.Fatalf("it knows the time of a ledger that it never saw: %+v", r.Status())
	}
	s.Run()
	again(t, r)
	do(t, r, free("cell", 1))
}

// TestThreat_E12_AKilledRedisIsBackWithoutARestart of the process that uses it.
func TestThreat_E12_AKilledRedisIsBackWithoutARestart(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	for range 3 {
		do(t, r, free("cell", 1))
		s.Kill()
		unavailable(t, r, free("cell", 1))
		r.open(t)
		s.Run()
		again(t, r)
	}
	lost(t, r, true)
}

// TestThreat_E12_NobodyWaitsForAPausedRedis holds many callers' batches for longer than they wait. What Redis carries out late
// only over-counts, and gives nothing back that was spent since.
func TestThreat_E12_NobodyWaitsForAPausedRedis(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL(), Timeout: 100 * time.Millisecond})
	draw := hard("held", anHour, 0, 100)
	draw.Need = 20
	first := do(t, r, draw, free("spent", 5))

	const pause = 4 * time.Second
	s.Do("CLIENT", "PAUSE", "4000")
	began := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			back := hard("held", anHour, 0, 100)
			back.Held, back.Epoch, back.Returned = 20, first.Epoch, 20
			if _, err := r.Do(context.Background(), batch(back, free("spent", 1))); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	r.open(t)
	trips := r.Status().RoundTrips
	for range 1000 {
		unavailable(t, r, free("spent", 1))
	}
	if sent := r.Status().RoundTrips - trips; sent > 500 { // the probe goes on
		t.Errorf("%d round trips to a Redis that does not answer", sent)
	}
	if waited := time.Since(began); waited > pause {
		t.Fatalf("waited %s", waited)
	}
	s.Do("CLIENT", "UNPAUSE")
	again(t, r)

	// The batches that were given up may have been carried out, the one or the other; then their holder draws anew.
	now := do(t, r, draw, free("spent", 0))
	if l := now.Lines[0]; l.Used < 20 || l.Block < 20 {
		t.Fatalf("%+v", l)
	}
	if l := now.Lines[1]; l.Used < 5 || l.Used > 25 {
		t.Fatalf("%+v", l)
	}
	lost(t, r, false)
}

// TestALateBatchGivesNothingBack is the fence: what was sent before, and comes after, is refused.
func TestALateBatchGivesNothingBack(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	draw := hard("held", anHour, 0, 100)
	draw.Need = 20
	first := do(t, r, draw)
	back := draw
	back.Need, back.Held, back.Epoch, back.Returned = 0, 20, first.Epoch, 20
	late := batch(back)
	do(t, r, draw) // its sender has given it up, and holds 40 now
	if _, err := r.Do(t.Context(), late); !errors.Is(err, ledger.ErrStale) {
		t.Fatalf("%v", err)
	}
	if got := do(t, r, draw); got.Lines[0].Block != 60 {
		t.Fatalf("%+v", got.Lines[0])
	}
}

// TestOneReplicaIsCutOff from Redis, and the others go on. Its block stays booked, and counts as spent when it expires.
func TestOneReplicaIsCutOff(t *testing.T) {
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr)
	far, near := join(t, Config{URL: proxy.URL(), Timeout: 200 * time.Millisecond}), join(t, Config{URL: s.URL()})
	draw := hard("cell", anHour, 0, 100)
	draw.Need, draw.Lease = 60, time.Minute.Microseconds()
	b := batch(draw)
	b.Holder = "far"
	if _, err := far.Do(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	unavailable(t, far, free("cell", 1))
	far.open(t)
	if got := do(t, near, hard("cell", anHour, 41, 100)); got.Verdict != ledger.Denied {
		t.Fatalf("%+v", got)
	}
	if got := do(t, near, hard("cell", anHour, 40, 100)); got.Verdict != ledger.Allowed {
		t.Fatalf("%+v", got)
	}
	near.advance(2 * time.Minute)
	far.advance(2 * time.Minute)
	if got := do(t, near, hard("cell", anHour, 1, 100)); got.Verdict != ledger.Denied || got.Lines[0].Used != 100 {
		t.Fatalf("%+v", got)
	}
	proxy.Mend()
	again(t, far)
	lost(t, far, false)
	if got := do(t, far, hard("cell", anHour, 0, 100)); got.Lines[0].Used != 100 {
		t.Fatalf("%+v", got)
	}
}

// TestReconnectStorms kills the connections again and again under load. Each unit is admitted once.
func TestReconnectStorms(t *testing.T) {
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr)
	replicas := []*replica{join(t, Config{URL: proxy.URL()}), join(t, Config{URL: proxy.URL()}), join(t, Config{URL: proxy.URL()})}
	const most = 400
	var admitted, unknown atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := replicas[i%len(replicas)].Do(context.Background(), batch(hard("cell", anHour, 1, most)))
				switch {
				case err != nil:
					unknown.Add(1)
				case got.Verdict == ledger.Allowed:
					admitted.Add(1)
				}
			}
		})
	}
	for range 30 {
		before := admitted.Load()
		redistest.Until(t, "it goes on", func() bool { return admitted.Load() > before || admitted.Load() > most/2 })
		proxy.Mend() // drops all connections
	}
	again(t, replicas...)
	redistest.Until(t, "the limit is reached", func() bool {
		got, err := replicas[0].Do(t.Context(), batch(hard("cell", anHour, 1, most)))
		if err == nil && got.Verdict == ledger.Allowed {
			admitted.Add(1)
		}
		return err == nil && got.Verdict == ledger.Denied
	})
	close(stop)
	wg.Wait()
	if got := do(t, replicas[1], hard("cell", anHour, 0, most)); got.Lines[0].Used != most || admitted.Load() > most {
		t.Fatalf("%d admitted, %d in use, %d failed", admitted.Load(), got.Lines[0].Used, unknown.Load())
	}
	lost(t, replicas[2], false)
}

// TestAFlushedScriptIsSentAgain because scripts are not data: Redis may drop them.
func TestAFlushedScriptIsSentAgain(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	do(t, r, free("cell", 1))
	s.Do("SCRIPT", "FLUSH")
	if got := do(t, r, free("cell", 1)); got.Lines[0].Used != 2 {
		t.Fatalf("%+v", got)
	}
}

// TestARedisThatEvictsIsRefused until it is told not to.
func TestARedisThatEvictsIsRefused(t *testing.T) {
	s := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	r := start(t, Config{URL: s.URL()})
	redistest.Until(t, "the reason is told", func() bool {
		err := r.Status().Err
		return err != nil && strings.Contains(err.Error(), "noeviction")
	})
	unavailable(t, r, free("cell", 1))
	s.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	again(t, r)
}

// TestAFullRedisChangesNothing rather than the half of a batch.
func TestAFullRedisChangesNothing(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	index := do(t, r, free("cell", 1), free("returned", 1)).Lines[1].Index
	s.Do("CONFIG", "SET", "maxmemory", "1")
	refund := free("returned", 0) // deleting it would be allowed
	refund.Refunds = []ledger.Stamp{{Index: index, Units: 1}}
	unavailable(t, r, refund, free("cell", 1), free("other", 1))
	s.Do("CONFIG", "SET", "maxmemory", "0")
	again(t, r)
	if got := do(t, r, free("cell", 0), free("other", 0), free("returned", 0)); got.Lines[0].Used != 1 || got.Lines[1].Used != 0 ||
		got.Lines[2].Used != 1 {
		t.Fatalf("%+v", got)
	}
	lost(t, r, false)
}

// TestAReplicaOfRedisIsNoLedger because what it was told is overwritten.
func TestAReplicaOfRedisIsNoLedger(t *testing.T) {
	master := redistest.Start(t)
	s := redistest.Start(t, "--replicaof", "127.0.0.1 "+master.Port())
	synced(t, s)
	r := start(t, Config{URL: s.URL()})
	redistest.Until(t, "the reason is told", func() bool {
		err := r.Status().Err
		return err != nil && strings.Contains(err.Error(), "READONLY")
	})
	unavailable(t, r, free("cell", 1))
}

// TestOneTenantsTroubleStopsNobodyElse: a counter that a later version wrote can't be read, and only that.
func TestOneTenantsTroubleStopsNobodyElse(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	do(t, r, free("cell", 1))
	s.Do("SET", r.keys("acme").cell(name("cell")), "\x93\x02\x01\x01", "KEEPTTL")
	for range 2 * failuresToOpen {
		unavailable(t, r, free("cell", 1))
	}
	do(t, r, free("another", 1))
	if err := r.Status().Err; err != nil {
		t.Fatal(err)
	}
}
