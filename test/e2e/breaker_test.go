package e2e

import (
	"strings"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// fail lets a tool fail n times in a row.
func fail(t *testing.T, a agent, req *pb.DecideRequest, n int) {
	t.Helper()
	for range n {
		outcome(t, a, a.wants(t, req, allow), pb.OutcomeStatus_OUTCOME_STATUS_FAILED)
	}
}

func outcome(t *testing.T, a agent, of *pb.DecideResponse, status pb.OutcomeStatus) {
	t.Helper()
	got, err := a.ReportOutcome(t.Context(), &pb.ReportOutcomeRequest{DecisionId: of.GetDecisionId(), Status: status})
	if err != nil || !got.GetApplied() {
		t.Fatalf("report: %v %v", got, err)
	}
}

func TestBreakerOpensAndIsReset(t *testing.T) {
	t.Parallel()
	p := start(t)
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	req := call("demo-basic", s, "calculator", "")
	fail(t, a, req, 4)
	outcome(t, a, a.wants(t, req, allow), pb.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED) // five in a row, not five
	fail(t, a, req, 5)
	denied := a.wants(t, req, deny, "BREAKER_OPEN")
	// A minute, and up to a tenth more by chance.
	if wait := denied.GetRetryAfter().AsDuration(); wait <= 0 || wait > 66*time.Second {
		t.Errorf("retry after %s", wait)
	}
	watched.hear(t, "EVENT_TYPE_BREAKER", "open")
	watched.hear(t, "EVENT_TYPE_ANOMALY", "failed_calls")
	a.wants(t, call("demo-basic", s, "search", ""), allow) // another tool, another agent
	a.wants(t, call("demo-filtered", s, "calculator", ""), allow)
	if status := p.cli(t, "status").ok(t).out; !strings.Contains(status, "is open after 5 failures") {
		t.Errorf("portcullis status:\n%s", status)
	}
	// A restart closes nothing.
	p.stop(t)
	p = startIn(t, p.dir)
	a = p.agent(t)
	a.wants(t, req, deny, "BREAKER_OPEN")
	if reset := p.cli(t, "breaker", "reset", "demo-basic").ok(t).out; !strings.Contains(reset, "1 breaker") {
		t.Errorf("portcullis breaker reset: %s", reset)
	}
	a.wants(t, req, allow)
}

// TestThreat_E11_OneProbe: after the cool-down one call goes through; what becomes of it decides.
func TestThreat_E11_OneProbe(t *testing.T) {
	t.Parallel()
	a := hasty.get(t).agent(t)
	req := call("demo-basic", session(t), "read_file", "")
	fail(t, a, req, 5)
	probe := func() *pb.DecideResponse {
		denied := a.wants(t, req, deny, "BREAKER_OPEN")
		wait(t, time.Now().Add(denied.GetRetryAfter().AsDuration())) // the answer says when
		first := a.wants(t, req, allow)
		a.wants(t, req, deny, "BREAKER_OPEN") // the second one
		return first
	}
	outcome(t, a, probe(), pb.OutcomeStatus_OUTCOME_STATUS_FAILED)
	outcome(t, a, probe(), pb.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED)
	for range 3 {
		a.wants(t, req, allow)
	}
}
