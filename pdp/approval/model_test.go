package approval_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// model is an approval in the fewest words: what I6 says of one, and nothing of how it is kept.
type model struct {
	created, expires time.Time
	stages           []approval.Stage
	digest           string                      // what would be done
	yes              map[string]map[int][]string // people, by digest and stage
	edits            int
	state            approval.State
	use              approval.Use
	by               string
}

// open is how many stages are.
func (m *model) open(now time.Time) int {
	n := 0
	for _, s := range m.stages {
		if at := m.created.Add(s.After); !now.Before(at) && at.Before(m.expires) {
			n++
		}
	}
	return n
}

// countable are the open stages that a ballot counts for.
func (m *model) countable(b approval.Ballot, now time.Time) (out []int) {
	for i := range m.open(now) {
		if b.Stages == nil && len(m.stages[i].Groups) == 0 || slices.Contains(b.Stages, i) {
			out = append(out, i)
		}
	}
	return out
}

// vote is a person's verdict: the error it must be, or whether it is applied.
func (m *model) vote(who string, b approval.Ballot, now time.Time) (error, bool) { //nolint:revive // the error is the answer here
	pending := m.state == approval.Pending
	yes := b.Verdict == approval.Approve
	edited := m.digest != ask().Digest
	switch {
	case who == "gateway-1" || who == "bot" || who == "gus" || who == "olga":
		return approval.ErrSelfApproval, false
	case pending && b.ExpectedDigest == "" && (b.Edit != nil || yes && edited):
		return approval.ErrUnseenEdit, false
	case b.ExpectedDigest != "" && b.ExpectedDigest != m.digest:
		return approval.ErrDigest, false
	case !pending:
		return nil, false
	case !yes:
		m.state = approval.Rejected
		return nil, true
	case b.Edit != nil && m.edits == 8:
		return approval.ErrTooManyEdits, false
	}
	after := *m
	if b.Edit != nil {
		after.digest, after.stages, after.edits = b.Edit.Digest, b.Edit.Stages, m.edits+1
	}
	stages := after.countable(b, now)
	if len(stages) == 0 {
		return approval.ErrStage, false
	}
	counted := after.yes[after.digest]
	fresh := slices.ContainsFunc(stages, func(i int) bool { return !slices.Contains(counted[i], who) })
	if !fresh {
		return nil, false
	}
	*m = after
	if m.yes[m.digest] == nil {
		m.yes[m.digest] = map[int][]string{}
	}
	for _, i := range stages {
		if !slices.Contains(m.yes[m.digest][i], who) {
			m.yes[m.digest][i] = append(m.yes[m.digest][i], who)
		}
	}
	for i := range m.open(now) {
		if len(m.yes[m.digest][i]) >= m.stages[i].Quorum {
			m.state = approval.Approved
		}
	}
	return nil, true
}

// mostly draws the first of the values more often than all others together.
func mostly[T any](first T, others ...T) *rapid.Generator[T] {
	return rapid.SampledFrom(append(slices.Repeat([]T{first}, 2*len(others)+3), others...))
}

