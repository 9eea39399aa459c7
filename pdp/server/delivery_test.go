package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// realApprovals is the queue itself, on a disk.
type realApprovals struct{ *approval.Queue }

func (realApprovals) RecordReveal(context.Context, identity.Caller, approval.Approval, int64, string) error {
	return nil
}

func (r realApprovals) Withdraw(ctx context.Context, _ identity.Caller, a approval.Approval, reason string) (approval.Result, error) {
	return r.Cancel(ctx, a.ID, reason)
}

type unsealed struct{}

func (unsealed) Encrypt(_ string, _, text []byte) ([]byte, error) { return text, nil }
func (unsealed) Decrypt(_ string, _, text []byte) ([]byte, error) { return text, nil }

// startReal runs a server on a real queue.
func startReal(t *testing.T, change func(*Config), instead ...func(*approval.Queue) Approvals) (*rig, *approval.Queue) {
	t.Helper()
	store, err := embedded.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	asks, err := store.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		t.Fatal(err)
	}
	q, err := approval.New(approval.Config{MaxPendingPerAgent: 5000}, asks, unsealed{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config, r *rig) {
		r.deps.Approvals = realApprovals{q}
		for _, other := range instead {
			r.deps.Approvals = other(q)
		}
		if change != nil {
			change(c)
		}
	})
	return r, q
}

func putAsk(t *testing.T, q *approval.Queue, quorum int) approval.Approval {
	t.Helper()
	a, err := q.Create(t.Context(), approval.Ask{
		Tenant: "default", Agent: "a", RequestedBy: "agent", Tool: "send_email", Digest: "pc1:aa", BundleRevision: "r1",
		DecisionID: "d1", Quorum: quorum, Reasons: []approval.Reason{{Code: "X", Message: strings.Repeat("why ", 500)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func vote(t *testing.T, q *approval.Queue, id, who string, v approval.Verdict) {
	t.Helper()
	voter := approval.Voter{Subject: who, Tenant: "default", Roles: []identity.Role{identity.RoleApprover}}
	if _, err := q.SubmitVerdict(t.Context(), id, voter, approval.Ballot{Verdict: v}); err != nil {
		t.Fatal(err)
	}
}

// TestThreat_B11_AStreamCutAtEveryMessage cuts both streams after each message, while changes go on, and looks whether the
// next stream goes on with the one after: none lost, none twice, none out of order.
func TestThreat_B11_AStreamCutAtEveryMessage(t *testing.T) {
	r, q := startReal(t, nil)
	people := []string{"ann", "bob", "cid"}
	for cut := range len(people) + 2 {
		a := putAsk(t, q, len(people))
		var verdicts []uint64
		ctx, cancel := context.WithCancel(r.as("agent"))
		stream, err := r.decisions().WatchVerdict(ctx, &portcullisv1.WatchVerdictRequest{ApprovalId: a.ID})
		if err != nil {
			t.Fatal(err)
		}
		// The asks of earlier rounds have ended.
		everything, stop := context.WithCancel(r.as("approver"))
		all, err := r.reviews().WatchApprovals(everything, &portcullisv1.WatchApprovalsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var changes []string
		var cursor uint64
		voted := 0
		for i := range len(people) + 1 {
			if i > voted {
				vote(t, q, a.ID, people[voted], approval.Approve)
				voted++
			}
			if i == cut {
				cancel()
				stop()
				for ; i > 0 && voted < len(people); voted++ { // while nobody listens
					vote(t, q, a.ID, people[voted], approval.Approve)
				}
				if stream, err = r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: a.ID, AfterSequence: uint64(i)}); err != nil {
					t.Fatal(err)
				}
				if all, err = r.reviews().WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{AfterCursor: cursor}); err != nil {
					t.Fatal(err)
				}
			}
			m, err := stream.Recv()
			if err != nil {
				t.Fatalf("cut %d, message %d: %v", cut, i, err)
			}
			verdicts = append(verdicts, m.GetSequence())
			e, err := all.Recv()
			if err != nil {
				t.Fatalf("cut %d, change %d: %v", cut, i, err)
			}
			changes, cursor = append(changes, fmt.Sprint(e.GetApproval().GetId(), e.GetApproval().GetSequence())), e.GetCursor()
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("cut %d: after the last state: %v", cut, err)
		}
		want := []string{a.ID + "1", a.ID + "2", a.ID + "3", a.ID + "4"}
		if !slices.Equal(verdicts, []uint64{1, 2, 3, 4}) || !slices.Equal(changes, want) {
			t.Errorf("cut %d: %v, %v", cut, verdicts, changes)
		}
		cancel()
		stop()
	}
}

// TestThreat_E13_AStuckReaderIsLetGo: a client that reads nothing holds up no decision and no verdict, loses its place, is told
// where to go on, and misses nothing if it does.
func TestThreat_E13_AStuckReaderIsLetGo(t *testing.T) {
	const asks = 400 // 2 KB each: much more than the windows of a stream hold
	r, q := startReal(t, func(c *Config) { c.WriteTimeout, c.MaxStreams, c.MaxStreamsPerTenant = 50*time.Millisecond, 1, 1 })
	first := putAsk(t, q, 1)
	conn, err := grpc.NewClient(r.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stuck, err := portcullisv1.NewApprovalServiceClient(conn).WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Recv(); err != nil {
		t.Fatal(err)
	}
	for range asks {
		putAsk(t, q, 1)
	}
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("a decision beside the stuck reader: %v", err)
	}
	vote(t, q, first.ID, "ann", approval.Approve)
	// Its place becomes free although it reads nothing.
	var next grpc.ServerStreamingClient[portcullisv1.WatchVerdictResponse]
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		next, err = r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: first.ID})
		if err == nil {
			_, err = next.Recv()
		}
		if err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("its place: %v", err)
		}
		if status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("its place: %v", err)
		}
	}
	if _, err := next.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the next stream: %v", err)
	}
	var last uint64
	n := 1
	for {
		m, err := stuck.Recv()
		if err == nil {
			last = m.GetCursor()
			n++
			continue
		}
		wantWire(t, err, codes.ResourceExhausted, "SLOW_READER", "")
		for _, d := range status.Convert(err).Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetMetadata()["cursor"] != fmt.Sprint(last) {
				t.Errorf("it is told to go on at %q, it has seen up to %d", info.GetMetadata()["cursor"], last)
			}
		}
		break
	}
	if n == 1 || n > asks {
		t.Fatalf("it saw %d of %d before it was let go", n, asks+2)
	}
	rest, err := r.reviews().WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{AfterCursor: last})
	if err != nil {
		t.Fatal(err)
	}
	for ; n < asks+2; n++ {
		if m, err := rest.Recv(); err != nil || m.GetCursor() != last+1 {
			t.Fatalf("change %d: %v %v", n, m.GetCursor(), err)
		}
		last++
	}
}

