package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// replicas are servers on one Redis with one operator's directory: the same keys, the same people.
type replicas struct {
	list []*pdp
	dirs []string
	args []string
}

func startReplicas(t *testing.T, n int, url string) *replicas {
	t.Helper()
	operator := t.TempDir()
	r := &replicas{args: []string{"--redis-url", url, "--redis-timeout=2s"}}
	for range n {
		dir := t.TempDir()
		if err := os.Symlink(operator, filepath.Join(dir, "operator")); err != nil {
			t.Fatal(err)
		}
		r.dirs = append(r.dirs, dir)
		r.list = append(r.list, startIn(t, dir, r.args...))
	}
	return r
}

// TestThreat_B3_TwoServersOneRedis: asked at one, voted at the other, redeemed at both at once: allowed once.
func TestThreat_B3_TwoServersOneRedis(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, redistest.Start(t).URL())
	one, two := r.list[0].agent(t), r.list[1].agent(t)
	s := session(t)
	id := one.wants(t, email(s), ask).GetApproval().GetId()
	states := hear(t, two, id)
	shown, err := r.list[1].approver(t).GetApproval(t.Context(), &pb.GetApprovalRequest{ApprovalId: id})
	if err != nil || shown.GetView().GetActionJson() == "" {
		t.Fatalf("the other one shows %v, %v", shown, err)
	}
	r.list[1].cli(t, "approvals", "approve", id).ok(t)
	heard(t, states, pending, approved)
	var mu sync.Mutex
	var wg sync.WaitGroup
	allowed := 0
	for i := range 10 {
		wg.Go(func() {
			answer, err := []agent{one, two}[i%2].Decide(t.Context(), redeem(email(s), id))
			mu.Lock()
			defer mu.Unlock()
			if err == nil && answer.GetEffect() == allow {
				allowed++
			} else if status.Code(err) != codes.FailedPrecondition {
				t.Errorf("%v, %v", answer, err)
			}
		})
	}
	wg.Wait()
	if allowed != 1 {
		t.Errorf("%d were allowed", allowed)
	}
}

// TestThreat_E18_AKillSwitchStopsTheOtherServer: what waits or is approved is withdrawn at once, and soon nothing new is allowed.
func TestThreat_E18_AKillSwitchStopsTheOtherServer(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, redistest.Start(t).URL())
	one := r.list[0].agent(t)
	s := session(t)
	id := one.wants(t, email(s), ask).GetApproval().GetId()
	r.list[1].cli(t, "approvals", "approve", id).ok(t)
	r.list[1].cli(t, "kill", "--agent", "demo-filtered", "-m", "stop").ok(t)
	if answer, err := one.Decide(t.Context(), redeem(email(s), id)); err == nil && answer.GetEffect() == allow {
		t.Error("redeemed after the kill")
	}
	eventually(t, 10*time.Second, "the other server has heard of it", func() bool {
		answer, err := one.Decide(t.Context(), email(s))
		return err == nil && answer.GetEffect() == deny && slices.Contains(reasonsOf(answer), "KILL_SWITCH")
	})
	r.list[0].cli(t, "kill", "--agent", "demo-filtered", "--off").ok(t)
	eventually(t, 10*time.Second, "it is let go at both", func() bool {
		answer, err := r.list[1].agent(t).Decide(t.Context(), call("demo-filtered", s, "calculator", `{"expression":"1"}`))
		return err == nil && !slices.Contains(reasonsOf(answer), "KILL_SWITCH")
	})
}

// TestProveThreeReplicasAtEveryMessage kills the replica that streams, after each message in turn, and goes on at another one:
// nothing is lost, nothing comes twice, and what is approved is used once.
func TestProveThreeReplicasAtEveryMessage(t *testing.T) {
	t.Parallel()
	rounds, cuts := 1, []int{1, 4}
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		rounds, cuts = 5, []int{0, 1, 2, 3, 4, 5}
	}
	r := startReplicas(t, 3, redistest.Start(t).URL())
	for range rounds {
		for _, cut := range cuts {
			r.round(t, cut)
		}
	}
}

