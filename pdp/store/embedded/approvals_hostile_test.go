package embedded

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// A row that the disk has damaged stops no ask, no verdict and no close; the feed says that something is missing.
func TestDamagedRowsStopNothing(t *testing.T) {
	type rows = map[string]string
	sound := string(number(2)) + "id1"
	feed, due, journal := string(approvalChangesBucket), string(approvalDueBucket), string(approvalJournalBucket)
	for name, c := range map[string]struct {
		bucket  string
		rows    rows
		missing bool
	}{
		"a change with half a cursor":          {feed, rows{"\x00": sound, "\xff": sound}, false},
		"a change that says nothing":           {feed, rows{string(number(2)): ""}, true},
		"something due with half of its time":  {due, rows{"\x00\x00": ""}, false},
		"a run that is none":                   {journal, rows{string(journalRun): "\x00"}, false},
		"something due with no id, or another": {due, rows{string(number(1)): "", string(number(1)) + "id9": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, a := openBoth(t, dir)
			insertPending(t, a, "id1")
			insertPending(t, a, "id2")
			approve(t, a, "id1")
			err := s.db.Update(func(tx *bbolt.Tx) error {
				for k, v := range c.rows {
					if err := tx.Bucket([]byte(c.bucket)).Put([]byte(k), []byte(v)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, when := range []string{"at once", "after the next ask", "after a restart"} {
				err := drain(t, a, 1)
				if missing := errors.Is(err, approval.ErrCursor); missing != c.missing || err != nil && !missing {
					t.Errorf("%s: the feed says %v", when, err)
				}
				if err := drain(t, a, 3); err != nil {
					t.Errorf("%s: the feed after the gap: %v", when, err)
				}
				if _, _, err := a.Due(t.Context(), time.Now(), 10); err != nil {
					t.Errorf("%s: what is due: %v", when, err)
				}
				if _, _, err := a.Snapshot(t.Context()); err != nil {
					t.Errorf("%s: what is pending: %v", when, err)
				}
				insertPending(t, a, "ask "+when)
				approve(t, a, "ask "+when)
				if err := s.Close(); err != nil {
					t.Errorf("%s: close: %v", when, err)
				}
				s, a = openBoth(t, dir)
			}
			t.Cleanup(func() { _ = s.Close() })
		})
	}
}

// A row that holds another approval's record is no record of this one.
func TestARecordOfAnotherIsUnreadable(t *testing.T) {
	s := openApprovals(t, 1000)
	insertPending(t, s, "id1")
	insertPending(t, s, "id2")
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(approvalsBucket)
		return b.Put([]byte("id2"), b.Get([]byte("id1")))
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Load(t.Context(), "id2")
	if _, damaged := errors.AsType[*approval.Unreadable](err); !damaged {
		t.Errorf("it is read: %v", err)
	}
}

// The index is made anew around a record that cannot be read; the sweeper, which says what is wrong with it, looks at it at once.
func TestADamagedRecordStopsNoIndex(t *testing.T) {
	dir := t.TempDir()
	store, s := openBoth(t, dir)
	insertPending(t, s, "id1")
	insertPending(t, s, "id2")
	err := store.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(formerStatesBucket)
		return errors.Join(err, tx.Bucket(approvalsBucket).Put([]byte("id2"), []byte("{")))
	})
	if err != nil {
		t.Fatal(err)
	}
	crash(t, store)
	_, s = openBoth(t, dir)
	if recs, _, err := s.Snapshot(t.Context()); err != nil || len(recs) != 1 {
		t.Errorf("%d are pending, %v", len(recs), err)
	}
	if due, next, err := s.Due(t.Context(), approvalStart.Add(-time.Hour), 10); err != nil || len(due) != 1 || due[0] != "id2" || !next.Equal(approvalStart) {
		t.Errorf("due are %v, then at %s, %v", due, next, err)
	}
}

// drain reads all changes after a cursor; each has the next cursor, is in its record, and comes once.
func drain(t *testing.T, a *Approvals, after uint64) error {
	t.Helper()
	last := map[string]uint64{}
	for {
		refs, err := a.Changes(t.Context(), after, 2)
		if err != nil || len(refs) == 0 {
			return err
		}
		for _, ref := range refs {
			if after++; ref.Cursor != after {
				t.Errorf("change %d comes where %d should", ref.Cursor, after)
			}
			if ref.Sequence <= last[ref.ID] {
				t.Errorf("change %d is number %d of %s, after number %d", ref.Cursor, ref.Sequence, ref.ID, last[ref.ID])
			}
			last[ref.ID] = ref.Sequence
			if rec, err := a.Load(t.Context(), ref.ID); err == nil && rec.Approval.Sequence < ref.Sequence {
				t.Errorf("change %d is number %d of %s, which has %d", ref.Cursor, ref.Sequence, ref.ID, rec.Approval.Sequence)
			}
		}
	}
}
