package approval_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// deed is an operation on one approval: a vote, a redemption, a withdrawal, or a look.
type deed struct {
	what string // approve, reject, redeem, cancel, get
	by   int    // the person, or the decision
}

// ended is what a deed was answered.
type ended struct {
	applied bool
	state   approval.State
	use     approval.Use // of get
}

// paper is what an approval means to who knows nothing of stores: two of three people, once.
type paper struct {
	state  approval.State
	use    approval.Use
	yes    [3]bool
	usedBy int
}

var paperModel = porcupine.Model{
	Init: func() any { return paper{state: approval.Pending} },
	Step: func(state, input, output any) (bool, any) {
		p, d, out := state.(paper), input.(deed), output.(ended)
		want := ended{}
		switch d.what {
		case "approve":
			if want.applied = p.state == approval.Pending && !p.yes[d.by]; want.applied {
				p.yes[d.by] = true
				n := 0
				for _, y := range p.yes {
					if y {
						n++
					}
				}
				if n == 2 {
					p.state = approval.Approved
				}
			}
		case "reject":
			if want.applied = p.state == approval.Pending; want.applied {
				p.state = approval.Rejected
			}
		case "cancel":
			switch {
			case p.state == approval.Pending:
				p.state, want.applied = approval.Cancelled, true
			case p.state == approval.Approved && p.use == approval.Unused:
				p.use, want.applied = approval.Revoked, true
			}
		case "redeem":
			if p.state == approval.Approved && (p.use == approval.Unused || p.use == approval.Redeemed && p.usedBy == d.by) {
				p.use, p.usedBy, want.applied = approval.Redeemed, d.by, true
			}
		case "get":
			want.use = p.use
		}
		if d.what != "redeem" {
			want.state = p.state
		}
		return want == out, p
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

// TestProveHistoriesAreLinear records what many callers at several replicas are told of one approval, and looks for an order in
// which a piece of paper would have said the same.
func TestProveHistoriesAreLinear(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		w := newWorld(t, approval.Config{MaxPendingPerAgent: 5000})
		for i := range proof(30, 1000) {
			linear(t, i, []*approval.Queue{w.Queue})
		}
	})
	t.Run("redis", func(t *testing.T) {
		var queues []*approval.Queue
		for _, r := range replicasOn(t, 3, redistest.Start(t).URL()) {
			queues = append(queues, r.Queue)
		}
		for i := range proof(50, 10_000) {
			linear(t, i, queues)
		}
	})
}

func linear(t *testing.T, number int, replicas []*approval.Queue) {
	t.Helper()
	const callers, each = 6, 5
	ctx := context.Background()
	order := ask()
	order.Quorum = 2
	a, err := replicas[0].Create(ctx, order)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for range each {
				q := replicas[rand.IntN(len(replicas))]
				d := deed{what: []string{"approve", "approve", "approve", "redeem", "redeem", "redeem", "get", "get", "reject", "cancel"}[rand.IntN(10)], by: rand.IntN(3)}
				from := time.Since(began)
				out, err := carryOut(ctx, q, a.ID, d)
				to := time.Since(began)
				if err != nil {
					t.Errorf("%+v: %v", d, err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: caller, Input: d, Output: out, Call: int64(from), Return: int64(to)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if !porcupine.CheckOperations(paperModel, history) {
		for _, op := range history {
			t.Logf("%d %8d-%8d %+v %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatalf("history %d: no piece of paper could have said that", number)
	}
	if _, err := replicas[0].Cancel(ctx, a.ID, "over"); err != nil { // or the queue fills
		t.Fatal(err)
	}
}

func carryOut(ctx context.Context, q *approval.Queue, id string, d deed) (ended, error) {
	switch d.what {
	case "approve", "reject":
		r, err := q.SubmitVerdict(ctx, id, person(fmt.Sprint("person", d.by)), approval.Ballot{Verdict: approval.Verdict(d.what)})
		return ended{applied: r.Applied, state: r.Approval.State}, err
	case "cancel":
		r, err := q.Cancel(ctx, id, "no")
		return ended{applied: r.Applied, state: r.Approval.State}, err
	case "redeem":
		err := q.Redeem(ctx, id, redemption(), fmt.Sprint("d", d.by))
		if e, ok := errors.AsType[*approval.Error](err); ok && e.Problem == approval.FailedPrecondition {
			return ended{}, nil
		}
		return ended{applied: err == nil}, err
	default:
		a, err := q.Get(ctx, id)
		return ended{state: a.State, use: a.Use}, err
	}
}