// drawStages are one to three, of everybody or of a group, within half a minute.
func drawStages(t *rapid.T) []approval.Stage {
	stages := make([]approval.Stage, rapid.IntRange(1, 3).Draw(t, "stages"))
	for i := range stages {
		if i > 0 {
			stages[i].After = stages[i-1].After + time.Duration(rapid.IntRange(0, 15).Draw(t, "after"))*time.Second
		}
		stages[i].Quorum = rapid.IntRange(1, 4).Draw(t, "quorum")
		if rapid.Bool().Draw(t, "of a group") {
			stages[i].Groups = []string{"g"}
		}
	}
	return stages
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
	people := rapid.SampledFrom([]string{"ann", "Ann", "ann", "bob", "BOB ", "bob", "cal", "dan", "gateway-1", "Bot", "gus", "Olga"})
	edits := 0 // for digests that are new
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
		deeds := map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				if len(ids) == 3 {
					t.Skip("enough to do")
				}
				a := ask()
				a.Stages, a.RequestedByPerson, a.Owner = drawStages(t), "Gus", "olga"
				a.TTL = time.Duration(rapid.IntRange(20, 90).Draw(t, "ttl")) * time.Second
				created, err := w.Create(base.t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, created.ID)
				models[created.ID] = &model{
					created: created.Created, expires: created.Expires, stages: a.Stages, digest: a.Digest,
					yes: map[string]map[int][]string{}, state: approval.Pending,
				}
			},
			"vote": func(t *rapid.T) {
				id, m := pick()
				who := people.Draw(t, "who")
				b := approval.Ballot{
					Verdict:        mostly(approval.Approve, approval.Reject).Draw(t, "verdict"),
					ExpectedDigest: mostly(m.digest, "", "pc1:other").Draw(t, "digest"),
					Stages:         mostly([]int{0, 1, 2}, nil, []int{}, []int{0}, []int{1}, []int{2, 7}).Draw(t, "stages"),
				}
				if b.Verdict == approval.Approve && rapid.IntRange(0, 2).Draw(t, "edit") == 0 {
					edits++
					digest := fmt.Sprint("pc1:edit", edits)
					b.EditedArguments = "{}"
					b.Edit = &approval.Edit{Digest: digest, Action: []byte("do " + digest), View: []byte("{}"), Stages: drawStages(t), Rules: []string{digest}}
				}
				voter := person(fmt.Sprint("account ", rapid.IntRange(1, 3).Draw(t, "account"), " of ", who))
				voter.Person = who
				r, err := w.SubmitVerdict(base.t.Context(), id, voter, b)
				want, applied := m.vote(strings.ToLower(strings.TrimSpace(who)), b, w.clock.now())
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Fatalf("%s %+v: %v, want %v", who, b, err, want)
				}
				if err == nil && (r.Applied != applied || r.Approval.State != m.state) {
					t.Fatalf("%s %+v: applied %v, state %s; want %v, %s", who, b, r.Applied, r.Approval.State, applied, m.state)
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
				w.clock.move(time.Duration(rapid.IntRange(1, 15).Draw(t, "seconds")) * time.Second)
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
					if a.EffectiveDigest() != m.digest || m.state == approval.Pending && a.Stage != m.open(w.clock.now())-1 {
						t.Fatalf("%s at stage %d; want %s at %d", a.EffectiveDigest(), a.Stage, m.digest, m.open(w.clock.now())-1)
					}
					looked(t, &w, id, m)
					rec, content, err := w.store.Content(base.t.Context(), id)
					if err != nil || (content != nil) != rec.Approval.Live() {
						t.Fatalf("%s %q with %d bytes of content, %v", a.State, a.Use, len(content), err)
					}
				}
			},
		}
		deeds["vote, too"], deeds["and vote"] = deeds["vote"], deeds["vote"] // they have most to say
		t.Repeat(deeds)
	})
}

// looked checks what reviewers and the agent are shown: what would be done, as long as anything can still come of it.
func looked(t *rapid.T, w *world, id string, m *model) {
	want := string(ask().Action)
	if m.digest != ask().Digest {
		want = "do " + m.digest
	}
	shown, err := w.Reveal(w.t.Context(), id)
	if m.state == approval.Pending && (err != nil || string(shown.Action) != want) || m.state != approval.Pending && !errors.Is(err, approval.ErrEnded) {
		t.Fatalf("%s: a reviewer is shown %q, %v; want %q", m.state, shown.Action, err, want)
	}
	live := m.state == approval.Pending || m.state == approval.Approved && m.use == approval.Unused
	given, err := w.Edited(w.t.Context(), id)
	switch {
	case !live && !errors.Is(err, approval.ErrEnded), live && err != nil:
		t.Fatalf("%s %q: %v", m.state, m.use, err)
	case live && (given != nil) != (m.digest != ask().Digest), given != nil && string(given) != want:
		t.Fatalf("the agent is given %q, want %q", given, want)
	}
}
