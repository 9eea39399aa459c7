package portcullis

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePDP answers what a test tells it to, over real gRPC on loopback.
type fakePDP struct {
	portcullisv1.UnimplementedDecisionServiceServer
	decide  func(context.Context, *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error)
	watch   func(*portcullisv1.WatchVerdictRequest, grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error
	reports chan *portcullisv1.ReportOutcomeRequest
	observe func(*portcullisv1.ObserveRequest) error
}

func (f *fakePDP) Decide(ctx context.Context, in *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
	return f.decide(ctx, in)
}

func (f *fakePDP) WatchVerdict(in *portcullisv1.WatchVerdictRequest, out grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error {
	return f.watch(in, out)
}

func (f *fakePDP) ReportOutcome(_ context.Context, in *portcullisv1.ReportOutcomeRequest) (*portcullisv1.ReportOutcomeResponse, error) {
	f.reports <- in
	return &portcullisv1.ReportOutcomeResponse{Applied: true}, nil
}

func (f *fakePDP) Observe(_ context.Context, in *portcullisv1.ObserveRequest) (*portcullisv1.ObserveResponse, error) {
	return &portcullisv1.ObserveResponse{Whole: true}, f.observe(in)
}

// start serves f and returns a client of it.
func start(t *testing.T, f *fakePDP, change ...func(*Config)) *Client {
	t.Helper()
	f.reports = make(chan *portcullisv1.ReportOutcomeRequest, 8)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	portcullisv1.RegisterDecisionServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return connect(t, listener.Addr().String(), change...)
}

func connect(t *testing.T, addr string, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Addr: addr, Token: "test-token", Principal: Principal{Agent: "a", Session: "s"}}
	for _, c := range change {
		c(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func answer(effect portcullisv1.Effect) *portcullisv1.DecideResponse {
	out := &portcullisv1.DecideResponse{
		DecisionId: "d1", Effect: effect, ActionDigest: "pc1:00", ExpiresAt: timestamppb.New(time.Now().Add(time.Minute)),
	}
	if effect == portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL {
		out.Approval = &portcullisv1.ApprovalTicket{Id: "ap1", ActionDigest: "pc1:00"}
	}
	if effect != portcullisv1.Effect_EFFECT_ALLOW {
		out.Reasons = []*portcullisv1.Reason{{Code: "BECAUSE", Message: "Because."}}
	}
	return out
}

func always(in *portcullisv1.DecideResponse) func(context.Context, *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
	return func(context.Context, *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
		return in, nil
	}
}

// refusal is an error as the PDP sends it.
func refusal(code codes.Code, reason string) error {
	st, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "portcullis"})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func bearerOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) == 1 {
		return got[0]
	}
	return ""
}
