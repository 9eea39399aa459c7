package approvaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
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

func ordered(t *testing.T, s approval.Store) {
	if refs, err := s.Changes(t.Context(), 0, 9); err != nil || len(refs) != 0 {
		t.Fatalf("an empty store: %v, %v", refs, err)
	}
	insert(t, s, record("id1", "t", "a"), record("id2", "u", "a"))
	update(t, s, "id1", func(r *approval.Record) approval.Effect { // two at once
		_ = to(approval.Pending, "")(r)
		return to(approval.Approved, "")(r)
	})
	update(t, s, "id2", to(approval.Rejected, ""))
	update(t, s, "id1", func(*approval.Record) approval.Effect { return approval.Remove })
	want := "id1 1, id2 1, id1 2, id1 3, id2 2"
	refs, err := s.Changes(t.Context(), 0, 100)
	if got := show(refs); err != nil || got != want {
		t.Fatalf("%s, %v", got, err)
	}
	for i, ref := range refs {
		if i > 0 && ref.Cursor <= refs[i-1].Cursor {
			t.Errorf("cursor %d after %d", ref.Cursor, refs[i-1].Cursor)
		}
		rest, err := s.Changes(t.Context(), ref.Cursor, 2)
		if err != nil || show(rest) != show(refs[i+1:min(i+3, len(refs))]) {
			t.Errorf("after %d: %s, %v", ref.Cursor, show(rest), err)
		}
	}
	if _, err := s.Changes(t.Context(), refs[4].Cursor+1, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("a cursor that was never given out: %v", err)
	}
	if _, err := s.Changes(t.Context(), 1<<62, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("a cursor from elsewhere: %v", err)
	}
}

func show(refs []approval.ChangeRef) string {
	var out []string
	for _, r := range refs {
		out = append(out, fmt.Sprint(r.ID, " ", r.Sequence))
	}
	return strings.Join(out, ", ")
}

func window(t *testing.T, s approval.Store) {
	insert(t, s, record("first", "t", "a"))
	refs, err := s.Changes(t.Context(), 0, 1)
	if err != nil || len(refs) != 1 {
		t.Fatal(refs, err)
	}
	first := refs[0].Cursor
	for i := range windowOfCases {
		insert(t, s, record(fmt.Sprintf("id%03d", i), "t", "a"))
	}
	if all, err := s.Changes(t.Context(), first, 1000); err != nil || len(all) != windowOfCases {
		t.Fatalf("%d, %v", len(all), err)
	}
	if _, err := s.Changes(t.Context(), 0, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("one is gone: %v", err)
	}
	insert(t, s, record("last", "t", "a"))
	if _, err := s.Changes(t.Context(), first, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("two are gone: %v", err)
	}
}