// round has five changes: two asks, a no, a yes, a use.
func (r *replicas) round(t *testing.T, cut int) {
	t.Helper()
	at, s := cut%3, rand.Text() // a no is remembered in its session
	letter := func(to string) *pb.DecideRequest {
		return call("demo-filtered", s, "send_email", `{"to":"`+to+`@example.com","body":"Tea?"}`)
	}
	all := r.watchAll(t, at, 0)
	var verdicts grpc.ServerStreamingClient[pb.WatchVerdictResponse]
	var seen []string
	var sequences []uint64
	var cursor uint64
	var first, second string
	step := func(i int) {
		other := (at + 1) % 3
		switch i {
		case 0:
			first = r.list[other].agent(t).wants(t, letter("ann"), ask).GetApproval().GetId()
		case 1:
			second = r.list[at].agent(t).wants(t, letter("bob"), ask).GetApproval().GetId()
			verdicts = r.watch(t, at, second, 0)
		case 2:
			r.list[other].cli(t, "approvals", "reject", first).ok(t)
		case 3:
			r.list[(at+2)%3].cli(t, "approvals", "approve", second).ok(t)
		case 4:
			r.list[other].agent(t).wants(t, redeem(letter("bob"), second), allow)
		}
	}
	for i := range 5 {
		if i == cut {
			r.list[at].crash(t)
			gone := at
			at = (at + 1) % 3
			all = r.watchAll(t, at, cursor)
			if verdicts != nil {
				last := uint64(0)
				if len(sequences) > 0 {
					last = sequences[len(sequences)-1]
				}
				verdicts = r.watch(t, at, second, last)
			}
			r.list[gone] = startIn(t, r.dirs[gone], r.args...)
		}
		step(i)
		change, err := recv(all)
		if err != nil {
			t.Fatalf("cut %d, change %d: %v", cut, i, err)
		}
		cursor = change.GetCursor()
		seen = append(seen, fmt.Sprint(change.GetApproval().GetId(), " ", change.GetApproval().GetSequence()))
		if i == 1 || i == 3 {
			m, err := recv(verdicts)
			if err != nil {
				t.Fatalf("cut %d, verdict %d: %v", cut, i, err)
			}
			sequences = append(sequences, m.GetSequence())
		}
	}
	if want := []string{first + " 1", second + " 1", first + " 2", second + " 2", second + " 3"}; !slices.Equal(seen, want) || !slices.Equal(sequences, []uint64{1, 2}) {
		t.Errorf("cut %d: %v, %v", cut, seen, sequences)
	}
	for i := range r.list {
		_, err := r.list[i].agent(t).Decide(t.Context(), redeem(letter("bob"), second))
		refused(t, err, codes.FailedPrecondition, "APPROVAL_USED")
	}
	if cut == 5 { // after the last one
		r.list[at].crash(t)
		r.list[at] = startIn(t, r.dirs[at], r.args...)
		rest := r.watch(t, at, second, 1)
		if m, err := recv(rest); err != nil || m.GetState() != approved || m.GetSequence() != 2 {
			t.Errorf("after the last message: %v, %v", m, err)
		}
	}
}

// recv is the next message that is no heartbeat.
func recv[T any, M interface {
	*T
	GetHeartbeat() bool
}](stream grpc.ServerStreamingClient[T]) (M, error) {
	for {
		m, err := stream.Recv()
		if err != nil || !M(m).GetHeartbeat() {
			return M(m), err
		}
	}
}

func (r *replicas) watchAll(t *testing.T, at int, cursor uint64) grpc.ServerStreamingClient[pb.WatchApprovalsResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stream, err := r.list[at].approver(t).WatchApprovals(ctx, &pb.WatchApprovalsRequest{AfterCursor: cursor})
	if err == nil {
		_, err = stream.Header() // nothing from now on is missed
	}
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func (r *replicas) watch(t *testing.T, at int, id string, after uint64) grpc.ServerStreamingClient[pb.WatchVerdictResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stream, err := r.list[at].agent(t).WatchVerdict(ctx, &pb.WatchVerdictRequest{ApprovalId: id, AfterSequence: after})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}
