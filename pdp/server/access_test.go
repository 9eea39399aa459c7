package server

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// mayCall is the documented table, written down a second time: role by role, what is not refused.
var mayCall = map[string][]string{
	"agent":    {"DecisionService/Decide", "DecisionService/DecideBatch", "DecisionService/ReportOutcome", "DecisionService/Observe", "DecisionService/Delegate", "DecisionService/WatchVerdict"},
	"gateway":  {"DecisionService/Decide", "DecisionService/DecideBatch", "DecisionService/ReportOutcome", "DecisionService/Observe", "DecisionService/Delegate", "DecisionService/WatchVerdict"},
	"approver": {"DecisionService/WatchVerdict", "ApprovalService/ListApprovals", "ApprovalService/GetApproval", "ApprovalService/WatchApprovals", "ApprovalService/SubmitVerdict", "ApprovalService/SubmitVerdicts", "ApprovalService/RevealApproval", "ApprovalService/CancelApproval"},
	"auditor": {
		"DecisionService/WatchVerdict", "ApprovalService/ListApprovals", "ApprovalService/GetApproval", "ApprovalService/WatchApprovals",
		"AdminService/GetStatus", "AdminService/GetUsage", "AdminService/WatchEvents", "AdminService/ListMemory",
	},
	"admin": {
		"DecisionService/WatchVerdict", "ApprovalService/ListApprovals", "ApprovalService/GetApproval", "ApprovalService/WatchApprovals",
		"ApprovalService/CancelApproval", "AdminService/GetStatus", "AdminService/GetUsage", "AdminService/WatchEvents", "AdminService/ListMemory",
		"AdminService/ReloadBundle", "AdminService/RecoverLimits", "AdminService/ResetBreaker", "AdminService/SetKillSwitch",
		"AdminService/MintDelegation", "AdminService/RevokeDelegation", "AdminService/QuarantineMemory", "AdminService/RollbackMemory",
	},
	// An agent that is also an approver is an agent.
	"both": {"DecisionService/Decide", "DecisionService/DecideBatch", "DecisionService/ReportOutcome", "DecisionService/Observe", "DecisionService/Delegate", "DecisionService/WatchVerdict"},
}

// TestEveryRoleOnEveryMethod calls every method of every service with every role over the wire, with an empty message:
// whoever may call gets past authorisation (and mostly fails on the message), everybody else is refused.
func TestEveryRoleOnEveryMethod(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.DevMode = false; c.Hold = -1 })
	for _, token := range slices.Sorted(maps.Keys(mayCall)) {
		for method := range accessTable {
			short, ours := strings.CutPrefix(method, "/portcullis.v1.")
			if !ours {
				continue
			}
			want := codes.PermissionDenied
			if slices.Contains(mayCall[token], short) {
				want = codes.OK // stands for: anything but a refusal
			}
			got := call(r.as(token), r, method)
			if refused := got == codes.PermissionDenied || got == codes.Unauthenticated; refused != (want != codes.OK) || got == codes.Unimplemented {
				t.Errorf("%s on %s: %v", token, short, got)
			}
		}
	}
}

func TestEveryMethodNeedsACredential(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.DevMode = false; c.Hold = -1 })
	for method := range accessTable {
		want := codes.Unauthenticated
		if strings.HasPrefix(method, "/grpc.health.v1.") {
			want = codes.OK
		}
		for _, token := range []string{"", "nobody"} {
			if got := call(r.as(token), r, method); (got == codes.Unauthenticated) != (want == codes.Unauthenticated) {
				t.Errorf("%s with credential %q: %v", method, token, got)
			}
		}
	}
}

func TestTwoCredentialsAreNone(t *testing.T) {
	r := start(t, nil)
	ctx := metadata.AppendToOutgoingContext(r.as("agent"), "authorization", "Bearer admin")
	_, err := r.decisions().Decide(ctx, toolCall())
	wantWire(t, err, codes.Unauthenticated, "BAD_CREDENTIAL", "")
}

func TestReflectionIsOpenInDevelopmentOnly(t *testing.T) {
	r := start(t, nil)
	client, err := reflectionpb.NewServerReflectionClient(r.conn).ServerReflectionInfo(r.as(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"},
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		services = append(services, s.GetName())
	}
	for _, want := range serviceNames[1:] {
		if !slices.Contains(services, want) {
			t.Errorf("reflection lists %v without %s", services, want)
		}
	}
	_ = client.CloseSend()
	if _, err := client.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("end of reflection: %v", err)
	}
}

func TestHealthIsOpen(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.DevMode = false; c.Hold = -1 })
	if _, err := healthpb.NewHealthClient(r.conn).Check(r.as(""), &healthpb.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}

// call sends an empty message and returns the code of the first answer. A stream that is accepted is left at once.
func call(ctx context.Context, r *rig, method string) codes.Code {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return status.Code(err)
	}
	_ = stream.SendMsg(&emptypb.Empty{})
	_ = stream.CloseSend()
	// A stream says that it was accepted by its headers, a call by its answer.
	if md, err := stream.Header(); err == nil && md != nil && strings.Contains(method, "Watch") {
		return codes.OK
	}
	return status.Code(stream.RecvMsg(&emptypb.Empty{}))
}

func TestAMethodWithoutARowKeepsTheServerFromStarting(t *testing.T) {
	full := map[string]grpc.ServiceInfo{}
	for method := range accessTable {
		service, name, _ := strings.Cut(method[1:], "/")
		full[service] = grpc.ServiceInfo{Methods: append(full[service].Methods, grpc.MethodInfo{Name: name})}
	}
	if err := checkAccess(full); err != nil {
		t.Fatalf("the table against itself: %v", err)
	}
	// Each row in turn is one that somebody forgot.
	for method := range accessTable {
		row := accessTable[method]
		delete(accessTable, method)
		if err := checkAccess(full); err == nil || !strings.Contains(err.Error(), method) {
			t.Errorf("without the row of %s: %v", method, err)
		}
		accessTable[method] = row
	}
	full["portcullis.v1.NewService"] = grpc.ServiceInfo{Methods: []grpc.MethodInfo{{Name: "Surprise"}}}
	if err := checkAccess(full); err == nil || !strings.Contains(err.Error(), "/portcullis.v1.NewService/Surprise") {
		t.Errorf("a method without a row: %v", err)
	}
	delete(full, "portcullis.v1.NewService")
	delete(full, "grpc.health.v1.Health")
	if err := checkAccess(full); err == nil || !strings.Contains(err.Error(), "no service has it") {
		t.Errorf("a row without a method: %v", err)
	}
}

func TestThreat_B12_AMachineNeverApproves(t *testing.T) {
	const submit = "/portcullis.v1.ApprovalService/SubmitVerdict"
	for _, machine := range machines {
		c := identity.Caller{Subject: "x", Tenant: "default", Roles: []identity.Role{identity.RoleApprover, identity.RoleAdmin, machine}}
		if authorise(c, submit, true) == nil {
			t.Errorf("%s with the role approver as well may submit a verdict", machine)
		}
	}
	if err := authorise(identity.Caller{Roles: []identity.Role{identity.RoleApprover}}, submit, false); err != nil {
		t.Errorf("an approver may not: %v", err)
	}
	if authorise(identity.Caller{}, "/portcullis.v1.DecisionService/NoSuch", true) == nil {
		t.Error("a method that is not in the table may be called")
	}
}
