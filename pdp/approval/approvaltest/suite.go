package approvaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// Open makes an empty store that keeps window changes. It is let go with the test.
type Open func(t *testing.T, window int) approval.Store

// Run runs every case on a store of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, run := range map[string]func(t *testing.T, s approval.Store){
		"what is stored is read":                stored,
		"caps":                                  caps,
		"asks of an agent and a session":        asked,
		"content is there while it is live":     contents,
		"content is replaced with its record":   replaced,
		"changes at once all count":             atOnce,
		"one of many wins":                      oneWins,
		"changes are in order":                  ordered,
		"changes beyond the window":             window,
		"pages, newest first":                   pages,
		"what is live, by tenant and agent":     live,
		"what is due, earliest first":           due,
		"what is more than is kept":             surplus,
		"a snapshot and what comes after it":    snapshots,
		"what was asked for the same action":    digests,
		"a call that was given up does nothing": givenUp,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t, windowOfCases)) })
	}
	t.Run("random changes mean what the model says", func(t *testing.T) { compare(t, open) })
}

const windowOfCases = 64

var (
	begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wide  = approval.Caps{PerAgent: 1e6, PerTenant: 1e6, Total: 1e6, ContentBytes: 1e12}
)

func after(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }

// record is a pending ask. Ids order it.
func record(id, tenant, agent string) approval.Record {
	return approval.Record{
		Approval: approval.Approval{
			ID: id, Tenant: tenant, Agent: agent, Session: "s", RequestedBy: "gateway", Tool: "send_email", Digest: "pc1:" + id,
			State: approval.Pending, Sequence: 1, Quorum: 1, Created: begin, Expires: after(300),
			Reasons: []approval.Reason{{Code: "X", Message: "because \x00 \u2028 <&>"}},
		},
		Changes: []approval.Change{{At: begin, State: approval.Pending}},
		Due:     after(300), ContentBytes: 3,
	}
}

// to moves a record to a state, as the state machine does: it appends one change.
func to(state approval.State, use approval.Use) func(*approval.Record) approval.Effect {
	return func(r *approval.Record) approval.Effect {
		r.Approval.State, r.Approval.Use = state, use
		r.Changes = append(r.Changes, approval.Change{At: begin, State: state, Use: use, Votes: len(r.Approval.Votes)})
		r.Approval.Sequence = uint64(len(r.Changes))
		return approval.Write
	}
}

func insert(t *testing.T, s approval.Store, recs ...approval.Record) {
	t.Helper()
	for _, rec := range recs {
		if err := s.Insert(t.Context(), rec, []byte("abc"), wide); err != nil {
			t.Fatal(err)
		}
	}
}

func update(t *testing.T, s approval.Store, id string, change func(*approval.Record) approval.Effect) {
	t.Helper()
	if err := s.Update(t.Context(), id, change); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, s approval.Store) {
	t.Helper()
	rec := record("id1", "t", "a")
	insert(t, s, rec)
	got, err := s.Load(t.Context(), "id1")
	if err != nil || !reflect.DeepEqual(got, rec) {
		t.Errorf("read %+v, %v\nwant %+v", got, err, rec)
	}
	if err := s.Insert(t.Context(), rec, nil, wide); err == nil {
		t.Error("an id was used twice")
	}
	for _, effect := range []approval.Effect{approval.Keep, approval.Write} {
		err := s.Update(t.Context(), "id1", func(r *approval.Record) approval.Effect {
			_ = to(approval.Approved, approval.Unused)(r)
			return effect
		})
		got, loaded := s.Load(t.Context(), "id1")
		if err != nil || loaded != nil || (got.Approval.State == approval.Approved) != (effect == approval.Write) {
			t.Errorf("effect %d: %v, %v, %v", effect, got.Approval.State, err, loaded)
		}
	}
	update(t, s, "id1", func(*approval.Record) approval.Effect { return approval.Remove })
	if _, err := s.Load(t.Context(), "id1"); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
	called := false
	err = s.Update(t.Context(), "id1", func(*approval.Record) approval.Effect { called = true; return approval.Keep })
	if !errors.Is(err, approval.ErrNotFound) || called {
		t.Errorf("changed what is not there: %v, %v", err, called)
	}
	if err := s.UpdateAll(t.Context(), []string{"id1", "id2"}, to(approval.Expired, "")); err != nil {
		t.Errorf("what is not there is skipped: %v", err)
	}
}

