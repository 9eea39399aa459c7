package breaker_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// brief has the shortest times that a row may have: Redis keeps its own time.
var brief = breaker.Definition{Name: "brief", ConsecutiveFailures: 3, OpenSeconds: 1, ProbeSeconds: 3600, JitterPercent: new(int64)}

// shared are breakers of so many processes on one Redis.
func shared(t *testing.T, url string, n int) []*breaker.Breakers {
	t.Helper()
	all := make([]*breaker.Breakers, n)
	for i := range all {
		store, err := redis.Open(redis.Config{URL: url, Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		t.Cleanup(func() { _ = store.Close() })
		redistest.Until(t, "redis is reached", func() bool { return store.Status().Err == nil })
		all[i], err = breaker.New(breaker.Config{Timeout: 10 * time.Second}, store)
		must(t, err)
	}
	return all
}

func stateOf(b *breaker.Breakers, d breaker.Definition) breaker.State {
	list, err := b.Peek(ctx, []breaker.Definition{d}, bot)
	if err != nil || len(list) != 1 {
		return ""
	}
	return list[0].State
}

func TestThreat_E11_OneProbeOfAHundredOnThreeReplicasOfRedis(t *testing.T) {
	all, defs := shared(t, redistest.Start(t).URL(), 3), []breaker.Definition{brief}
	for i := range 3 { // one failure on each
		changes, err := all[i].Record(ctx, defs, bot, fmt.Sprint("f", i), failure)
		if err != nil || (len(changes) == 1) != (i == 2) {
			t.Fatalf("failure %d: %+v, %v", i, changes, err)
		}
	}
	for round := range 3 {
		for i, b := range all {
			redistest.Until(t, fmt.Sprintf("replica %d sees that the cool-down is over", i), func() bool { return stateOf(b, brief) == breaker.HalfOpen })
		}
		var went atomic.Int64
		probe := ""
		together(100, func(i int) {
			id := fmt.Sprintf("r%d-%d", round, i)
			list, err := all[i%3].Check(ctx, defs, bot, id)
			if err != nil {
				t.Error(err)
			} else if !list[0].Holds() && went.Add(1) == 1 {
				probe = id
			}
		})
		if went.Load() != 1 {
			t.Fatalf("round %d: %d went on, want one", round, went.Load())
		}
		// It reports to any replica.
		outcome, want := failure, breaker.Open
		if round == 2 {
			outcome, want = success, breaker.Closed
		}
		changes, err := all[round].Record(ctx, defs, bot, probe, outcome)
		if err != nil || len(changes) != 1 || changes[0].State != want {
			t.Fatalf("round %d: %+v, %v", round, changes, err)
		}
	}
	for i, b := range all {
		redistest.Until(t, fmt.Sprintf("replica %d sees it closed", i), func() bool { return stateOf(b, brief) == breaker.Closed })
	}
}

// A Redis that does not answer holds nobody longer than the time-out, and denies; then it goes on without a restart.
func TestThreat_E12_ARedisThatIsPausedDenies(t *testing.T) {
	server := redistest.Start(t)
	all, defs := shared(t, server.URL(), 1), []breaker.Definition{brief}
	for i := range 3 {
		_, err := all[0].Record(ctx, defs, bot, fmt.Sprint("f", i), failure)
		must(t, err)
	}
	redistest.Until(t, "the cool-down is over", func() bool { return stateOf(all[0], brief) == breaker.HalfOpen })
	server.Do("CLIENT", "PAUSE", "6000", "ALL")
	if _, err := all[0].Check(ctx, defs, bot, "p"); !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("paused: %v", err)
	}
	if err := all[0].Health(); err == nil {
		t.Fatal("healthy")
	}
	redistest.Until(t, "it goes on", func() bool {
		list, err := all[0].Check(ctx, defs, bot, "q")
		return err == nil && list[0].State == breaker.HalfOpen
	})
	redistest.Until(t, "it is healthy", func() bool { return all[0].Health() == nil })
}
