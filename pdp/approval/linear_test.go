package approval_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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

// edited is what the history of an ask with edits means: two of three people, for what would be done now.
type edited struct {
	state  approval.State
	digest int // which edit, 0: none
	yes    [3]bool
	used   bool
}

// change is an operation on it. Of an edit and of a yes, seen is the digest that is named.
type change struct {
	what       string // approve, edit, reject, expire, redeem
	by         int
	seen, made int
}

var editedModel = porcupine.Model{
	Init: func() any { return edited{state: approval.Pending} },
	Step: func(state, input, output any) (bool, any) {
		m, c := state.(edited), input.(change)
		said := ""
		refuses := c.seen != m.digest
		switch {
		case c.what == "expire":
			switch m.state {
			case approval.Pending:
				m.state = approval.Expired
			case approval.Approved: // lapses
				m.used = true
			case approval.Rejected, approval.Expired, approval.Cancelled:
			}
		case c.what == "redeem":
			if said = "no"; m.state == approval.Approved && !m.used {
				m.used, said = true, "yes"
			}
		case c.what == "reject" && m.state == approval.Pending:
			m.state, said = approval.Rejected, "applied"
		case c.what == "reject":
			said = "late"
		case refuses:
			said = approval.ErrDigest.Reason
		case m.state != approval.Pending:
			said = "late"
		case c.what == "edit":
			m.digest, m.yes, said = c.made, [3]bool{}, "applied"
			m.yes[c.by] = true
		case m.yes[c.by]:
			said = "late"
		default:
			m.yes[c.by], said = true, "applied"
		}
		n := 0
		for _, y := range m.yes {
			if y {
				n++
			}
		}
		if n == 2 && m.state == approval.Pending {
			m.state = approval.Approved
		}
		return said == output.(string), m
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
}

// TestProveHistoriesOfEditsAreLinear: edits, votes for one digest or another, expiry and redemptions at once.
func TestProveHistoriesOfEditsAreLinear(t *testing.T) {
	w := newWorld(t, approval.Config{MaxPendingPerAgent: 5000, MaxTTL: time.Hour})
	for number := range proof(30, 1000) {
		w.editedHistory(t, number)
	}
}

func (w *world) editedHistory(t *testing.T, number int) {
	t.Helper()
	const callers, each = 4, 6
	a := w.ask(func(a *approval.Ask) { a.Quorum, a.TTL, a.Digest = 2, time.Minute, digestOf(number, 0) })
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	var made, newest atomic.Int64
	for caller := range callers {
		wg.Go(func() {
			for range each {
				c := change{what: []string{"approve", "approve", "edit", "edit", "redeem"}[rand.IntN(5)], by: rand.IntN(3), seen: int(newest.Load())}
				if rand.IntN(20) == 0 {
					c.what = []string{"expire", "reject"}[rand.IntN(2)]
				}
				if c.what == "edit" {
					c.made = int(made.Add(1))
				}
				if c.made > approval.MaxEdits { // one more may be refused, or not: that depends on the others
					c.what, c.made = "approve", 0
				}
				from := time.Since(began)
				said, err := w.carryOutChange(a.ID, number, c)
				to := time.Since(began)
				if err != nil {
					t.Errorf("%+v: %v", c, err)
					return
				}
				if c.what == "edit" && said == "applied" {
					newest.Store(int64(c.made))
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: caller, Input: c, Output: said, Call: int64(from), Return: int64(to)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if !porcupine.CheckOperations(editedModel, history) {
		for _, op := range history {
			t.Logf("%d %8d-%8d %+v %v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatalf("history %d: no piece of paper could have said that", number)
	}
	w.clock.move(time.Minute)
}

func digestOf(history, edit int) string { return fmt.Sprintf("pc1:%d.%d", history, edit) }

func (w *world) carryOutChange(id string, number int, c change) (string, error) {
	ctx := context.Background()
	switch c.what {
	case "expire":
		w.clock.move(time.Minute)
		return "", nil
	case "redeem":
		want := redemption()
		want.Digest = digestOf(number, 0)
		err := w.Redeem(ctx, id, want, fmt.Sprint("d", rand.Int()))
		if e, ok := errors.AsType[*approval.Error](err); ok && e.Problem == approval.FailedPrecondition {
			return "no", nil
		}
		return "yes", err
	}
	b := approval.Ballot{Verdict: approval.Approve, ExpectedDigest: digestOf(number, c.seen)}
	switch c.what {
	case "reject":
		b = approval.Ballot{Verdict: approval.Reject}
	case "edit":
		digest := digestOf(number, c.made)
		b.EditedArguments, b.Edit = "{}", &approval.Edit{Digest: digest, Action: []byte(digest), Stages: []approval.Stage{{Quorum: 2}}}
	}
	r, err := w.SubmitVerdict(ctx, id, person(fmt.Sprint("person", c.by)), b)
	if e, ok := errors.AsType[*approval.Error](err); ok && e.Problem == approval.FailedPrecondition {
		return e.Reason, nil
	}
	if r.Applied {
		return "applied", err
	}
	return "late", err
}
