package e2e

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// The credentials of development mode, by their files.
func (p *pdp) agentToken() string    { return filepath.Join(p.data, "agent.token") }
func (p *pdp) approverToken() string { return filepath.Join(p.operator, "approver.token") }
func (p *pdp) adminToken() string    { return filepath.Join(p.operator, "admin.token") }

// bearer sends a token with each call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}
func (b bearer) RequireTransportSecurity() bool { return false }

func (p *pdp) dial(t *testing.T, tokenFile string) *grpc.ClientConn {
	t.Helper()
	token := bearer(strings.TrimSpace(mustRead(t, tokenFile)))
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(token))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (p *pdp) agent(t *testing.T) agent {
	t.Helper()
	return agent{pb.NewDecisionServiceClient(p.dial(t, p.agentToken()))}
}

func (p *pdp) approver(t *testing.T) pb.ApprovalServiceClient {
	t.Helper()
	return pb.NewApprovalServiceClient(p.dial(t, p.approverToken()))
}

func (p *pdp) admin(t *testing.T) pb.AdminServiceClient {
	t.Helper()
	return pb.NewAdminServiceClient(p.dial(t, p.adminToken()))
}

// agent asks.
type agent struct{ pb.DecisionServiceClient }

func (a agent) decide(t *testing.T, req *pb.DecideRequest) *pb.DecideResponse {
	t.Helper()
	answer, err := a.Decide(t.Context(), req)
	if err != nil {
		t.Fatalf("Decide: %v", err)
	}
	return answer
}

// wants asks and demands an effect, and a reason if there is one.
func (a agent) wants(t *testing.T, req *pb.DecideRequest, effect pb.Effect, reasons ...string) *pb.DecideResponse {
	t.Helper()
	answer := a.decide(t, req)
	if answer.GetEffect() != effect {
		t.Fatalf("%s by %s: %s, want %s: %v", req.GetAction().GetTool(), req.GetPrincipal().GetAgent(), answer.GetEffect(), effect, reasonsOf(answer))
	}
	for _, code := range reasons {
		if !slices.Contains(reasonsOf(answer), code) {
			t.Fatalf("%s by %s: reasons %v, want %s", req.GetAction().GetTool(), req.GetPrincipal().GetAgent(), reasonsOf(answer), code)
		}
	}
	return answer
}

func reasonsOf(answer *pb.DecideResponse) []string {
	var out []string
	for _, r := range answer.GetReasons() {
		out = append(out, r.GetCode())
	}
	return out
}

const (
	allow = pb.Effect_EFFECT_ALLOW
	deny  = pb.Effect_EFFECT_DENY
	ask   = pb.Effect_EFFECT_REQUIRE_APPROVAL
)

// call is a request for a tool call; arguments are JSON text, or nothing.
func call(agent, session, tool, arguments string) *pb.DecideRequest {
	action := &pb.Action{Kind: pb.ActionKind_ACTION_KIND_TOOL_CALL, Tool: tool}
	if arguments != "" {
		action.Args = &pb.Action_ArgumentsJson{ArgumentsJson: arguments}
	}
	return &pb.DecideRequest{Principal: &pb.Principal{Agent: agent, Session: session}, Action: action}
}

const lunch = `{"to": "ann@example.com", "body": "Lunch?"}`

// email is what asks for a person.
func email(session string) *pb.DecideRequest {
	return call("demo-filtered", session, "send_email", lunch)
}

func redeem(req *pb.DecideRequest, approval string) *pb.DecideRequest {
	req.ApprovalId = approval
	return req
}

// refused demands a code and the stable reason of an error.
func refused(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	st := status.Convert(err)
	var got, domain string
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got, domain = info.GetReason(), info.GetDomain()
		}
	}
	if st.Code() != code || got != reason || domain != "portcullis" {
		t.Fatalf("%s %s/%s %q, want %s portcullis/%s", st.Code(), domain, got, st.Message(), code, reason)
	}
}

// said is what a command printed, and how it ended.
type said struct {
	out, err string
	code     int
}

// run runs a program to its end.
func run(t *testing.T, cmd *exec.Cmd) said {
	t.Helper()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &problems, time.Second
	if cmd.Env == nil {
		cmd.Env = environment(t.TempDir())
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok && err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	} else if ok && exit.ExitCode() < 0 {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, problems.String())
	}
	return said{out.String(), problems.String(), cmd.ProcessState.ExitCode()}
}

// portcullis runs a sub-command that needs no server.
func portcullis(t *testing.T, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return run(t, exec.CommandContext(ctx, mustTool(t, "portcullis"), args...))
}

// cli runs a sub-command that finds this server by its environment.
func (p *pdp) cli(t *testing.T, args ...string) said {
	t.Helper()
	return p.feed(t, "", args...)
}

func (p *pdp) command(t *testing.T, ctx context.Context, args ...string) *exec.Cmd { //nolint:revive // t comes first here
	t.Helper()
	cmd := exec.CommandContext(ctx, mustTool(t, "portcullis"), args...)
	cmd.Env = environment(p.dir, "PORTCULLIS_ADDR="+p.addr, "PORTCULLIS_DATA_DIR="+p.data, "PORTCULLIS_OPERATOR_DIR="+p.operator)
	return cmd
}

// feed is cli with something to read.
func (p *pdp) feed(t *testing.T, in string, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := p.command(t, ctx, args...)
	cmd.Stdin = strings.NewReader(in)
	return run(t, cmd)
}

// ok demands exit code 0.
func (s said) ok(t *testing.T) said {
	t.Helper()
	if s.code != 0 {
		t.Fatalf("exit code %d: %s%s", s.code, s.out, s.err)
	}
	return s
}

// grpcurl calls by reflection, as a person without files would.
func (p *pdp) grpcurl(t *testing.T, tokenFile, request, method string) said {
	t.Helper()
	return run(t, grpcurl(t, "-plaintext", "-H", "authorization: "+p.bearer(t, tokenFile), "-d", request, p.addr, "portcullis.v1."+method))
}

func grpcurl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, mustTool(t, "grpcurl"), args...)
}
