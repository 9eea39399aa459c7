package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

var (
	approvalStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wideCaps      = approval.Caps{PerAgent: 1e6, PerTenant: 1e6, Total: 1e6, ContentBytes: 1e12}
)

func openApprovals(t *testing.T, window int) *Approvals {
	t.Helper()
	s := openStore(t, t.TempDir())
	t.Cleanup(func() { _ = s.Close() })
	a, err := s.OpenApprovals(window)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// openBoth opens a directory, perhaps for the second time, with the approvals in it.
func openBoth(t *testing.T, dir string) (*Store, *Approvals) {
	t.Helper()
	s := openStore(t, dir)
	t.Cleanup(func() { _ = s.Close() })
	a, err := s.OpenApprovals(1000)
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

func pendingRecord(id, tenant, agent string) approval.Record {
	return approval.Record{
		Approval:     approval.Approval{ID: id, Tenant: tenant, Agent: agent, State: approval.Pending, Sequence: 1},
		Changes:      []approval.Change{{State: approval.Pending}},
		Due:          approvalStart,
		ContentBytes: 3,
	}
}

// Indexes, counts and contents are what the records say, whatever was written: they are never repaired, so they
// may never differ.
func TestApprovalsIndexesFollowTheRecords(t *testing.T) {
	s := openApprovals(t, 20)
	names := rapid.SampledFrom([]string{"a", "b", "ab", "a/b", ""})
	next := 0
	var ids []string
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 8).Draw(t, "writes") {
			if len(ids) == 0 || rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				next++
				rec := pendingRecord(fmt.Sprintf("id%06d", next), names.Draw(t, "tenant"), names.Draw(t, "agent"))
				if err := s.Insert(context.Background(), rec, []byte("abc"), wideCaps); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, rec.Approval.ID)
				continue
			}
			effect := rapid.SampledFrom([]approval.Effect{approval.Keep, approval.Write, approval.Write, approval.Remove}).Draw(t, "effect")
			err := s.Update(context.Background(), rapid.SampledFrom(ids).Draw(t, "id"), func(rec *approval.Record) approval.Effect {
				rec.Approval.State = rapid.SampledFrom(approval.States).Draw(t, "state")
				rec.Approval.Use = rapid.SampledFrom([]approval.Use{approval.Unused, approval.Redeemed}).Draw(t, "use")
				rec.Due = approvalStart.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "due")))
				rec.Changes = append(rec.Changes, approval.Change{State: rec.Approval.State})
				rec.Approval.Sequence++
				return effect
			})
			if err != nil && !errors.Is(err, approval.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if err := s.read(context.Background(), consistent); err != nil {
			t.Fatal(err)
		}
	})
}

func consistent(tx approvalsTx) error {
	want := map[string]map[string]string{}
	for _, b := range [][]byte{approvalGroupsBucket, approvalDueBucket, approvalAskedBucket, approvalDigestsBucket, approvalLiveBucket, approvalContentsBucket} {
		want[string(b)] = map[string]string{}
	}
	counts := map[string]int64{}
	err := tx.bucket(approvalsBucket).ForEach(func(id, _ []byte) error {
		rec, err := tx.load(id)
		if err != nil {
			return err
		}
		for _, r := range placeOf(&rec).rows() {
			want[string(r.bucket)][string(r.key)] = string(r.value)
		}
		for _, d := range talliesOf(&rec) {
			counts[string(d.scope)] += d.n
		}
		// Content that was erased does not come back, so a live record may lack it in this test, not the reverse.
		if rec.Approval.Live() && tx.bucket(approvalContentsBucket).Get(id) != nil {
			want[string(approvalContentsBucket)][string(id)] = "abc"
		}
		return nil
	})
	if err != nil {
		return err
	}
	for bucket, rows := range want {
		got := map[string]string{}
		_ = tx.bucket([]byte(bucket)).ForEach(func(k, v []byte) error { got[string(k)] = string(v); return nil })
		if !maps.Equal(got, rows) {
			return fmt.Errorf("%s has %d rows that differ from the %d that the records say", bucket, len(got), len(rows))
		}
	}
	_ = tx.bucket(approvalCountsBucket).ForEach(func(k, _ []byte) error { counts[string(k)] += 0; return nil })
	for scope, n := range counts {
		if got := tx.count([]byte(scope)); got != n {
			return fmt.Errorf("the count of %q is %d, the records say %d", scope, got, n)
		}
	}
	if n := tx.bucket(approvalChangesBucket).Stats().KeyN; n > int(tx.window)+overdue {
		return fmt.Errorf("%d changes are kept, at most %d", n, tx.window+overdue)
	}
	return nil
}

