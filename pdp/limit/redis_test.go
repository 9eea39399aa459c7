package limit

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

func redisLedger(tb testing.TB, url string) *redis.Ledger {
	tb.Helper()
	l, err := redis.Open(redis.Config{URL: url, Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	redistest.Until(tb, "redis is reached", func() bool { return l.Status().Err == nil })
	return l
}

// TestThreat_E6_ConcurrentCallersOnOneRedis: a thousand callers, three replicas, exactly the cap.
func TestThreat_E6_ConcurrentCallersOnOneRedis(t *testing.T) {
	s := redistest.Start(t)
	var engines []*Engine
	for range 3 {
		engines = append(engines, replica(t, redisLedger(t, s.URL()), Config{}))
	}
	table := set(t, calls(100))
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for i := range 1_000 {
		wg.Go(func() {
			var h Hold
			if err := engines[i%3].Reserve(ctx, table, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
				t.Error(err)
			} else if !exceeded(h.Statuses()) {
				admitted.Add(1)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 100 {
		t.Fatalf("%d were admitted, not 100", admitted.Load())
	}
}

// TestThreat_E12_ALocalShareIsWholeWhileRedisIsGone: reports that were not even sent take nothing out of it.
func TestThreat_E12_ALocalShareIsWholeWhileRedisIsGone(t *testing.T) {
	s := redistest.Start(t)
	local := calls(1_000)
	local.OnUnavailable, local.LocalSharePercent = "local", 50
	l := redisLedger(t, s.URL())
	e, table := still(t, l), set(t, local)
	n := admit(t, e, table, 1, 1)
	_, share := booked(t, l)
	s.Kill()
	redistest.Until(t, "it is known that redis is gone", func() bool { return l.Status().Err != nil })
	if share < 400 {
		t.Fatalf("a share of %d was drawn", share)
	}
	for range share {
		n += admit(t, e, table, 1, 1)
		_ = tellAll(e)
	}
	if more := admit(t, e, table, 1, 1); n != share+1 || more != 0 {
		t.Fatalf("%d calls and %d more went through with a share of %d", n, more, share)
	}
}

// TestABusyKeyCostsFewRoundTrips counts what goes to Redis while a caller spends a limit to its end.
func TestABusyKeyCostsFewRoundTrips(t *testing.T) {
	s := redistest.Start(t)
	for _, most := range []int64{1_000, 10_000, 100_000} {
		l := redisLedger(t, s.URL())
		e := replica(t, l, Config{})
		subject, table := who(fmt.Sprint(most)), set(t, calls(most))
		before, decisions := l.Status().RoundTrips, int64(0)
		for range most {
			var h Hold
			if err := e.Reserve(ctx, table, subject, &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
				t.Fatal(err)
			}
			decisions++
			if exceeded(h.Statuses()) {
				t.Fatalf("denied after %d of %d", decisions, most)
			}
		}
		trips := float64(l.Status().RoundTrips-before) / float64(decisions)
		t.Logf("max %d: %.4f round trips a decision", most, trips)
		if trips > 0.05 {
			t.Errorf("max %d: %.4f round trips a decision, the target is 0.05", most, trips)
		}
	}
}

// BenchmarkReplicasOnOneRedis is how many decisions replicas that share one busy counter make together.
func BenchmarkReplicasOnOneRedis(b *testing.B) {
	s := redistest.Start(b)
	table := set(b, calls(1<<50))
	for _, n := range []int{1, 2, 3} {
		b.Run(fmt.Sprint(n, " replicas"), func(b *testing.B) {
			var list []*Engine
			var ledgers []*redis.Ledger
			for range n {
				l := redisLedger(b, s.URL())
				ledgers, list = append(ledgers, l), append(list, replica(b, l, Config{}))
			}
			var next atomic.Int64
			b.SetParallelism(6)
			b.RunParallel(func(pb *testing.PB) {
				e := list[int(next.Add(1))%n]
				var h Hold
				for pb.Next() {
					if err := e.Reserve(ctx, table, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
						b.Error(err)
						return
					}
				}
			})
			trips := uint64(0)
			for _, l := range ledgers {
				trips += l.Status().RoundTrips
			}
			b.ReportMetric(float64(trips)/float64(b.N), "trips/op")
		})
	}
}
