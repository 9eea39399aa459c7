package embedded

import (
	"errors"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// These are about a directory that an earlier version, which knows no journal, goes on with after this one has crashed.

// formerly changes a record as an earlier version does: in the database, whatever the journal says. nil removes it.
func formerly(t *testing.T, db *bbolt.DB, id string, change func(*approval.Record)) {
	t.Helper()
	err := db.Update(func(tx *bbolt.Tx) error {
		at := approvalsTx{tx: tx, decoded: &decoded{}}
		before, err := at.load([]byte(id))
		if err != nil || change == nil {
			return errors.Join(err, at.replace(&before, nil))
		}
		after := before
		change(&after)
		return at.replace(&before, &after)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func step(state approval.State, use approval.Use) func(*approval.Record) {
	return func(rec *approval.Record) {
		rec.Approval.State, rec.Approval.Use = state, use
		at := approvalStart.In(time.FixedZone("", 90*60)) // what is read of it is another value each time
		rec.Changes = append(rec.Changes, approval.Change{At: at, State: state, Use: use})
		rec.Approval.Sequence++
	}
}

var (
	joins  = step(approval.Pending, "")
	yes    = step(approval.Approved, approval.Unused)
	no     = step(approval.Rejected, "")
	isUsed = step(approval.Approved, approval.Redeemed)
	// usesGrant is one of several uses.
	usesGrant = func(rec *approval.Record) {
		step(approval.Approved, approval.Unused)(rec)
		rec.Approval.RedeemedBy = "d1"
		rec.Approval.Grant = &approval.Grant{Terms: approval.Terms{Uses: 3}, Used: 1}
	}
)

// crashed makes three asks, changes the first one time after the other, and crashes.
func crashed(t *testing.T, dir string, changes ...func(*approval.Record)) {
	t.Helper()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	insertPending(t, a, "id2")
	insertPending(t, a, "id3") // a count that falls below zero would stop the earlier version
	for _, change := range changes {
		if err := a.Update(t.Context(), "id1", func(rec *approval.Record) approval.Effect { change(rec); return approval.Write }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// What has ended, and each use, is where an earlier version looks: it can use nothing again, and nobody says yes to what was refused.
func TestApprovalsEndWhereEveryVersionLooks(t *testing.T) {
	for name, changes := range map[string][]func(*approval.Record){
		"a no": {joins, no}, "a use": {yes, isUsed}, "a use of a grant": {yes, usesGrant},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			crashed(t, dir, changes...)
			s := openStore(t, dir)
			t.Cleanup(func() { _ = s.Close() })
			err := s.db.View(func(tx *bbolt.Tx) error {
				rec, err := decode([]byte("id1"), tx.Bucket(approvalsBucket).Get([]byte("id1")))
				if rec.Approval.Sequence != uint64(1+len(changes)) {
					t.Errorf("an earlier version sees change %d", rec.Approval.Sequence)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What the earlier version has ended stays ended, and so does what had ended before.
func TestApprovalsThatAnotherVersionHasOvertaken(t *testing.T) {
	type steps = []func(*approval.Record)
	for _, c := range []struct {
		name      string
		ours, its steps
		want      approval.State
		live      bool
	}{
		{"nothing", steps{yes}, nil, approval.Approved, true},
		{"a no after our yes", steps{yes}, steps{no}, approval.Rejected, false},
		{"a no after much of ours", steps{joins, joins, yes}, steps{no}, approval.Rejected, false},
		{"a use after our yes", steps{yes}, steps{yes, isUsed}, approval.Approved, false},
		{"a yes after our yes", steps{yes}, steps{yes}, approval.Approved, true},
		{"its removal", steps{joins, yes}, steps{nil}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			crashed(t, dir, c.ours...)
			s := openStore(t, dir)
			for _, change := range c.its {
				formerly(t, s.db, "id1", change)
			}
			if err := s.db.Close(); err != nil {
				t.Fatal(err)
			}
			_, a := openBoth(t, dir)
			rec, err := a.Load(t.Context(), "id1")
			if rec.Approval.State != c.want || rec.Approval.Live() != c.live || (err == nil) != (c.want != "") {
				t.Errorf("it is %s %s, %v", rec.Approval.State, rec.Approval.Use, err)
			}
		})
	}
}

// Whoever opens and closes the store without a look at approvals, as a start that fails does, moves nothing over what another
// version has done.
func TestApprovalsThatNobodyOpensStayAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	crashed(t, dir, yes)
	s := openStore(t, dir)
	formerly(t, s.db, "id1", no)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, a := openBoth(t, dir)
	if rec, err := a.Load(t.Context(), "id1"); err != nil || rec.Approval.State != approval.Rejected {
		t.Errorf("it is %s, %v", rec.Approval.State, err)
	}
}

// Both versions have given out the same cursors. Whoever watches lists anew, rather than miss a change or see one twice; and
// counts and indexes are what the records say.
func TestApprovalsFeedAfterAnotherVersion(t *testing.T) {
	for name, changed := range map[string]map[string]func(*approval.Record){
		"of fewer changes": {"id1": no}, "of as many": {"id1": no, "id2": no}, "of another approval": {"id2": no}, "that only removed": {"id1": nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			crashed(t, dir, joins, yes)
			s := openStore(t, dir)
			for id, change := range changed {
				formerly(t, s.db, id, change)
			}
			if err := s.db.Close(); err != nil {
				t.Fatal(err)
			}
			_, a := openBoth(t, dir)
			_, newest, err := a.Snapshot(t.Context())
			if err != nil || newest <= 5 {
				t.Fatalf("the list is of cursor %d, %v: 5 was given out twice", newest, err)
			}
			check := func(when string) {
				t.Helper()
				for after := range uint64(6) { // what was given out
					if err := drain(t, a, after); !errors.Is(err, approval.ErrCursor) {
						t.Errorf("%s: whoever was at %d reads on to the end: %v", when, after, err)
					}
				}
				if err := drain(t, a, newest); err != nil {
					t.Errorf("%s: whoever has listed: %v", when, err)
				}
				if err := a.read(t.Context(), consistent); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
			check("at first")
			insertPending(t, a, "id4")
			check("after the next ask")
			approve(t, a, "id4")
			check("after the next yes")
		})
	}
}

// Who is second waits for the journal to be taken in, and is told the same.
func TestAStoreIsClosedTwice(t *testing.T) {
	s := openStore(t, t.TempDir())
	if _, err := s.OpenApprovals(1000); err != nil {
		t.Fatal(err)
	}
	var closing sync.WaitGroup
	for range 8 {
		closing.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
}
