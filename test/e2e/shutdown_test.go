package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// TestGracefulShutdown: NOT_SERVING is said first, answers go on while the server holds, streams are told, and it ends with 0.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	p := start(t, "--hold", "1s")
	a, s := p.agent(t), session(t)
	id := a.wants(t, email(s), ask).GetApproval().GetId()
	stream, err := a.WatchVerdict(t.Context(), &pb.WatchVerdictRequest{ApprovalId: id})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	health, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "portcullis.v1.DecisionService"})
	if err != nil {
		t.Fatal(err)
	}
	state := func() healthpb.HealthCheckResponse_ServingStatus {
		answer, err := health.Recv()
		if err != nil {
			t.Fatalf("health: %v", err)
		}
		return answer.GetStatus()
	}
	if got := state(); got != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health: %s", got)
	}

	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Fatalf("health after SIGTERM: %s", got)
	}
	a.wants(t, call("demo-basic", s, "calculator", ""), allow) // the hold
	if code, body := p.fetch(t, "GET", "/readyz", "", nil); code != 503 || !strings.Contains(body, "shutting down") {
		t.Errorf("/readyz while it holds: %d %s", code, body)
	}
	last, err := stream.Recv()
	if err != nil || !last.GetDraining() {
		t.Errorf("before the stream ends: %v %v", last, err)
	}
	_, err = stream.Recv()
	refused(t, err, codes.Unavailable, "DRAINING")
	if held := time.Since(began); held < 900*time.Millisecond {
		t.Errorf("it held for %s, want 1s", held)
	}
	p.stop(t)

	// What waited still waits.
	p = startIn(t, p.dir)
	heardAgain := hear(t, p.agent(t), id)
	p.cli(t, "approvals", "approve", id).ok(t)
	heard(t, heardAgain, pending, approved)
}

// TestThreat_C6_AnOpenCallCannotHoldTheServer: an idle connection and an open stream do not keep it from ending.
func TestThreat_C6_AnOpenCallCannotHoldTheServer(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.watch(t)
	if _, err := p.approver(t).WatchApprovals(t.Context(), &pb.WatchApprovalsRequest{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.stop(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

// TestStopWhileStarting: who is told to stop before it serves stops, and blames nobody.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &pdp{dir: dir}
	p.begin(exec.Command(mustTool(t, "portcullis"), "serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data"),
		"--operator-dir", filepath.Join(dir, "operator"), "--bundle", filepath.Join(root(), "policies")))
	eventually(t, startWithin, "the database is open", func() bool { return exists(filepath.Join(dir, "data", "state.db")) })
	if err := p.terminate(); err != nil || strings.Contains(p.said.String(), "test") {
		t.Errorf("%v\n%s", err, p.said.String())
	}
}
