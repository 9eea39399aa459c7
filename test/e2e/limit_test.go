package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// events is `status --watch --json`, running.
type events struct {
	mu    sync.Mutex
	lines []string
}

// watch starts it and waits until it hears.
func (p *pdp) watch(t *testing.T) *events {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := p.command(t, ctx, "status", "--watch", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e := &events{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			e.mu.Lock()
			e.lines = append(e.lines, lines.Text())
			e.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait()
	})
	admin, on := p.admin(t), false
	eventually(t, 20*time.Second, "status --watch shows an event", func() bool {
		on = !on
		// Without its Redis the server stops the tool all the same, and says that nobody else has heard of it.
		_, err := admin.SetKillSwitch(t.Context(), &pb.SetKillSwitchRequest{Tool: "nothing-of-ours", Enabled: on})
		return (err != nil || !on) && e.has("EVENT_TYPE_KILL_SWITCH")
	})
	return e
}

// has says whether there was an event of that type with those texts in it.
func (e *events) has(kind string, parts ...string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range e.lines {
		var event struct{ Type string }
		if json.Unmarshal([]byte(line), &event) != nil || event.Type != kind {
			continue
		}
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}

func (e *events) hear(t *testing.T, kind string, parts ...string) {
	t.Helper()
	eventually(t, 10*time.Second, kind+" with "+strings.Join(parts, ", "), func() bool { return e.has(kind, parts...) })
}

func TestCallsAMinute(t *testing.T) {
	t.Parallel()
	p := start(t)
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	began := time.Now()
	for i := range 100 {
		got := a.wants(t, adding(s), allow)
		if want := i+1 >= 30; findings(got)["anomaly.tool_calls_per_minute"] != want {
			t.Fatalf("call %d: findings %v", i+1, got.GetFindings())
		}
	}
	over := a.wants(t, adding(s), deny, "LIMIT_EXCEEDED")
	if time.Since(began) > 55*time.Second {
		t.Skip("this machine is too slow to make 100 calls in a minute")
	}
	if wait := over.GetRetryAfter().AsDuration(); wait <= 0 || wait > 62*time.Second {
		t.Errorf("retry after %s", wait)
	}
	watched.hear(t, "EVENT_TYPE_ANOMALY", "tool_calls_per_minute", s)
	a.wants(t, call("demo-basic", s+"-other", "calculator", ""), allow)
	if usage := p.cli(t, "limits", "--session", s).ok(t).out; !strings.Contains(usage, "session_calls_per_minute") || !strings.Contains(usage, "100 / 100") {
		t.Errorf("portcullis limits:\n%s", usage)
	}
}

func findings(answer *pb.DecideResponse) map[string]bool {
	out := map[string]bool{}
	for _, f := range answer.GetFindings() {
		out[f.GetRule()] = true
	}
	return out
}

// TestThreat_E6_CallsAtOnce asks from many sides at the same time: exactly 100 are let through.
func TestThreat_E6_CallsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	began := time.Now()
	counts := map[pb.Effect]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
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
	wg.Wait()
	if time.Since(began) > 55*time.Second {
		t.Skip("this machine is too slow to make the calls in a minute")
	}
	if counts[allow] != 100 || counts[deny] != 156 {
		t.Fatalf("%v, want 100 allowed of 256", counts)
	}
}

func TestMoneyOfASession(t *testing.T) {
	t.Parallel()
	a, s := plain.get(t).agent(t), session(t)
	spend := func(micro int64) *pb.DecideRequest {
		req := call("demo-basic", s, "calculator", "")
		req.Action.Estimate = &pb.Usage{CostMicroUsd: micro}
		return req
	}
	six := a.wants(t, spend(6_000_000), allow)
	over := a.wants(t, spend(4_000_001), deny, "LIMIT_EXCEEDED")
	if over.GetRetryAfter() != nil {
		t.Errorf("retry after %s: what a session may spend does not come back", over.GetRetryAfter().AsDuration())
	}
	// What was dearer by estimate than in the end gives back, once.
	report := &pb.ReportOutcomeRequest{
		DecisionId: six.GetDecisionId(), Status: pb.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED, Actual: &pb.Usage{CostMicroUsd: 1_000_000},
	}
	for i, applied := range []bool{true, false} {
		got, err := a.ReportOutcome(t.Context(), report)
		if err != nil || got.GetApplied() != applied {
			t.Fatalf("report %d: %v %v", i+1, got, err)
		}
	}
	a.wants(t, spend(9_000_001), deny, "LIMIT_EXCEEDED")
	a.wants(t, spend(9_000_000), allow)
	a.wants(t, spend(1), deny, "LIMIT_EXCEEDED")
}

func TestSizeOfARequest(t *testing.T) {
	t.Parallel()
	a, s := plain.get(t).agent(t), session(t)
	tokens := func(n int64) *pb.DecideRequest {
		req := call("demo-basic", s, "calculator", "")
		req.Action.Estimate = &pb.Usage{Tokens: n}
		return req
	}
	a.wants(t, tokens(8000), allow)
	a.wants(t, tokens(8001), deny, "TOO_MANY_TOKENS")

	arguments := func(n int) *pb.DecideRequest {
		const frame = len(`{"t":""}`)
		return call("demo-basic", s, "read_file", `{"t":"`+strings.Repeat("word ", n/5+1)[:n-frame]+`"}`)
	}
	for _, code := range reasonsOf(a.decide(t, arguments(102_400))) { // may ask where inspection had no time
		if code == "ARGUMENTS_TOO_LARGE" {
			t.Error("100 KB are too large")
		}
	}
	a.wants(t, arguments(102_401), deny, "ARGUMENTS_TOO_LARGE")
}

// TestRequestID: a question that is asked again is charged once and answered alike; another question is not that one.
func TestRequestID(t *testing.T) {
	t.Parallel()
	a, s := plain.get(t).agent(t), session(t)
	question := func(micro int64, tool string) *pb.DecideRequest {
		r := call("demo-basic", s, tool, "")
		r.RequestId, r.Action.Estimate = "r-"+s, &pb.Usage{CostMicroUsd: micro}
		return r
	}
	first := a.wants(t, question(6_000_000, "calculator"), allow)
	again := a.wants(t, question(6_000_000, "calculator"), allow) // twice six would be more than ten
	if first.GetDecisionId() != again.GetDecisionId() {
		t.Errorf("two decisions: %s and %s", first.GetDecisionId(), again.GetDecisionId())
	}
	_, err := a.Decide(t.Context(), question(6_000_000, "search"))
	refused(t, err, codes.InvalidArgument, "REQUEST_ID_REUSED")
}
