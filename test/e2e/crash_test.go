package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// logged lists the decisions in a data directory's log, as `log query` prints them.
func logged(t *testing.T, p *pdp, filter ...string) []string {
	t.Helper()
	var ids []string
	out := p.cli(t, append([]string{"log", "query", "--type", "decision", "--json"}, filter...)...).ok(t).out
	for line := range strings.Lines(out) {
		var entry struct {
			Decision struct {
				ID string `json:"decision_id"`
			}
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Decision.ID == "" {
			t.Fatalf("a line that is no decision: %v: %s", err, line)
		}
		ids = append(ids, entry.Decision.ID)
	}
	return ids
}

// TestThreat_B15_KillMinusNine kills a server under load, with asks open, and looks at what the next one knows.
func TestThreat_B15_KillMinusNine(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	open := a.wants(t, email(s), ask).GetApproval().GetId()
	yes := call("demo-filtered", s, "send_email", `{"to": "bob@example.com", "body": "Dinner?"}`)
	granted := a.wants(t, yes, ask).GetApproval().GetId()
	done := call("demo-filtered", s, "send_email", `{"to": "eve@example.com", "body": "Tea?"}`)
	spent := a.wants(t, done, ask).GetApproval().GetId()
	p.cli(t, "approvals", "approve", granted).ok(t)
	p.cli(t, "approvals", "approve", spent).ok(t)
	a.wants(t, redeem(done, spent), allow)
	p.cli(t, "kill", "--agent", "demo-basic", "-m", "stopped").ok(t)

	// Every answer that was heard is on record, also those of the last moment.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var answered []string
	var wg sync.WaitGroup
	enough := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				answer, err := a.Decide(ctx, call("demo-airgapped", s, "calculator", ""))
				if err != nil {
					return // it was killed
				}
				mu.Lock()
				if answered = append(answered, answer.GetDecisionId()); len(answered) == 200 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	p.crash(t)
	cancel()
	wg.Wait()

	p = startIn(t, p.dir)
	a = p.agent(t)
	ids := logged(t, p, "--agent", "demo-airgapped")
	for _, id := range answered {
		if !slices.Contains(ids, id) {
			t.Errorf("decision %s was answered and is not in the log", id)
		}
	}
	t.Logf("%d decisions were answered before the kill", len(answered))

	people := p.approver(t)
	for id, want := range map[string]pb.ApprovalState{open: pending, granted: approved, spent: approved} {
		got, err := people.GetApproval(t.Context(), &pb.GetApprovalRequest{ApprovalId: id})
		if err != nil || got.GetApproval().GetState() != want {
			t.Errorf("approval %s: %v %v, want %s", id, got.GetApproval().GetState(), err, want)
		}
	}
	if shown := p.cli(t, "approvals", "show", open).ok(t); !strings.Contains(shown.out, "ann@example.com") {
		t.Errorf("the open ask can't be read any more:\n%s", shown.out)
	}
	a.wants(t, redeem(yes, granted), allow)
	for id, req := range map[string]*pb.DecideRequest{granted: yes, spent: done} {
		_, err := a.Decide(t.Context(), redeem(req, id))
		refused(t, err, codes.FailedPrecondition, "APPROVAL_USED")
	}
	states := hear(t, a, open)
	p.cli(t, "approvals", "approve", open).ok(t)
	heard(t, states, pending, approved)
	a.wants(t, redeem(email(s), open), allow)
	a.wants(t, call("demo-basic", s, "calculator", ""), deny, "KILL_SWITCH")
}

// TestThreat_B15_VerdictsSurviveTheKillThatFollows kills as soon as an ask, or a verdict, was answered.
func TestThreat_B15_VerdictsSurviveTheKillThatFollows(t *testing.T) {
	t.Parallel()
	p := start(t)
	s := session(t)
	id := p.agent(t).wants(t, email(s), ask).GetApproval().GetId()
	p.crash(t)
	p = startIn(t, p.dir)
	answer, err := p.approver(t).SubmitVerdict(t.Context(), &pb.SubmitVerdictRequest{ApprovalId: id, Verdict: pb.Verdict_VERDICT_APPROVE})
	if err != nil || !answer.GetApplied() {
		t.Fatalf("verdict: %v %v", answer, err)
	}
	p.crash(t)
	p = startIn(t, p.dir)
	a := p.agent(t)
	a.wants(t, redeem(email(s), id), allow)
	p.crash(t)
	p = startIn(t, p.dir)
	a = p.agent(t)
	_, err = a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_USED")
}

// TestLimitsSurviveARestart: what a session has used before a graceful restart is used after it, to the unit.
func TestLimitsSurviveARestart(t *testing.T) {
	t.Parallel()
	p := start(t)
	s := session(t)
	began := time.Now()
	for range 60 {
		p.agent(t).wants(t, adding(s), allow)
	}
	spend := call("demo-basic", s+"-money", "calculator", "")
	spend.Action.Estimate = &pb.Usage{CostMicroUsd: 6_000_000}
	p.agent(t).wants(t, spend, allow)
	p.stop(t)

	p = startIn(t, p.dir)
	a := p.agent(t)
	for i := range 40 {
		if got := a.decide(t, adding(s)); got.GetEffect() != allow {
			t.Fatalf("call %d of 100: %v", 61+i, reasonsOf(got))
		}
	}
	if time.Since(began) > 55*time.Second {
		t.Skip("this machine is too slow to make 100 calls in a minute")
	}
	a.wants(t, adding(s), deny, "LIMIT_EXCEEDED")
	spend.Action.Estimate.CostMicroUsd = 4_000_001
	a.wants(t, spend, deny, "LIMIT_EXCEEDED")
	spend.Action.Estimate.CostMicroUsd = 4_000_000
	a.wants(t, spend, allow)
}
