package e2e

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const crew = `agents:
  - {agent: orchestrator, profile: filtered, trust: high}
  - {agent: worker, profile: basic, acts: delegated}
`

// TestThreat_A12_Delegation is the story of docs/delegation.md: an agent hands on a part of what it may do, the next a part
// of that, and an operator ends it.
func TestThreat_A12_Delegation(t *testing.T) {
	t.Parallel()
	p := start(t, "--bundle", overlay(t, "agents", crew))
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	under := func(agent, tool string, chain string) *pb.DecideRequest {
		req := call(agent, s, tool, "")
		req.Principal.Delegation = strings.Fields(chain)
		return req
	}
	a.wants(t, under("worker", "calculator", ""), deny, "DELEGATION_REQUIRED")
	one := p.cli(t, "delegation", "attenuate", "--agent", "orchestrator", "--session", s, "--holder", "worker", "--tool", "calculator", "--tool", "search", "--depth", "1").ok(t).out
	a.wants(t, under("worker", "calculator", one), allow)
	a.wants(t, under("worker", "read_file", one), deny, "DELEGATION_EXCEEDED")

	hand := []string{"delegation", "attenuate", "-", "--agent", "worker", "--session", s, "--holder", "demo-filtered", "--tool"}
	if wider := p.feed(t, one, append(hand, "read_file")...); wider.code != 1 || !strings.Contains(wider.err, "DELEGATION_WIDENS") {
		t.Errorf("worker hands on more than it has: %d %s", wider.code, wider.err)
	}
	two := p.feed(t, one, append(hand, "search")...).ok(t).out
	a.wants(t, under("demo-filtered", "search", two), allow)
	a.wants(t, under("demo-filtered", "send_email", two), deny, "DELEGATION_EXCEEDED")
	a.wants(t, under("demo-filtered", "search", ""), deny, "DELEGATION_DROPPED")
	a.wants(t, under("orchestrator", "search", two), deny, "DELEGATION_INVALID")
	watched.hear(t, "EVENT_TYPE_DELEGATION", "does not hold: holder")

	shown := p.feed(t, two, "delegation", "show", "-").ok(t).out
	if !strings.Contains(shown, "orchestrator -> worker") || !strings.Contains(shown, "worker -> demo-filtered") || !strings.Contains(shown, "not checked") {
		t.Errorf("show:\n%s", shown)
	}
	id, _, _ := strings.Cut(shown, " ")
	if got := p.cli(t, "delegation", "revoke", id, "-m", "leaked").ok(t).out; got != "revoked\n" {
		t.Errorf("revoke: %s", got)
	}
	a.wants(t, under("demo-filtered", "search", two), deny, "DELEGATION_INVALID")
	p.stop(t)
	p = startIn(t, p.dir, "--bundle", overlay(t, "agents", crew))
	a = p.agent(t)
	a.wants(t, under("demo-filtered", "search", two), deny, "DELEGATION_INVALID")
	minted := p.cli(t, "delegation", "mint", "--issuer", "demo-filtered", "--holder", "worker", "--tool", "calculator", "--lifetime", "10m").ok(t).out
	req := under("worker", "calculator", minted)
	req.Principal.Session = s + "-2"
	a.wants(t, req, allow)
	if log := p.cli(t, "log", "query", "--json").ok(t).out; !strings.Contains(log, "delegation_revoked") || !strings.Contains(log, `"cause":"revoked"`) || strings.Contains(log, strings.TrimSpace(minted)) {
		t.Errorf("the log lacks an act, or holds a token:\n%s", log)
	}
	_, err := p.admin(t).MintDelegation(t.Context(), &pb.MintDelegationRequest{
		Issuer: "demo-filtered", Holder: "worker", Rights: &pb.DelegatedRights{Tools: []*pb.DelegatedTool{{Tool: "calculator"}}, MaxRisk: "SILLY"},
	})
	refused(t, err, codes.FailedPrecondition, "DELEGATION_REFUSED")
}

// TestThreat_A7_SuspicionAddsUp: twenty spellings of what is denied stop the session, the status says so, and an operator
// lets it go again.
func TestThreat_A7_SuspicionAddsUp(t *testing.T) {
	t.Parallel()
	p := start(t)
	watched := p.watch(t)
	a, s := p.agent(t), session(t)
	for i := range 20 {
		a.wants(t, call("demo-basic", s, "read_file", fmt.Sprintf(`{"path": "/etc/shadow", "try": %d}`, i)), deny, "PATH_DENIED")
	}
	if denied := a.wants(t, call("demo-basic", s, "calculator", ""), deny, "SUSPICION"); denied.GetRetryAfter().AsDuration() <= 0 {
		t.Error("nobody says for how long")
	}
	watched.hear(t, "EVENT_TYPE_ANOMALY", "session_suspicion")
	a.wants(t, call("demo-basic", s+"-2", "calculator", ""), allow)
	if status := p.cli(t, "status").ok(t).out; !strings.Contains(status, "session_suspicion demo-basic/"+s+" is open after 20 failures") {
		t.Errorf("portcullis status:\n%s", status)
	}
	p.cli(t, "breaker", "reset", "demo-basic").ok(t)
	a.wants(t, call("demo-basic", s, "calculator", ""), allow)
}
