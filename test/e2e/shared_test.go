package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// patient is a time-out that a busy machine does not reach by itself.
const patient = "--redis-timeout=2s"

// TestThreat_E6_ReplicasShareALimit: calls on two servers at the same time, one session: exactly 100 are let through.
func TestThreat_E6_ReplicasShareALimit(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := session(t)
	began := time.Now()
	counts := map[pb.Effect]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	replicas := []*pdp{start(t, "--redis-url", r.URL(), "--replica-name", "one", patient), start(t, "--redis-url", r.URL(), "--replica-name", "two", patient)}
	for _, p := range replicas {
		a := p.agent(t)
		for range 8 {
			wg.Go(func() {
				for range 16 {
					answer, err := a.Decide(t.Context(), adding(s))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					counts[answer.GetEffect()]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if time.Since(began) > 55*time.Second {
		t.Skip("this machine is too slow to make the calls in a minute")
	}
	if counts[allow] != 100 || counts[deny] != 156 {
		t.Errorf("%v, want 100 allowed of 256", counts)
	}
	for _, p := range replicas {
		eventually(t, 10*time.Second, "both show it", func() bool {
			return strings.Contains(p.cli(t, "limits", "--session", s).ok(t).out, " 100 / 100 calls")
		})
		if out := p.cli(t, "status").ok(t).out; !strings.Contains(out, "\nledger     redis, ") || !strings.Contains(out, "\nlimits     ok\n") {
			t.Errorf("status:\n%s", out)
		}
	}
}

var additions atomic.Int64

// adding is a call that nobody has made before: agents that repeat themselves are stopped for that.
func adding(session string) *pb.DecideRequest {
	return call("demo-basic", session, "calculator", fmt.Sprintf(`{"sum": "%d + 1"}`, additions.Add(1)))
}

// saying is an action that limits are about, and no breaker.
func saying(session string) *pb.DecideRequest {
	req := call("demo-basic", session, "", "")
	req.Action.Kind, req.Action.Content = pb.ActionKind_ACTION_KIND_MODEL_OUTPUT, "Lunch at noon."
	return req
}

// TestThreat_E12_RedisThatIsNotThere: the server starts, says so, denies, and goes on as soon as there is one.
func TestThreat_E12_RedisThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := redistest.Prepare(t)
	p := start(t, "--redis-url", r.URL(), patient) // serves, or this fails
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	a.wants(t, adding(s), deny, "STATE_UNAVAILABLE") // its breakers cannot be read
	a.wants(t, saying(s), deny, "STATE_UNAVAILABLE") // its limits cannot be counted
	status := p.cli(t, "status").ok(t).out
	for _, want := range []string{", serving since", "limits     DEGRADED: ", "ledger     redis", "UNREACHABLE: "} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in status:\n%s", want, status)
		}
	}
	if got := p.cli(t, "limits"); got.code != 1 || !strings.Contains(got.err, "STATE_UNAVAILABLE") {
		t.Errorf("limits: %d %s%s", got.code, got.out, got.err)
	}
	if got := p.cli(t, "limits", "recover", "--yes"); got.code != 1 || !strings.Contains(got.err, "STATE_UNAVAILABLE") {
		t.Errorf("recover: %d %s%s", got.code, got.out, got.err)
	}
	page := p.get(t, "/metrics")
	for _, want := range []string{"\nportcullis_ledger_up 0\n", `{limit="session_cost",outcome="unavailable"} 1`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	r.Run()
	eventually(t, 30*time.Second, "it goes on", func() bool {
		return a.decide(t, adding(s)).GetEffect() == allow
	})
	watched.hear(t, "EVENT_TYPE_LEDGER", `"reachable"`)
	eventually(t, 10*time.Second, "it is well", func() bool {
		out := p.cli(t, "status").ok(t).out
		return strings.Contains(out, "limits     ok\n") && !strings.Contains(out, "UNREACHABLE")
	})
}

// TestThreat_E12_RedisThatForgot: an emptied store is noticed, budgets deny, and only an operator's word ends it.
func TestThreat_E12_RedisThatForgot(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	budget := overlay(t, "limits", "limits:\n  - {name: month, measure: cost_micro_usd, scope: [agent], period: month, max: 10000000, counts: allowed, on_exceed: deny, on_unavailable: deny}\n")
	p := start(t, "--redis-url", r.URL(), patient, "--bundle", budget)
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	spend := adding(s)
	spend.Action.Estimate = &pb.Usage{CostMicroUsd: 6_000_000}
	a.wants(t, spend, allow)
	small := func() *pb.DecideRequest {
		req := adding(s)
		req.Action.Estimate = &pb.Usage{CostMicroUsd: 1}
		return req
	}

	r.Kill()
	r.Empty()
	r.Run()
	eventually(t, 30*time.Second, "the loss is noticed, and denies", func() bool {
		answer := a.decide(t, small())
		return answer.GetEffect() == deny && reasonsOf(answer)[0] == "LIMIT_STATE_LOST"
	})
	watched.hear(t, "EVENT_TYPE_LEDGER", `"amnesia"`)
	for _, args := range [][]string{{"status"}, {"limits"}} {
		if out := p.cli(t, args...).ok(t).out; !strings.Contains(out, "LOST") || !strings.Contains(out, "portcullis limits recover") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	if page := p.get(t, "/metrics"); !strings.Contains(page, "portcullis_ledger_amnesia_tenants 1\n") {
		t.Error("the metrics do not show it")
	}
	if got := p.feed(t, "yes\n", "limits", "recover"); got.code != 3 || !strings.Contains(got.err, "nothing was changed") {
		t.Errorf("not confirmed: %d %s%s", got.code, got.out, got.err)
	}
	a.wants(t, small(), deny, "LIMIT_STATE_LOST")
	if got := p.feed(t, "recover\n", "limits", "recover").ok(t); !strings.Contains(got.out, "recovered") || !strings.Contains(got.err, "cannot be taken back") {
		t.Errorf("%s%s", got.out, got.err)
	}
	eventually(t, 10*time.Second, "it goes on", func() bool { return a.decide(t, small()).GetEffect() == allow })
	watched.hear(t, "EVENT_TYPE_LEDGER", `"recovered"`)
	if out := p.cli(t, "status").ok(t).out; strings.Contains(out, "LOST") {
		t.Errorf("status:\n%s", out)
	}
}

// TestThreat_E12_LimitsThatGoOnAlone: with a share leased before, while Redis is gone, and said so in the answer.
func TestThreat_E12_LimitsThatGoOnAlone(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	dir := t.TempDir()
	local := func(names ...string) (rows string) {
		for _, name := range names {
			rows += "  - {name: " + name + ", on_unavailable: local, local_share_percent: 20}\n"
		}
		return rows
	}
	mustWrite(t, filepath.Join(dir, "tables", "limits", "data.yaml"), "limits:\n"+
		local("session_calls_per_minute", "session_cost", "agent_calls_per_minute", "agent_cost_per_day", "tenant_calls_per_minute", "tenant_cost_per_day"))
	mustWrite(t, filepath.Join(dir, "tables", "anomalies", "data.yaml"), "anomalies:\n"+local("tool_calls_per_minute", "failed_calls", "session_spend"))
	p := start(t, "--redis-url", r.URL(), patient, "--bundle", dir)
	a, s := p.agent(t), session(t)
	for range 5 {
		a.wants(t, saying(s), allow)
	}
	r.Kill()
	eventually(t, 30*time.Second, "it goes on, and says how", func() bool {
		answer := a.decide(t, saying(s))
		return answer.GetEffect() == allow && len(answer.GetDegraded()) == 1 && answer.GetDegraded()[0] == "limits_local"
	})
	eventually(t, 10*time.Second, "the metrics show it", func() bool {
		page := p.get(t, "/metrics")
		return strings.Contains(page, "portcullis_limits_local 1\n") && !strings.Contains(page, "portcullis_limit_local_charges_total 0\n")
	})
	r.Run()
	eventually(t, 30*time.Second, "it is as before", func() bool {
		answer := a.decide(t, saying(s))
		return len(answer.GetDegraded()) == 0
	})
}

// TestThreat_E12_NobodyCountsAloneUnnoticed: without --redis-url a server that had one would begin from zero.
func TestThreat_E12_NobodyCountsAloneUnnoticed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	dir := t.TempDir()
	p := startIn(t, dir, "--redis-url", r.URL(), patient)
	p.agent(t).wants(t, adding(session(t)), allow)
	p.stop(t)
	alone := []string{"--dev", "--data-dir", p.data, "--operator-dir", p.operator}
	if got := serve(t, dir, nil, alone...); got.code != 1 || !strings.Contains(got.err, "--abandon-redis") {
		t.Fatalf("exit code %d: %s", got.code, got.err)
	}
	if got := serve(t, dir, []string{"PORTCULLIS_ABANDON_REDIS=true"}, alone...); got.code != 1 || !strings.Contains(got.err, "--abandon-redis") {
		t.Fatalf("the environment abandons: exit code %d: %s", got.code, got.err)
	}
	startIn(t, dir, "--abandon-redis").stop(t)
	startIn(t, dir).stop(t) // once was enough
}