// brokenWatch is a queue whose streams panic.
type brokenWatch struct{ realApprovals }

func (brokenWatch) Watch(context.Context, string, uint64, <-chan time.Time) (iter.Seq2[approval.Event, error], error) {
	return func(func(approval.Event, error) bool) { panic("hunter2") }, nil
}

// TestAPanicBesideTheHandler ends that stream, and not the process.
func TestAPanicBesideTheHandler(t *testing.T) {
	r, q := startReal(t, nil, func(q *approval.Queue) Approvals { return brokenWatch{realApprovals{q}} })
	a := putAsk(t, q, 1)
	for range 2 {
		stream, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: a.ID})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantWire(t, err, codes.Internal, "INTERNAL", "")
	}
	if log := r.logs.String(); !strings.Contains(log, "brokenWatch.Watch") || strings.Contains(log, "hunter2") {
		t.Errorf("the log lacks where it panicked, or repeats what it panicked with: %s", log)
	}
}

func TestDrainIsSaidBeforeItHappens(t *testing.T) {
	r, q := startReal(t, nil)
	a := putAsk(t, q, 2)
	stream, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: a.ID})
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.reviews().WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	e, err := all.Recv()
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if m, err := stream.Recv(); err != nil || !m.GetDraining() || !m.GetHeartbeat() || m.GetSequence() != first.GetSequence() {
		t.Errorf("%v %v", m, err)
	}
	if m, err := all.Recv(); err != nil || !m.GetDraining() || !m.GetHeartbeat() || m.GetApproval() != nil || m.GetCursor() != e.GetCursor() {
		t.Errorf("%v %v", m, err)
	}
	_, err = stream.Recv()
	wantWire(t, err, codes.Unavailable, "DRAINING", "")
	_, err = all.Recv()
	wantWire(t, err, codes.Unavailable, "DRAINING", "")
}

// TestFiveThousandAgentsWait keeps 5,000 streams open over a few connections, each with its own place, in bounded memory, and
// all of them hear their verdict.
func TestFiveThousandAgentsWait(t *testing.T) {
	const agents, connections, asks = 5000, 6, 50
	const most = 96 << 10 // bytes for one of them, on both sides of the wire
	r, q := startReal(t, func(c *Config) { c.DevMode = false; c.Hold = -1 })
	var ids []string
	for range asks {
		ids = append(ids, putAsk(t, q, 1).ID)
	}
	var clients []portcullisv1.DecisionServiceClient
	for range connections {
		conn, err := grpc.NewClient(r.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		clients = append(clients, portcullisv1.NewDecisionServiceClient(conn))
	}
	before := inUse()
	var waiting, ended sync.WaitGroup
	waiting.Add(agents)
	failures := make(chan error, agents)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer agent") // as long as it takes
	for i := range agents {
		ended.Go(func() {
			stream, err := clients[i%connections].WatchVerdict(ctx, &portcullisv1.WatchVerdictRequest{ApprovalId: ids[i%asks]})
			if err == nil {
				_, err = stream.Recv()
			}
			waiting.Done()
			if err == nil {
				var m *portcullisv1.WatchVerdictResponse
				if m, err = stream.Recv(); err == nil && m.GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED {
					err = fmt.Errorf("heard %v", m)
				}
			}
			if err != nil {
				failures <- err
			}
		})
	}
	waiting.Wait()
	each := (inUse() - before) / agents
	t.Logf("%d bytes a waiting agent, on both sides of the wire", each)
	if each > most {
		t.Errorf("%d bytes a waiting agent, at most %d", each, most)
	}
	for _, id := range ids {
		vote(t, q, id, "ann", approval.Approve)
	}
	ended.Wait()
	close(failures)
	for err := range failures {
		t.Fatalf("%v, and %d more", err, len(failures))
	}
}

// inUse is what heap and stacks hold.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
