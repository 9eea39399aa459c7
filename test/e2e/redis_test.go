package e2e

import (
	"sync"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestThreat_E6_ThousandCallersOfThreeServers: three processes, one Redis, a limit of 100: exactly 100 of 1,000 callers.
func TestThreat_E6_ThousandCallersOfThreeServers(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	var agents []pb.DecisionServiceClient
	for _, name := range []string{"one", "two", "three"} {
		agents = append(agents, start(t, "--redis-url", r.URL(), "--replica-name", name, "--redis-timeout=5s").agent(t))
	}
	s, began := session(t), time.Now()
	counts := map[pb.Effect]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 1_000 {
		wg.Go(func() {
			answer, err := agents[i%3].Decide(t.Context(), adding(s))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			counts[answer.GetEffect()]++
		})
	}
	wg.Wait()
	if time.Since(began) > 55*time.Second {
		t.Skip("this machine is too slow to make the calls in a minute")
	}
	if counts[allow] != 100 || counts[deny] != 900 {
		t.Fatalf("%v, want 100 allowed of 1,000", counts)
	}
}

// TestThreat_E12_RedisThatHangsAndAReplicaThatIsCutOff: nobody waits for long, nothing is let through without Redis, limits
// hold over all of it, and all go on without a restart.
func TestThreat_E12_RedisThatHangsAndAReplicaThatIsCutOff(t *testing.T) {
	t.Parallel()
	const timeout, generous = "--redis-timeout=250ms", 10 * time.Second
	r := redistest.Start(t)
	wire := redistest.NewProxy(t, r.Addr)
	near := start(t, "--redis-url", r.URL(), "--replica-name", "near", timeout).agent(t)
	far := start(t, "--redis-url", wire.URL(), "--replica-name", "far", timeout).agent(t)
	s, began, allowed := session(t), time.Now(), 0
	try := func(a pb.DecisionServiceClient) pb.Effect {
		t.Helper()
		asked := time.Now()
		answer, err := a.Decide(t.Context(), adding(s))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(asked); took > generous {
			t.Fatalf("an answer took %s", took)
		}
		if answer.GetEffect() == allow {
			allowed++
		}
		return answer.GetEffect()
	}
	goesOn := func(what string, a pb.DecisionServiceClient) {
		t.Helper()
		eventually(t, 30*time.Second, what, func() bool { return try(a) == allow })
	}
	goesOn("near begins", near)
	goesOn("far begins", far)

	r.Do("CLIENT", "PAUSE", "3000", "ALL")
	eventually(t, 5*time.Second, "a Redis that hangs is noticed", func() bool { return try(near) == deny })
	if try(near) != deny {
		t.Error("let through while Redis hangs")
	}
	goesOn("near goes on after the pause", near)
	goesOn("far goes on after the pause", far)

	wire.Cut()
	eventually(t, 5*time.Second, "the cut is noticed", func() bool { return try(far) == deny })
	if try(near) != allow {
		t.Error("the other replica does not go on")
	}
	wire.Mend()
	goesOn("far goes on behind the cut", far)

	for range 120 {
		try(near)
		try(far)
	}
	if time.Since(began) < 55*time.Second && allowed > 100 {
		t.Fatalf("%d were let through in a minute, the limit is 100", allowed)
	}
}
