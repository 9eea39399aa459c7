package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// These are about what may stand beside the journal, and who has it open.

// The database is put back to an earlier moment of the run, and the journal is left where it is: it says nothing of what was used or
// withdrawn since.
func TestAnOlderDatabaseBringsBackNoYes(t *testing.T) {
	for name, end := range map[string]func(*approval.Record){"used": isUsed, "withdrawn": step(approval.Approved, approval.Revoked)} {
		for _, stopped := range []string{"by a crash", "by a close", "after a restart"} {
			t.Run(name+", "+stopped, func(t *testing.T) {
				dir := t.TempDir()
				s, a := openBoth(t, dir)
				insertPending(t, a, "id1")
				older, err := os.ReadFile(filepath.Join(dir, FileName))
				if err != nil {
					t.Fatal(err)
				}
				approve(t, a, "id1")
				if stopped == "after a restart" { // which takes it in, and sees what ends it
					crash(t, s)
					s, a = openBoth(t, dir)
				}
				change(t, a, "id1", end)
				if stopped == "by a close" {
					err = s.Close()
				} else {
					crash(t, s)
				}
				if err = errors.Join(err, os.WriteFile(filepath.Join(dir, FileName), older, 0o600)); err != nil {
					t.Fatal(err)
				}
				_, a = openBoth(t, dir)
				if got := stateOf(t, a, "id1"); got != approval.Pending {
					t.Errorf("it is %q", got)
				}
			})
		}
	}
}

// A store that is closed while yeses come in has all that were given in the database.
func TestAStoreIsClosedWhileYesesComeIn(t *testing.T) {
	for range 40 {
		dir := t.TempDir()
		s, a := openBoth(t, dir)
		insertPending(t, a, "id1")
		given := 0
		begun := make(chan struct{})
		var voter sync.WaitGroup
		voter.Go(func() {
			for a.Update(t.Context(), "id1", func(rec *approval.Record) approval.Effect { joins(rec); return approval.Write }) == nil {
				if given++; given == 3 {
					close(begun)
				}
			}
		})
		<-begun
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		voter.Wait()
		if err := os.Remove(filepath.Join(dir, JournalName)); err != nil {
			t.Fatal(err)
		}
		s, a = openBoth(t, dir)
		if rec, err := a.Load(t.Context(), "id1"); err != nil || rec.Approval.Sequence != uint64(1+given) {
			t.Fatalf("%d were given, the record is at change %d, %v", given, rec.Approval.Sequence, err)
		}
		_ = s.Close()
	}
}

// Two that write the one journal would write over each other.
func TestApprovalsAreOpenedOnce(t *testing.T) {
	s, _ := openBoth(t, t.TempDir())
	if _, err := s.OpenApprovals(10); err == nil {
		t.Error("they were opened twice")
	}
}

// A count that the disk has damaged stops neither what comes after a yes that was given, nor the next start.
func TestADamagedCountHoldsBackNoYes(t *testing.T) {
	for _, taken := range []string{"at the next ask", "at the next start"} {
		t.Run(taken, func(t *testing.T) {
			dir := t.TempDir()
			s, a := openBoth(t, dir)
			insertPending(t, a, "id1")
			insertPending(t, a, "id2")
			approve(t, a, "id1")
			approve(t, a, "id2")
			err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(approvalCountsBucket).Put(pendingScope, number(0)) })
			if err != nil {
				t.Fatal(err)
			}
			if taken == "at the next start" {
				crash(t, s)
				_, a = openBoth(t, dir)
			}
			insertPending(t, a, "id3")
			for _, id := range []string{"id1", "id2"} {
				if got := stateOf(t, a, id); got != approval.Approved {
					t.Errorf("%s is %q", id, got)
				}
			}
			if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
				t.Error(err)
			}
		})
	}
}

// An entry changes nothing but what a yes changes, whatever it says and although its history goes on from that of the record.
func TestAnEntryIsNoMoreThanAYes(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(rec *approval.Record)
		want approval.State
	}{
		"as it was given":       {func(*approval.Record) {}, approval.Approved},
		"of another tenant":     {func(rec *approval.Record) { rec.Approval.Tenant = "other" }, approval.Pending},
		"of another agent":      {func(rec *approval.Record) { rec.Approval.Agent = "other" }, approval.Pending},
		"of another session":    {func(rec *approval.Record) { rec.Approval.Session = "other" }, approval.Pending},
		"for another action":    {func(rec *approval.Record) { rec.Approval.Digest = "other" }, approval.Pending},
		"for longer":            {func(rec *approval.Record) { rec.Due = rec.Due.AddDate(1, 0, 0) }, approval.Pending},
		"a no":                  {no, approval.Pending},
		"a use":                 {usesGrant, approval.Pending},
		"too long for an index": {func(rec *approval.Record) { rec.Approval.Tenant = strings.Repeat("t", 40000) }, approval.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, a := openBoth(t, dir)
			insertPending(t, a, "id1")
			before, err := a.Load(t.Context(), "id1")
			if err != nil {
				t.Fatal(err)
			}
			after := before
			yes(&after)
			c.edit(&after)
			if !a.journal.append(&before, &after, 2) {
				t.Fatal("it was not written")
			}
			crash(t, s)
			_, a = openBoth(t, dir)
			rec, err := a.Load(t.Context(), "id1")
			if err != nil || rec.Approval.State != c.want || rec.Approval.Tenant != "t" {
				t.Errorf("it is %q of %q, %v", rec.Approval.State, rec.Approval.Tenant, err)
			}
			if err := a.read(t.Context(), consistent); err != nil {
				t.Error(err)
			}
		})
	}
}
