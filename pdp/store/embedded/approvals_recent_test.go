package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// approve is what the queue does to a record when a yes comes in.
func approve(t *testing.T, s *Approvals, id string) {
	t.Helper()
	err := s.Update(t.Context(), id, func(rec *approval.Record) approval.Effect {
		rec.Approval.State = approval.Approved
		rec.Changes = append(rec.Changes, approval.Change{State: approval.Approved})
		rec.Approval.Sequence++
		return approval.Write
	})
	if err != nil {
		t.Fatal(err)
	}
}

func insertPending(t *testing.T, s *Approvals, id string) {
	t.Helper()
	if err := s.Insert(t.Context(), pendingRecord(id, "t", "a"), []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
}

// An agent waits while a yes is written: it touches the small bucket, the root (a leaf or two under a branch) and the list of
// free pages, however many approvals there are.
func TestAYesWritesFewPages(t *testing.T) {
	s := openApprovals(t, 1000)
	for i := range 2000 {
		insertPending(t, s, fmt.Sprintf("id%06d", i))
	}
	for i := range 50 {
		insertPending(t, s, fmt.Sprintf("ie%06d", i))
		before := s.db.Stats()
		approve(t, s, fmt.Sprintf("id%06d", 31*i))
		now := s.db.Stats()
		delta := now.Sub(&before)
		if n := delta.TxStats.GetWrite(); n > 6 {
			t.Fatalf("yes %d made %d writes", i, n)
		}
	}
}

// What is recent counts before what it will replace, in records and in the feed, also after a crash, which settles nothing.
func TestApprovalsAreReadWhereTheyAre(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	insertPending(t, a, "id2")
	approve(t, a, "id1")
	look := func(a *Approvals, when string) {
		t.Helper()
		rec, err := a.Load(t.Context(), "id1")
		if err != nil || rec.Approval.State != approval.Approved {
			t.Errorf("%s: the approval is %q, %v", when, rec.Approval.State, err)
		}
		if recs, cursor, err := a.Snapshot(t.Context()); err != nil || len(recs) != 1 || cursor != 3 {
			t.Errorf("%s: %d are pending at cursor %d, %v", when, len(recs), cursor, err)
		}
		refs, err := a.Changes(t.Context(), 1, 10)
		if err != nil || len(refs) != 2 || refs[1] != (approval.ChangeRef{Cursor: 3, ID: "id1", Sequence: 2}) {
			t.Errorf("%s: the feed is %v, %v", when, refs, err)
		}
		if refs, err := a.Changes(t.Context(), 0, 2); err != nil || len(refs) != 2 || refs[1].Cursor != 2 {
			t.Errorf("%s: the first two of the feed are %v, %v", when, refs, err)
		}
		if _, err := a.Changes(t.Context(), 4, 1); err == nil {
			t.Errorf("%s: a cursor of the future is good", when)
		}
	}
	look(a, "before it is settled")

	if err := s.db.Close(); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if n := recentRows(t, s.db); n == 0 {
		t.Fatal("nothing was recent when it crashed")
	}
	a, err := s.OpenApprovals(1000)
	if err != nil {
		t.Fatal(err)
	}
	look(a, "after a crash")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A store that is closed leaves all where a version looks that knows nothing recent.
func TestApprovalsAreSettledAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	approve(t, a, "id1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if last := tx.Bucket(approvalChangesBucket).Sequence(); last != 2 {
			t.Errorf("the newest cursor is %d", last)
		}
		return tx.DeleteBucket(approvalRecentBucket)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	_, a = openBoth(t, dir)
	if rec, err := a.Load(t.Context(), "id1"); err != nil || rec.Approval.State != approval.Approved {
		t.Errorf("the approval is %q, %v", rec.Approval.State, err)
	}
	insertPending(t, a, "id2")
	if refs, err := a.Changes(t.Context(), 1, 10); err != nil || len(refs) != 2 || refs[1].Cursor != 3 {
		t.Errorf("the feed goes on with %v, %v", refs, err)
	}
}

// Where no asks come, verdicts settle what they have written; and what is removed is gone from both places.
func TestApprovalsStaySettledWithoutAsks(t *testing.T) {
	s := openApprovals(t, 1000)
	for i := range 40 {
		insertPending(t, s, fmt.Sprintf("id%02d", i))
	}
	for i := range 38 {
		approve(t, s, fmt.Sprintf("id%02d", i))
		if n := recentRows(t, s.db); n > mostRecent {
			t.Fatalf("%d rows are recent", n)
		}
	}
	id := "id37"
	if recentRows(t, s.db) == 0 {
		t.Fatal("nothing is recent: the next check would not see both places")
	}
	if err := s.Update(t.Context(), id, func(*approval.Record) approval.Effect { return approval.Remove }); err != nil {
		t.Fatal(err)
	}
	insertPending(t, s, "id99")                                         // settles
	if _, err := s.Load(t.Context(), id); err != approval.ErrNotFound { //nolint:errorlint // the very value
		t.Fatalf("what was removed: %v", err)
	}
	if err := s.db.View(func(tx *bbolt.Tx) error { return consistent(s.on(tx)) }); err != nil {
		t.Fatal(err)
	}
}

func recentRows(t *testing.T, db *bbolt.DB) int {
	t.Helper()
	n := 0
	err := db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(approvalRecentBucket).Stats().KeyN
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What a record was read as is remembered, and what callers append to it is theirs.
func TestARememberedRecordIsNobodys(t *testing.T) {
	s := openApprovals(t, 1000)
	insertPending(t, s, "id1")
	for range 2 {
		approve(t, s, "id1")
	}
	first, err := s.Load(t.Context(), "id1")
	if err != nil {
		t.Fatal(err)
	}
	mine := append(first.Changes, approval.Change{State: approval.Expired})
	votes := append(first.Approval.Votes, approval.Vote{Subject: "mine"})
	second, err := s.Load(t.Context(), "id1")
	if err != nil {
		t.Fatal(err)
	}
	_ = append(second.Changes, approval.Change{State: approval.Cancelled})
	_ = append(second.Approval.Votes, approval.Vote{Subject: "another's"})
	if got := mine[len(mine)-1].State; got != approval.Expired {
		t.Errorf("a caller's own change became %q", got)
	}
	if got := votes[len(votes)-1].Subject; got != "mine" {
		t.Errorf("a caller's own vote became %q", got)
	}
	if third, err := s.Load(t.Context(), "id1"); err != nil || len(third.Changes) != 3 || third.Approval.State != approval.Approved {
		t.Errorf("the record became %+v, %v", third, err)
	}
}
