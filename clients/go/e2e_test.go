package portcullis

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// realPDP is the binary that `make build` makes, serving on a port of its own.
type realPDP struct {
	process        *os.Process
	addr           string
	data, operator string
	ended          chan struct{}
}

func startReal(t *testing.T) *realPDP {
	t.Helper()
	binary := os.Getenv("PORTCULLIS_BIN")
	if binary == "" {
		t.Fatal("PORTCULLIS_BIN names no binary: `make build`, and set it to bin/portcullis")
	}
	p := &realPDP{data: t.TempDir(), operator: t.TempDir(), ended: make(chan struct{})}
	file := filepath.Join(t.TempDir(), "addr")
	var output bytes.Buffer
	cmd := exec.Command(binary, "serve", "--dev", "--listen", "127.0.0.1:0", "--addr-file", file, "--data-dir", p.data, "--operator-dir", p.operator)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.process = cmd.Process
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the server said:\n%s", output.String())
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		if raw, err := os.ReadFile(file); err == nil && len(raw) > 0 {
			p.addr = strings.TrimSpace(string(raw))
			return p
		}
		select {
		case <-p.ended:
			t.Fatalf("the server ended:\n%s", output.String())
		case <-tick.C:
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the server did not say where it listens")
		}
	}
}

func (p *realPDP) kill() {
	_ = p.process.Kill()
	<-p.ended
}

// stop suspends the server, and returns once all of it stands still.
func (p *realPDP) stop(t *testing.T) {
	t.Helper()
	if err := p.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(p.process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		t.Fatalf("not stopped: %v %v", ws, err)
	}
}

// agent is a client with the agents' token, on the profile that may send mail.
func (p *realPDP) agent(t *testing.T, session string, change ...func(*Config)) *Client {
	t.Helper()
	return connect(t, p.addr, append([]func(*Config){func(c *Config) {
		c.Token, c.TokenFile = "", filepath.Join(p.data, "agent.token")
		c.Principal = Principal{Agent: "demo-filtered", Session: session}
	}}, change...)...)
}

// person is the approvals' service with somebody's token.
func (p *realPDP) person(t *testing.T, tokenFile string) (portcullisv1.ApprovalServiceClient, context.Context) {
	t.Helper()
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+strings.TrimSpace(string(token)))
	return portcullisv1.NewApprovalServiceClient(conn), ctx
}

func (p *realPDP) submit(t *testing.T, approvalID string, verdict portcullisv1.Verdict) {
	t.Helper()
	approvals, ctx := p.person(t, filepath.Join(p.operator, "approver.token"))
	out, err := approvals.SubmitVerdict(ctx, &portcullisv1.SubmitVerdictRequest{ApprovalId: approvalID, Verdict: verdict, Comment: "seen"})
	if err != nil || !out.GetApplied() {
		t.Fatalf("verdict not applied: %v %v", out, err)
	}
}

func email(body string) Action {
	return ToolCall("send_email", map[string]any{"to": "ann@example.com", "body": body})
}

func TestE2EAllowAndDeny(t *testing.T) {
	t.Parallel()
	agent := startReal(t).agent(t, "s1")
	var id string
	err := agent.Guard(t.Context(), ToolCall("calculator", map[string]any{"sum": "2+2"}), func(_ context.Context, run *Run) error {
		id = run.Decision.ID
		return nil
	})
	if err != nil || id == "" {
		t.Fatalf("calculator: %v", err)
	}
	// Guard has reported; a second report changes nothing, and one about nothing is refused.
	if err := agent.Report(t.Context(), id, succeeded, nil); err != nil {
		t.Fatal(err)
	}
	if err := agent.Report(t.Context(), "01890000-0000-7000-8000-000000000000", succeeded, nil); status.Code(err) != codes.NotFound {
		t.Fatalf("an outcome of nothing: %v", err)
	}
	d := agent.Decide(t.Context(), ToolCall("shell_command", map[string]any{"command": "ls"}))
	if d.Allowed() || d.Effect != deny || d.Code != codes.OK || len(d.Reasons) == 0 {
		t.Fatalf("shell_command: %v %v", d.Effect, d.Reasons)
	}
	if err := agent.Guard(t.Context(), ToolCall("shell_command", map[string]any{"command": "ls"}), never(t)); err == nil {
		t.Fatal("shell_command ran")
	}
}

