package approval_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// model is an approval in the fewest words: what I6 says of one, and nothing of how it is kept.
type model struct {
	quorum  int
	expires time.Time
	yes     map[string]bool
	state   approval.State
	use     approval.Use
	by      string
}

func (m *model) tick(now time.Time) {
	if now.Before(m.expires) {
		return
	}
	switch {
	case m.state == approval.Pending:
		m.state = approval.Expired
	case m.state == approval.Approved && m.use == approval.Unused:
		m.use = approval.Lapsed
	}
}

// Anything that may happen, in any order, with crashes between: the queue says what the model says.
func TestQueueAgainstModel(t *testing.T) {
	people := rapid.SampledFrom([]string{"ann", "Ann", "bob", "BOB ", "cal", "gateway-1", "Bot"})
	base := newWorld(t, approval.Config{MaxPendingPerAgent: 1e6, MaxPendingPerTenant: 1e6, MaxPending: 1e6, MaxTTL: time.Hour, DefaultTTL: time.Minute})
	rapid.Check(t, func(t *rapid.T) {
		w := *base
		w.t = base.t
		models := map[string]*model{}
		var ids []string
		pick := func() (string, *model) {
			if len(ids) == 0 {
				t.Skip("nothing there yet")
			}
			id := rapid.SampledFrom(ids).Draw(t, "id")
			models[id].tick(w.clock.now())
			return id, models[id]
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				a := ask()
				a.Quorum = rapid.IntRange(1, 3).Draw(t, "quorum")
				a.TTL = time.Duration(rapid.IntRange(1, 60).Draw(t, "ttl")) * time.Second
				created, err := w.Create(base.t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, created.ID)
				models[created.ID] = &model{quorum: a.Quorum, expires: created.Expires, yes: map[string]bool{}, state: approval.Pending}
			},
			"vote": func(t *rapid.T) {
				id, m := pick()
				who := people.Draw(t, "who")
				v := rapid.SampledFrom([]approval.Verdict{approval.Approve, approval.Approve, approval.Reject}).Draw(t, "verdict")
				name := strings.ToLower(strings.TrimSpace(who))
				r, err := w.SubmitVerdict(base.t.Context(), id, person(who), approval.Ballot{Verdict: v})
				if name == "gateway-1" || name == "bot" {
					if !errors.Is(err, approval.ErrSelfApproval) {
						t.Fatalf("%s voted: %v", who, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				applied := m.state == approval.Pending && (v == approval.Reject || !m.yes[name])
				if applied && v == approval.Reject {
					m.state = approval.Rejected
				} else if applied {
					if m.yes[name] = true; len(m.yes) >= m.quorum {
						m.state = approval.Approved
					}
				}
				if r.Applied != applied || r.Approval.State != m.state {
					t.Fatalf("applied %v, state %s; want %v, %s", r.Applied, r.Approval.State, applied, m.state)
				}
			},
			"redeem": func(t *rapid.T) {
				id, m := pick()
				decision := fmt.Sprint("d", rapid.IntRange(1, 2).Draw(t, "decision"))
				want := redemption()
				wrong := rapid.IntRange(0, 4).Draw(t, "wrong") == 0
				if wrong {
					want.Digest = "pc1:bb"
				}
				err := w.Redeem(base.t.Context(), id, want, decision)
				ok := !wrong && m.state == approval.Approved && (m.use == approval.Unused || m.use == approval.Redeemed && m.by == decision)
				if ok {
					m.use, m.by = approval.Redeemed, decision
				}
				if (err == nil) != ok {
					t.Fatalf("redeeming %+v said %v", m, err)
				}
			},
			"cancel": func(t *rapid.T) {
				id, m := pick()
				r, err := w.Cancel(base.t.Context(), id, "")
				if err != nil {
					t.Fatal(err)
				}
				applied := true
				switch {
				case m.state == approval.Pending:
					m.state = approval.Cancelled
				case m.state == approval.Approved && m.use == approval.Unused:
					m.use = approval.Revoked
				default:
					applied = false
				}
				if r.Applied != applied {
					t.Fatalf("cancelling %+v: applied %v", m, r.Applied)
				}
			},
			"time": func(t *rapid.T) {
				w.clock.move(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			},
			"sweep": func(t *rapid.T) {
				if err := w.Sweep(base.t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				var err error
				if w.Queue, err = approval.New(w.cfg, w.store, w.keys, w.clock.now); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				for id, m := range models {
					m.tick(w.clock.now())
					a, err := w.Get(base.t.Context(), id)
					if err != nil || a.State != m.state || a.Use != m.use || a.RedeemedBy != m.by {
						t.Fatalf("got %s %q by %q, %v; want %s %q by %q", a.State, a.Use, a.RedeemedBy, err, m.state, m.use, m.by)
					}
					rec, content, err := w.store.Content(base.t.Context(), id)
					if err != nil || (content != nil) != rec.Approval.Live() {
						t.Fatalf("%s %q with %d bytes of content, %v", a.State, a.Use, len(content), err)
					}
				}
			},
		})
	})
}