func caps(t *testing.T, s approval.Store) {
	t.Helper()
	tight := approval.Caps{PerAgent: 2, PerTenant: 3, Total: 4, ContentBytes: 15}
	for i, c := range []struct {
		id, tenant, agent string
		want              error
	}{
		{"1", "t", "a", nil},
		{"2", "t", "a", nil},
		{"3", "t", "a", approval.ErrAskRate},
		{"3", "t", "b", nil},
		{"4", "t", "c", approval.ErrQueueFull},
		{"4", "u", "a", nil},
		{"5", "u", "b", approval.ErrQueueFull},
	} {
		if err := s.Insert(t.Context(), record(c.id, c.tenant, c.agent), []byte("abc"), tight); !errors.Is(err, c.want) {
			t.Fatalf("%d: %v, want %v", i, err, c.want)
		}
	}
	// What is approved waits no more, but its content is kept; what has ended makes room.
	update(t, s, "1", to(approval.Approved, approval.Unused))
	insertWant(t, s, record("5", "t", "a"), tight, nil)
	update(t, s, "2", to(approval.Rejected, ""))
	rec := record("6", "u", "b")
	insertWant(t, s, rec, tight, nil)
	update(t, s, "3", to(approval.Expired, ""))
	rec = record("7", "u", "c")
	rec.ContentBytes = 4
	insertWant(t, s, rec, tight, approval.ErrQueueFull)
	update(t, s, "1", func(*approval.Record) approval.Effect { return approval.Remove })
	insertWant(t, s, rec, tight, nil)
}

func insertWant(t *testing.T, s approval.Store, rec approval.Record, c approval.Caps, want error) {
	t.Helper()
	if err := s.Insert(t.Context(), rec, []byte("abc"), c); !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", rec.Approval.ID, err, want)
	}
}

func asked(t *testing.T, s approval.Store) {
	t.Helper()
	n := 0
	for _, c := range []struct {
		agent, session string
		at             int
		want           error
	}{
		{"a", "s", 0, nil},
		{"a", "s", 1, nil},
		{"a", "s", 2, approval.ErrAskRate},
		{"a", "u", 2, nil},
		{"a", "v", 3, approval.ErrAskRate},
		{"b", "s", 3, nil},
		{"a", "v", 60, nil}, // the first has left the window
		{"a", "s", 60, approval.ErrAskRate},
		{"a", "s", 61, nil},
	} {
		n++
		rec := record(fmt.Sprintf("id%03d", n), "t", c.agent)
		rec.Approval.Session, rec.Approval.Created = c.session, after(c.at)
		limit := wide
		limit.Since, limit.AskedByAgent, limit.AskedInSession = after(c.at-60), 3, 2
		insertWant(t, s, rec, limit, c.want)
		if c.want == nil {
			update(t, s, rec.Approval.ID, to(approval.Rejected, ""))
		}
	}
}

