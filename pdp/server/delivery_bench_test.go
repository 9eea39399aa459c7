package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// BenchmarkVerdictToStream measures from the call of SubmitVerdict to the agent's stream, with 1,000 other agents waiting, and in
// turn with it a bare streaming echo that makes one synced write to the same store before it answers, with 1,000 other streams.
// Either leg has a goroutine that sends and another that already waits for what comes, and begins when all of the other has ended.
// p99-ratio is the first by the second; the target is 1.5.
func BenchmarkVerdictToStream(b *testing.B) {
	const waiting = 1000
	store, err := embedded.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	asks, err := store.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		b.Fatal(err)
	}
	q, err := approval.New(approval.Config{MaxPendingPerAgent: 5000}, asks, unsealed{}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	agents, people := benchServer(b, ctx, q)
	echo := benchEcho(b, ctx, store)

	newAsk := func() string {
		a, err := q.Create(ctx, approval.Ask{
			Tenant: "default", Agent: "a", RequestedBy: "agent", Tool: "send_email", Digest: "pc1:aa", BundleRevision: "r1", DecisionID: "d1",
			View: make([]byte, 1000), Action: make([]byte, 1000), Reasons: []approval.Reason{{Code: "X", Message: "because"}},
		})
		if err != nil {
			b.Fatal(err)
		}
		return a.ID
	}
	watch := func(id string) grpc.ServerStreamingClient[portcullisv1.WatchVerdictResponse] {
		stream, err := agents.WatchVerdict(as(ctx, "agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: id})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			b.Fatal(err)
		}
		return stream
	}
	idle := newAsk()
	for range waiting {
		watch(idle)
		echo.open(b, ctx)
	}
	echoed := echo.open(b, ctx)
	echoHeard := make(chan time.Time)
	go func() {
		for echoed.RecvMsg(&portcullisv1.WatchVerdictResponse{}) == nil {
			echoHeard <- time.Now()
		}
	}()

	var verdicts, echoes []time.Duration
	b.ResetTimer()
	for range b.N {
		id := newAsk()
		stream := watch(id)
		heard, over := make(chan time.Time, 1), make(chan struct{})
		go func() {
			defer close(over)
			for {
				if _, err := stream.Recv(); err != nil {
					return
				}
				heard <- time.Now()
			}
		}()
		began := time.Now()
		_, err := people.SubmitVerdict(as(ctx, "approver"), &portcullisv1.SubmitVerdictRequest{ApprovalId: id, Verdict: portcullisv1.Verdict_VERDICT_APPROVE})
		if err != nil {
			b.Fatal(err)
		}
		verdicts = append(verdicts, (<-heard).Sub(began))
		<-over // nothing of this round is left to disturb the other

		began = time.Now()
		if err := echoed.SendMsg(&portcullisv1.WatchVerdictResponse{ApprovalId: id}); err != nil {
			b.Fatal(err)
		}
		echoes = append(echoes, (<-echoHeard).Sub(began))
	}
	b.StopTimer()
	at := func(list []time.Duration, share float64) float64 {
		slices.Sort(list)
		return float64(list[int(share*float64(len(list)-1))].Microseconds())
	}
	b.ReportMetric(at(verdicts, .5), "verdict-p50-µs")
	b.ReportMetric(at(verdicts, .99), "verdict-p99-µs")
	b.ReportMetric(at(echoes, .5), "echo-p50-µs")
	b.ReportMetric(at(echoes, .99), "echo-p99-µs")
	b.ReportMetric(at(verdicts, .5)/at(echoes, .5), "p50-ratio")
	b.ReportMetric(at(verdicts, .99)/at(echoes, .99), "p99-ratio")
}

func as(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// benchServer is the real thing, and a client of each kind on a connection of its own.
func benchServer(b *testing.B, ctx context.Context, q *approval.Queue) (portcullisv1.DecisionServiceClient, portcullisv1.ApprovalServiceClient) { //nolint:revive // b comes first here
	b.Helper()
	srv, err := Complete(Config{Listen: "127.0.0.1:0", Hold: -1, MaxStreamsPerConnection: 5000}, Deps{
		Engine: &fakeEngine{}, Approvals: realApprovals{q}, Admin: &fakeAdmin{hub: event.NewHub(time.Now)}, Authenticator: fakeTokens{},
		Checks: []Check{&fakeCheck{}}, Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { done <- srv.Run(running) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	<-srv.Listening()
	return portcullisv1.NewDecisionServiceClient(benchDial(b, srv.Addr().String())), portcullisv1.NewApprovalServiceClient(benchDial(b, srv.Addr().String()))
}

func benchDial(b *testing.B, addr string) *grpc.ClientConn {
	b.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

type echoClient struct{ conn *grpc.ClientConn }

func (e echoClient) open(b *testing.B, ctx context.Context) grpc.ClientStream { //nolint:revive // b comes first here
	b.Helper()
	stream, err := e.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/bench.Echo/Echo")
	if err == nil {
		err = stream.SendMsg(&portcullisv1.WatchVerdictResponse{})
	}
	if err == nil {
		err = stream.RecvMsg(&portcullisv1.WatchVerdictResponse{})
	}
	if err != nil {
		b.Fatal(err)
	}
	return stream
}

// benchEcho is a bare gRPC server whose stream answers each message after one synced write.
func benchEcho(b *testing.B, ctx context.Context, store *embedded.Store) echoClient { //nolint:revive // b comes first here
	b.Helper()
	s := grpc.NewServer(grpc.MaxConcurrentStreams(5000))
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Echo", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "Echo", ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			for n := 0; ; n++ {
				m := &portcullisv1.WatchVerdictResponse{}
				if err := stream.RecvMsg(m); err != nil {
					return nil //nolint:nilerr // the client is done
				}
				if n > 0 {
					if err := store.SaveSwitches(ctx, []killswitch.Switch{{Tenant: "t", Reason: fmt.Sprint(n)}}); err != nil {
						return err
					}
				}
				if err := stream.SendMsg(m); err != nil {
					return err
				}
			}
		},
	}}}, nil)
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	b.Cleanup(s.Stop)
	return echoClient{benchDial(b, ln.Addr().String())}
}