func TestE2EAskApproveRedeemOnce(t *testing.T) {
	t.Parallel()
	pdp := startReal(t)
	agent := pdp.agent(t, "s1")
	asked := agent.Decide(t.Context(), email("Lunch?"))
	if !asked.NeedsApproval() || asked.Allowed() {
		t.Fatalf("send_email: %v %v", asked.Effect, asked.Reasons)
	}
	heard := make(chan Verdict, 1)
	go func() { heard <- agent.Wait(t.Context(), asked.ApprovalID, time.Minute) }()

	self, ctx := pdp.person(t, filepath.Join(pdp.data, "agent.token"))
	_, err := self.SubmitVerdict(ctx, &portcullisv1.SubmitVerdictRequest{ApprovalId: asked.ApprovalID, Verdict: portcullisv1.Verdict_VERDICT_APPROVE})
	if status.Code(err) != codes.PermissionDenied {
		t.Fatalf("the agent approved itself: %v", err)
	}
	if early := agent.Decide(t.Context(), email("Lunch?"), Redeem(asked.ApprovalID)); early.Allowed() || early.Code != codes.FailedPrecondition {
		t.Fatalf("redeemed before the verdict: %v", early.Reasons)
	}

	pdp.submit(t, asked.ApprovalID, portcullisv1.Verdict_VERDICT_APPROVE)
	if v := <-heard; !v.Approved() || v.Comment != "seen" {
		t.Fatalf("heard %+v", v)
	}
	if other := agent.Decide(t.Context(), email("Dinner?"), Redeem(asked.ApprovalID)); other.Allowed() || other.Code != codes.FailedPrecondition {
		t.Fatalf("redeemed for another action: %v", other.Reasons)
	}
	if first := agent.Decide(t.Context(), email("Lunch?"), Redeem(asked.ApprovalID)); !first.Allowed() || first.ActionDigest != asked.ActionDigest {
		t.Fatalf("redeem: %v %v", first.Effect, first.Reasons)
	}
	if second := agent.Decide(t.Context(), email("Lunch?"), Redeem(asked.ApprovalID)); second.Allowed() || second.Code != codes.FailedPrecondition {
		t.Fatalf("redeemed twice: %v %v", second.Effect, second.Reasons)
	}
}

func TestE2EGuardWaitsForAPerson(t *testing.T) {
	t.Parallel()
	pdp := startReal(t)
	agent := pdp.agent(t, "s1")
	approvals, ctx := pdp.person(t, filepath.Join(pdp.operator, "approver.token"))
	stream, err := approvals.WatchApprovals(ctx, &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func() string {
		for {
			change, err := stream.Recv()
			if err != nil {
				t.Error(err)
				return ""
			}
			if a := change.GetApproval(); a.GetState() == pending {
				return a.GetId()
			}
		}
	}
	ran := make(chan error, 1)
	go func() {
		ran <- agent.Guard(t.Context(), email("Lunch?"), func(context.Context, *Run) error { return nil }, WaitFor(time.Minute))
	}()
	pdp.submit(t, next(), portcullisv1.Verdict_VERDICT_APPROVE)
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	go func() { ran <- agent.Guard(t.Context(), email("Dinner?"), never(t), WaitFor(time.Minute)) }()
	pdp.submit(t, next(), portcullisv1.Verdict_VERDICT_REJECT)
	_ = deniedBy(t, <-ran, ReasonRejected)
}

func TestE2EThreat_C6_StoppedAndKilledServersDeny(t *testing.T) {
	t.Parallel()
	pdp := startReal(t)
	agent := pdp.agent(t, "s1", func(c *Config) { c.Timeout = time.Second })
	calculator := ToolCall("calculator", map[string]any{"sum": "2+2"})
	if err := agent.Decide(t.Context(), calculator).Err(); err != nil {
		t.Fatal(err)
	}
	pdp.stop(t)
	stopped := agent.Decide(t.Context(), calculator)
	if err := pdp.process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if stopped.Allowed() || stopped.Code != codes.DeadlineExceeded || stopped.Reasons[0].Code != ReasonUnreachable {
		t.Fatalf("stopped: %v %v %v", stopped.Effect, stopped.Code, stopped.Reasons)
	}
	pdp.kill()
	gone := agent.Decide(t.Context(), calculator)
	if gone.Allowed() || gone.Effect != deny || gone.Reasons[0].Code != ReasonUnreachable {
		t.Fatalf("killed: %v %v", gone.Effect, gone.Reasons)
	}
}