func TestApprovalsFailedWriteChangesNothing(t *testing.T) {
	s := openApprovals(t, 10)
	rec := pendingRecord("id1", "t", "a")
	if err := s.Insert(t.Context(), rec, []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
	if err := s.Insert(t.Context(), rec, []byte("abc"), wideCaps); err == nil {
		t.Fatal("an id was used twice")
	}
	if err := s.Insert(t.Context(), pendingRecord("id2", "t", "a"), []byte("abc"), approval.Caps{PerAgent: 1, PerTenant: 9, Total: 9, ContentBytes: 99}); !errors.Is(err, approval.ErrAskRate) {
		t.Fatalf("got %v, want ErrAskRate", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, "id1", func(*approval.Record) approval.Effect { return approval.Remove }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if _, err := s.Load(t.Context(), "id1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "id2"); !errors.Is(err, approval.ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	if refs, err := s.Changes(t.Context(), 0, 10); err != nil || len(refs) != 1 {
		t.Fatalf("changes: %v, %v; want the one insert", refs, err)
	}
}

func seconds(n int) time.Time { return approvalStart.Add(time.Duration(n) * time.Second) }

func TestApprovalsDueInOrder(t *testing.T) {
	s := openApprovals(t, 10)
	for i, after := range []int{3, 1, 2, 9} {
		rec := pendingRecord(fmt.Sprint("id", i), "t", "a")
		rec.Due = seconds(after)
		if err := s.Insert(t.Context(), rec, nil, wideCaps); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		at    int
		limit int
		want  string
		next  int // negative: none
	}{
		{0, 9, "[]", 1}, {1, 9, "[id1]", 2}, {3, 9, "[id1 id2 id0]", 9}, {3, 2, "[id1 id2]", 3}, {9, 9, "[id1 id2 id0 id3]", -1},
	} {
		ids, next, err := s.Due(t.Context(), seconds(tc.at), tc.limit)
		if err != nil || fmt.Sprint(ids) != tc.want {
			t.Errorf("at %d s, %d at most: %v, %v; want %s", tc.at, tc.limit, ids, err, tc.want)
		}
		if (tc.next < 0) != next.IsZero() || tc.next >= 0 && !next.Equal(seconds(tc.next)) {
			t.Errorf("at %d s, %d at most: next %s", tc.at, tc.limit, next)
		}
	}
}

func TestApprovalsRefuseADamagedRecord(t *testing.T) {
	s := openApprovals(t, 10)
	if err := s.Insert(t.Context(), pendingRecord("id1", "t", "a"), nil, wideCaps); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"no JSON": func([]byte) []byte { return []byte("{") },
		"history": func(raw []byte) []byte { return bytes.Replace(raw, []byte(`"sequence":1`), []byte(`"sequence":7`), 1) },
	} {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(approvalsBucket)
			return b.Put([]byte("id1"), damage(bytes.Clone(b.Get([]byte("id1")))))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(t.Context(), "id1"); err == nil || errors.Is(err, approval.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestThreat_A16_AsksAreCounted: of an agent and of a session, whatever became of them, within the window and no longer.
func TestThreat_A16_AsksAreCounted(t *testing.T) {
	s := openApprovals(t, 20)
	n := 0
	ask := func(agent, session string, at time.Duration) error {
		n++
		rec := pendingRecord(fmt.Sprintf("id%06d", n), "t", agent)
		rec.Approval.Session, rec.Approval.Created = session, approvalStart.Add(at)
		caps := wideCaps
		caps.Since, caps.AskedByAgent, caps.AskedInSession = rec.Approval.Created.Add(-time.Minute), 5, 3
		return s.Insert(t.Context(), rec, []byte("abc"), caps)
	}
	reject := func(r *approval.Record) approval.Effect {
		r.Approval.State = approval.Rejected
		r.Changes = append(r.Changes, approval.Change{State: approval.Rejected})
		r.Approval.Sequence++
		return approval.Write
	}
	for i, c := range []struct {
		agent, session string
		at             time.Duration
		want           error
	}{
		{"a", "s", 0, nil},
		{"a", "s", 1, nil},
		{"a", "s", 2, nil},
		{"a", "s", 3, approval.ErrAskRate},
		{"a", "u", 3, nil},
		{"b", "s", 3, nil},
		{"ab", "", 3, nil},
		{"a", "u", 4, nil},
		{"a", "v", 5, approval.ErrAskRate}, // five of the agent
		{"a", "s", time.Minute, nil},       // the first one has left the window
		{"a", "v", time.Minute, approval.ErrAskRate},
		{"a", "s", time.Minute, approval.ErrAskRate}, // three of the session are in it again
	} {
		if err := ask(c.agent, c.session, c.at); !errors.Is(err, c.want) {
			t.Fatalf("ask %d: %v, want %v", i, err, c.want)
		}
		if c.want == nil {
			if err := s.Update(t.Context(), fmt.Sprintf("id%06d", n), reject); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestApprovalsByDigest(t *testing.T) {
	s := openApprovals(t, 20)
	for i, c := range []struct{ tenant, agent, digest string }{
		{"t", "a", "d"}, {"t", "a", "d2"}, {"t", "ad", ""}, {"ta", "", "d"}, {"t", "a", "d"}, {"t", "b", "d"}, {"t", "a", "d"},
	} {
		rec := pendingRecord(fmt.Sprintf("id%06d", 9-i), c.tenant, c.agent) // ids say nothing about the order
		rec.Approval.Digest, rec.Approval.Created = c.digest, approvalStart.Add(time.Duration(i))
		if err := s.Insert(t.Context(), rec, []byte("abc"), wideCaps); err != nil {
			t.Fatal(err)
		}
	}
	find := func(limit int) (ids string) {
		recs, err := s.ByDigest(t.Context(), "t", "a", "d", limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			ids += r.Approval.ID[len(r.Approval.ID)-1:]
		}
		return ids
	}
	if got := find(10); got != "359" {
		t.Errorf("found %s, want 359", got)
	}
	if got := find(2); got != "35" {
		t.Errorf("of these the last two: %s", got)
	}
	if err := s.Update(t.Context(), "id000003", func(*approval.Record) approval.Effect { return approval.Remove }); err != nil {
		t.Fatal(err)
	}
	if got := find(10); got != "59" {
		t.Errorf("one is removed: %s", got)
	}
}

// TestApprovalsOfAnEarlierVersion: records without the newer indexes get them.
func TestApprovalsOfAnEarlierVersion(t *testing.T) {
	dir := t.TempDir()
	store, s := openBoth(t, dir)
	rec := pendingRecord("id1", "t", "a")
	rec.Approval.Digest = "d"
	if err := s.Insert(t.Context(), rec, []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
	err := store.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket(approvalAskedBucket), tx.DeleteBucket(approvalDigestsBucket))
	})
	if err != nil {
		t.Fatal(err)
	}
	crash(t, store)
	_, s = openBoth(t, dir)
	if recs, err := s.ByDigest(t.Context(), "t", "a", "d", 1); err != nil || len(recs) != 1 {
		t.Errorf("%d records, %v", len(recs), err)
	}
}

// TestApprovalsOfTheFormerGroups: a directory in which the index of states is that of an earlier version, also one in which
// that version has worked again since, has all of its records in the lists.
func TestApprovalsOfTheFormerGroups(t *testing.T) {
	dir := t.TempDir()
	store, s := openBoth(t, dir)
	for id, state := range map[string]approval.State{"id1": approval.Pending, "id2": approval.Approved, "id3": approval.Rejected} {
		if err := s.Insert(t.Context(), pendingRecord(id, "t", "a"), []byte("abc"), wideCaps); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), id, func(r *approval.Record) approval.Effect {
			r.Approval.State, r.Approval.Sequence = state, 2
			r.Changes = append(r.Changes, approval.Change{State: state})
			return approval.Write
		}); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(states ...approval.State) (out string) {
		err := s.Scan(t.Context(), states, "", func(r approval.Record) bool { out += r.Approval.ID + " "; return true })
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, stale := range []bool{false, true} {
		err := store.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(formerStatesBucket)
			if err != nil {
				return err
			}
			if stale { // the earlier version has removed a record that the newer one had listed
				return errors.Join(b.Put([]byte("pid1"), []byte{1}), tx.Bucket(approvalGroupsBucket).Put([]byte("rid0"), nil))
			}
			return errors.Join(b.Put([]byte("pid1"), []byte{1}), b.Put([]byte("aid2"), []byte{1}), b.Put([]byte("rid3"), []byte{0}),
				tx.DeleteBucket(approvalGroupsBucket))
		})
		if err != nil {
			t.Fatal(err)
		}
		crash(t, store)
		store, s = openBoth(t, dir)
		for want, got := range map[string]string{
			"id3 id2 id1 ": ids(approval.States...), "id1 ": ids(approval.Pending), "id2 ": ids(approval.Approved),
			"id3 ": ids(approval.Rejected), "": ids(approval.Expired, approval.Cancelled),
		} {
			if got != want {
				t.Errorf("listed %q, want %q", got, want)
			}
		}
		if err := s.read(t.Context(), func(tx approvalsTx) error {
			if tx.bucket(formerStatesBucket) != nil {
				t.Error("the former index is still there")
			}
			return consistent(tx)
		}); err != nil {
			t.Error(err)
		}
	}
}

// TestApprovalsForgetWithoutAsks: changes that no ask follows, such as the uses of a grant, are bounded too.
func TestApprovalsForgetWithoutAsks(t *testing.T) {
	s := openApprovals(t, 20)
	if err := s.Insert(t.Context(), pendingRecord("id1", "t", "a"), []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		_ = s.db.View(func(tx *bbolt.Tx) error { n = tx.Bucket(approvalChangesBucket).Stats().KeyN; return nil })
		return n
	}
	most := 0
	for range 2 * (20 + overdue) {
		if err := s.Update(t.Context(), "id1", func(r *approval.Record) approval.Effect {
			r.Changes = append(r.Changes, approval.Change{State: approval.Pending})
			r.Approval.Sequence++
			return approval.Write
		}); err != nil {
			t.Fatal(err)
		}
		most = max(most, kept())
	}
	if most > 20+overdue {
		t.Errorf("%d changes were kept, at most %d", most, 20+overdue)
	}
	if err := s.Insert(t.Context(), pendingRecord("id2", "t", "a"), []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
	if n := kept(); n > 20 {
		t.Errorf("%d changes are kept after an ask, at most 20", n)
	}
}

func TestOpenApprovalsNeedsAWindow(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer s.Close()
	if _, err := s.OpenApprovals(0); err == nil {
		t.Fatal("a window of nothing was accepted")
	}
}