func pages(t *testing.T, s approval.Store) {
	const n = 150
	var want []string
	for i := range n {
		id := fmt.Sprintf("id%03d", i)
		insert(t, s, record(id, "t", "a"))
		switch i % 5 {
		case 1:
			update(t, s, id, to(approval.Approved, ""))
		case 2:
			update(t, s, id, to(approval.Approved, approval.Redeemed))
		case 3:
			update(t, s, id, to(approval.Rejected, ""))
		case 4:
			update(t, s, id, to(approval.Expired, ""))
		}
		want = append(want, id)
	}
	slices.Reverse(want)
	for _, c := range []struct {
		states []approval.State
		rest   []int
	}{
		{approval.States, []int{0, 1, 2, 3, 4}},
		{[]approval.State{approval.Approved, approval.Approved}, []int{1, 2}},
		{[]approval.State{approval.Pending, approval.Expired}, []int{0, 4}},
		{[]approval.State{approval.Cancelled}, nil},
	} {
		var of []string
		for i, id := range want {
			if slices.Contains(c.rest, (n-1-i)%5) {
				of = append(of, id)
			}
		}
		for _, size := range []int{1000, 7} {
			var got []string
			last := ""
			for {
				before := len(got)
				err := s.Scan(t.Context(), c.states, last, func(r approval.Record) bool {
					got = append(got, r.Approval.ID)
					return len(got) < before+size
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(got) == before {
					break
				}
				last = got[len(got)-1]
			}
			if !slices.Equal(got, of) {
				t.Errorf("%v in pages of %d: %d of %d", c.states, size, len(got), len(of))
			}
		}
	}
}

func live(t *testing.T, s approval.Store) {
	long := strings.Repeat("x", 1024)
	for i, of := range [][2]string{{"t", "a"}, {"t", "ab"}, {"ta", "b"}, {"t", ""}, {"", "ta"}, {"t", "a"}, {"t\x00a", "ÿ"}, {long, long}} {
		insert(t, s, record(fmt.Sprint("id", i), of[0], of[1]))
	}
	update(t, s, "id5", to(approval.Approved, ""))
	insert(t, s, record("id8", "t", "a"), record("id9", "t", "a"))
	update(t, s, "id8", to(approval.Approved, approval.Redeemed))
	update(t, s, "id9", to(approval.Rejected, ""))
	for _, c := range []struct{ tenant, agent, want string }{
		{"t", "a", "id0 id5"},
		{"t", "", "id0 id1 id3 id5"},
		{"ta", "b", "id2"},
		{"t\x00a", "ÿ", "id6"},
		{long, long, "id7"},
		{"nobody", "", ""},
		{"", "", "id0 id1 id2 id3 id4 id5 id6 id7"},
	} {
		ids, err := s.Live(t.Context(), c.tenant, c.agent)
		slices.Sort(ids)
		if got := strings.Join(ids, " "); err != nil || got != c.want {
			t.Errorf("%.5q %.5q: %s, %v", c.tenant, c.agent, got, err)
		}
	}
}

func due(t *testing.T, s approval.Store) {
	for i, at := range []int{3, 1, 2, 9} {
		rec := record(fmt.Sprint("id", i), "t", "a")
		rec.Due = after(at)
		insert(t, s, rec)
	}
	update(t, s, "id1", func(r *approval.Record) approval.Effect { // it is due later now
		r.Due = after(5)
		return to(approval.Approved, "")(r)
	})
	insert(t, s, record("id4", "t", "a"))
	update(t, s, "id4", func(*approval.Record) approval.Effect { return approval.Remove })
	for _, c := range []struct {
		at, limit int
		want      string
		next      int // negative: none
	}{
		{0, 9, "[]", 2}, {2, 9, "[id2]", 3}, {5, 9, "[id2 id0 id1]", 9}, {5, 2, "[id2 id0]", 5}, {9, 9, "[id2 id0 id1 id3]", -1},
	} {
		ids, next, err := s.Due(t.Context(), after(c.at), c.limit)
		if err != nil || fmt.Sprint(ids) != c.want || (c.next < 0) != next.IsZero() || c.next >= 0 && !next.Equal(after(c.next)) {
			t.Errorf("at %d s, %d at most: %v, next %s, %v", c.at, c.limit, ids, next, err)
		}
	}
}

func surplus(t *testing.T, s approval.Store) {
	for i, state := range []approval.State{
		approval.Rejected, approval.Pending, approval.Approved, approval.Expired, approval.Approved, approval.Cancelled, approval.Rejected,
	} {
		id := fmt.Sprint("id", i)
		insert(t, s, record(id, "t", "a"))
		if state != approval.Pending {
			use := approval.Unused
			if i == 4 {
				use = approval.Redeemed
			}
			update(t, s, id, to(state, use))
		}
	}
	for _, c := range []struct {
		keep, limit int
		want        string
	}{
		{5, 9, "[]"}, {9, 9, "[]"}, {4, 9, "[id0]"}, {1, 9, "[id0 id3 id4 id5]"}, {0, 2, "[id0 id3]"}, {2, 2, "[id0 id3]"},
	} {
		if ids, err := s.Surplus(t.Context(), c.keep, c.limit); err != nil || fmt.Sprint(ids) != c.want {
			t.Errorf("all but %d, %d at most: %v, %v", c.keep, c.limit, ids, err)
		}
	}
}

// snapshots: a list and the changes after its cursor are everything, each once, whatever is written meanwhile.
func snapshots(t *testing.T, s approval.Store) {
	if recs, cursor, err := s.Snapshot(t.Context()); err != nil || len(recs) != 0 {
		t.Fatal(recs, err)
	} else if _, err := s.Changes(t.Context(), cursor, 1); err != nil {
		t.Fatalf("after the first snapshot: %v", err)
	}
	const n = 40
	insert(t, s, record("id000", "t", "a"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i < n; i++ {
			insert(t, s, record(fmt.Sprintf("id%03d", i), "t", "a"))
			if i%4 == 0 {
				update(t, s, fmt.Sprintf("id%03d", i-2), to(approval.Pending, ""))
			}
		}
	})
	for range 10 {
		recs, cursor, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]uint64{}
		for i, r := range recs {
			if i > 0 && r.Approval.ID <= recs[i-1].Approval.ID {
				t.Fatal("not the oldest first")
			}
			seen[r.Approval.ID] = r.Approval.Sequence
			if r.Approval.Sequence != uint64(len(r.Changes)) {
				t.Fatalf("sequence %d with %d changes", r.Approval.Sequence, len(r.Changes))
			}
		}
		refs, err := s.Changes(t.Context(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range refs {
			if seen[ref.ID]+1 != ref.Sequence {
				t.Fatalf("%s: %d after %d", ref.ID, ref.Sequence, seen[ref.ID])
			}
			seen[ref.ID] = ref.Sequence
		}
	}
	wg.Wait()
	update(t, s, "id000", to(approval.Approved, ""))
	if recs, _, err := s.Snapshot(t.Context()); err != nil || len(recs) != n-1 {
		t.Errorf("%d are pending, %v", len(recs), err)
	}
}

func digests(t *testing.T, s approval.Store) {
	for i, c := range [][3]string{{"t", "a", "d"}, {"t", "a", "d2"}, {"t", "ad", ""}, {"ta", "", "d"}, {"t", "a", "d"}, {"t", "b", "d"}, {"t", "a", "d"}} {
		rec := record(fmt.Sprint("id", 9-i), c[0], c[1]) // ids say nothing about the order
		rec.Approval.Digest, rec.Approval.Created = c[2], after(i)
		insert(t, s, rec)
	}
	update(t, s, "id5", to(approval.Rejected, ""))
	find := func(limit int) string {
		recs, err := s.ByDigest(t.Context(), "t", "a", "d", limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range recs {
			ids = append(ids, r.Approval.ID)
		}
		return strings.Join(ids, " ")
	}
	if got := find(10); got != "id3 id5 id9" {
		t.Error(got)
	}
	if got := find(2); got != "id3 id5" {
		t.Errorf("two at most: %s", got)
	}
	update(t, s, "id3", func(*approval.Record) approval.Effect { return approval.Remove })
	if got := find(10); got != "id5 id9" {
		t.Errorf("one is removed: %s", got)
	}
}

func givenUp(t *testing.T, s approval.Store) {
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