func contents(t *testing.T, s approval.Store) {
	t.Helper()
	for i, c := range []struct {
		state approval.State
		use   approval.Use
		there bool
	}{
		{approval.Pending, "", true},
		{approval.Approved, "", true},
		{approval.Approved, approval.Redeemed, false},
		{approval.Approved, approval.Lapsed, false},
		{approval.Rejected, "", false},
		{approval.Expired, "", false},
		{approval.Cancelled, "", false},
	} {
		id := fmt.Sprint("id", i)
		big := bytes.Repeat([]byte{0, 255, '\n', byte(i)}, 100_000)
		if err := s.Insert(t.Context(), record(id, "t", "a"), big, wide); err != nil {
			t.Fatal(err)
		}
		update(t, s, id, to(c.state, c.use))
		rec, got, err := s.Content(t.Context(), id)
		if err != nil || rec.Approval.State != c.state || bytes.Equal(got, big) != c.there || !c.there && got != nil {
			t.Errorf("%s %s: %d bytes, %v", c.state, c.use, len(got), err)
		}
	}
	if _, _, err := s.Content(t.Context(), "nothing"); !errors.Is(err, approval.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}

// replaced: content changes with its record or not at all, counts as what it is then, and goes with the record.
func replaced(t *testing.T, s approval.Store) {
	t.Helper()
	insert(t, s, record("id1", "t", "a"))
	edit := func(effect approval.Effect, content []byte) func(*approval.Record) approval.Effect {
		return func(r *approval.Record) approval.Effect {
			if r.Content != nil {
				t.Error("the store handed out content with the record")
			}
			_ = to(approval.Pending, "")(r)
			r.Content, r.ContentBytes = content, int64(len(content))
			return effect
		}
	}
	want := func(content string, sequence uint64) {
		t.Helper()
		rec, got, err := s.Content(t.Context(), "id1")
		if err != nil || string(got) != content || rec.Approval.Sequence != sequence || rec.Content != nil {
			t.Errorf("%q at %d, %v; want %q at %d", got, rec.Approval.Sequence, err, content, sequence)
		}
	}
	update(t, s, "id1", edit(approval.Keep, []byte("lost")))
	want("abc", 1)
	update(t, s, "id1", edit(approval.Write, []byte("longer than before")))
	want("longer than before", 2)
	update(t, s, "id1", to(approval.Pending, ""))
	want("longer than before", 3)
	tight := wide
	tight.ContentBytes = 20
	if err := s.Insert(t.Context(), record("id2", "t", "a"), []byte("abc"), tight); !errors.Is(err, approval.ErrQueueFull) {
		t.Errorf("18 bytes and 3 into 20: %v", err)
	}
	update(t, s, "id1", to(approval.Rejected, ""))
	if _, got, err := s.Content(t.Context(), "id1"); err != nil || got != nil {
		t.Errorf("ended: %d bytes, %v", len(got), err)
	}
	if err := s.Insert(t.Context(), record("id2", "t", "a"), []byte("abc"), tight); err != nil {
		t.Errorf("its bytes count on: %v", err)
	}
}

func atOnce(t *testing.T, s approval.Store) {
	t.Helper()
	insert(t, s, record("id1", "t", "a"))
	const people = 12
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			err := s.Update(context.WithoutCancel(t.Context()), "id1", func(r *approval.Record) approval.Effect {
				r.Approval.Votes = append(r.Approval.Votes, approval.Vote{Subject: fmt.Sprint(i), Verdict: approval.Approve})
				return to(approval.Pending, "")(r)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rec, err := s.Load(t.Context(), "id1")
	if err != nil || len(rec.Approval.Votes) != people || len(rec.Changes) != people+1 {
		t.Fatalf("%d votes, %d changes, %v", len(rec.Approval.Votes), len(rec.Changes), err)
	}
	for n, c := range rec.Changes {
		if c.Votes != n {
			t.Errorf("change %d has %d votes", n, c.Votes)
		}
	}
	refs, err := s.Changes(t.Context(), 0, 100)
	if err != nil || len(refs) != people+1 {
		t.Fatalf("%d changes, %v", len(refs), err)
	}
	for n, ref := range refs {
		if ref.Sequence != uint64(n+1) {
			t.Errorf("change %d is of sequence %d", n, ref.Sequence)
		}
	}
}

// oneWins is what a redemption needs.
func oneWins(t *testing.T, s approval.Store) {
	t.Helper()
	for round := range 5 {
		id := fmt.Sprint("id", round)
		insert(t, s, record(id, "t", "a"))
		update(t, s, id, to(approval.Approved, ""))
		var mu sync.Mutex
		var winners []int
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				won := false
				err := s.Update(context.WithoutCancel(t.Context()), id, func(r *approval.Record) approval.Effect {
					if won = r.Approval.Use == approval.Unused; !won {
						return approval.Keep
					}
					return to(approval.Approved, approval.Redeemed)(r)
				})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if won {
					winners = append(winners, i)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Errorf("%v won", winners)
		}
	}
}

func givenUp(t *testing.T, s approval.Store) {
	t.Helper()
	insert(t, s, record("id1", "t", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, "id1", func(*approval.Record) approval.Effect { return approval.Remove }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if err := s.Insert(ctx, record("id2", "t", "a"), nil, wide); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if _, err := s.Load(t.Context(), "id1"); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "id2"); !errors.Is(err, approval.ErrNotFound) {
		t.Error(err)
	}
}
