package e2e

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// TestThreat_E18_KillSwitch stops one thing at a time, and lets it go again.
func TestThreat_E18_KillSwitch(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	for _, c := range []struct {
		name    string
		flags   []string
		spared  *pb.DecideRequest // stays allowed
		printed string
	}{
		{"agent", []string{"--agent", "demo-filtered"}, call("demo-basic", s, "calculator", ""), "agent demo-filtered"},
		{"session", []string{"--session", s}, call("demo-filtered", s+"-2", "calculator", ""), "session " + s},
		{"tool", []string{"--tool", "calculator"}, call("demo-filtered", s, "read_file", ""), "tool calculator"},
		{"tenant", []string{"--whole-tenant"}, nil, "tenant default"},
	} {
		on := append([]string{"kill", "-m", "sends mail in a loop"}, c.flags...)
		if got := p.cli(t, on...).ok(t).out; !strings.Contains(got, c.printed) {
			t.Errorf("%s: printed %q", c.name, got)
		}
		a.wants(t, call("demo-filtered", s, "calculator", ""), deny, "KILL_SWITCH")
		if c.spared != nil {
			a.wants(t, c.spared, allow)
		}
		if got := p.cli(t, "status").ok(t).out; !strings.Contains(got, c.printed) || !strings.Contains(got, "sends mail in a loop") {
			t.Errorf("%s: status:\n%s", c.name, got)
		}
		if got := p.cli(t, append(on, "--off")...).ok(t).out; !strings.Contains(got, "nothing is stopped") {
			t.Errorf("%s: let go: %q", c.name, got)
		}
		a.wants(t, call("demo-filtered", s, "calculator", ""), allow)
	}
	if got := p.cli(t, "kill"); got.code != 1 || !strings.Contains(got.err, "NOTHING_TO_STOP") {
		t.Errorf("a switch for nothing: %d %s%s", got.code, got.out, got.err)
	}
}

// TestThreat_E18_KillBetweenApproveAndRedeem: what waits and what was approved and not
// used is withdrawn for good; while the switch is on the answer is a deny.
func TestThreat_E18_KillBetweenApproveAndRedeem(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	granted := a.wants(t, email(s), ask).GetApproval().GetId()
	p.cli(t, "approvals", "approve", granted).ok(t)
	waiting := a.wants(t, call("demo-filtered", s, "send_email", `{"to": "bob@example.com"}`), ask).GetApproval().GetId()
	states := hear(t, a, waiting)

	killed := p.grpcurl(t, p.adminToken(), `{"agent": "demo-filtered", "enabled": true, "reason": "stop"}`, "AdminService/SetKillSwitch").ok(t)
	if !strings.Contains(killed.out, `"approvalsCancelled": 2`) {
		t.Errorf("cancelled: %s", killed.out)
	}
	heard(t, states, pending, cancelled)
	a.wants(t, redeem(email(s), granted), deny, "KILL_SWITCH")
	if late := p.cli(t, "approvals", "approve", waiting); late.code != 3 {
		t.Errorf("approved what was withdrawn: %d %s", late.code, late.out)
	}

	p.cli(t, "kill", "--agent", "demo-filtered", "--off").ok(t)
	for id, req := range map[string]*pb.DecideRequest{waiting: call("demo-filtered", s, "send_email", `{"to": "bob@example.com"}`), granted: email(s)} {
		_, err := a.Decide(t.Context(), redeem(req, id))
		refused(t, err, codes.FailedPrecondition, "APPROVAL_CANCELLED")
	}
	a.wants(t, email(s), ask) // a new question can be asked
}
