package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// approve is what the queue does to a record when a yes comes in.
func approve(t *testing.T, s *Approvals, id string) {
	t.Helper()
	change(t, s, id, yes)
}

func change(t *testing.T, s *Approvals, id string, how func(*approval.Record)) {
	t.Helper()
	if err := s.Update(t.Context(), id, func(rec *approval.Record) approval.Effect { how(rec); return approval.Write }); err != nil {
		t.Fatal(err)
	}
}

func insertPending(t *testing.T, s *Approvals, id string) {
	t.Helper()
	if err := s.Insert(t.Context(), pendingRecord(id, "t", "a"), []byte("abc"), wideCaps); err != nil {
		t.Fatal(err)
	}
}

// crash leaves a directory as the end of the process does. Its files stay open, which is no matter to them.
func crash(t *testing.T, s *Store) {
	t.Helper()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// stateOf is what an approval is seen as.
func stateOf(t *testing.T, a *Approvals, id string) approval.State {
	t.Helper()
	rec, err := a.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Approval.State
}

// An agent waits while a yes is written: it is one sync, and the database is left alone. Everything else goes to the database.
func TestAYesIsSyncedOnce(t *testing.T) {
	s := openApprovals(t, 1000)
	syncs := 0
	s.journal.sync = func(f *os.File) error { syncs++; return datasync(f) }
	for _, c := range []struct {
		what    string
		do      func()
		journal bool
	}{
		{"an ask", func() { insertPending(t, s, "id1") }, false},
		{"one more who asks", func() { change(t, s, "id1", joins) }, true},
		{"a yes", func() { approve(t, s, "id1") }, true},
		{"a use", func() { change(t, s, "id1", isUsed) }, false},
		{"another ask", func() { insertPending(t, s, "id2") }, false},
		{"a no", func() { change(t, s, "id2", no) }, false},
		{"a third ask", func() { insertPending(t, s, "id3") }, false},
		{"an edit", func() { change(t, s, "id3", func(rec *approval.Record) { joins(rec); rec.Content = []byte("xyz") }) }, false},
		{"another time at which it is due", func() {
			change(t, s, "id3", func(rec *approval.Record) { joins(rec); rec.Due = approvalStart.AddDate(1, 0, 0) })
		}, false},
	} {
		syncs = 0
		before := s.db.Stats()
		c.do()
		now := s.db.Stats()
		delta := now.Sub(&before)
		if written := delta.TxStats.GetWrite() > 0; syncs > 1 || (syncs == 1) != c.journal || written == c.journal {
			t.Errorf("%s: %d syncs of the journal, written to the database: %v", c.what, syncs, written)
		}
	}
}

// What is held counts before what the database has, in records and in the feed, also after a crash.
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
		if n, err := a.Pending(t.Context(), "t"); err != nil || n != 1 {
			t.Errorf("%s: %d are counted as pending, %v", when, n, err)
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
		if err := a.read(t.Context(), consistent); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	look(a, "while it is held")
	if len(a.journal.held()) == 0 {
		t.Error("nothing was held")
	}
	crash(t, s)
	_, a = openBoth(t, dir)
	look(a, "after a crash")
	if len(a.journal.held()) > 0 {
		t.Error("something is held that the database has")
	}
}

// A store that is closed leaves all where a version looks that knows no journal.
func TestApprovalsAreAllInTheDatabaseAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	approve(t, a, "id1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, JournalName)); err != nil {
		t.Fatal(err)
	}
	_, a = openBoth(t, dir)
	if got := stateOf(t, a, "id1"); got != approval.Approved {
		t.Errorf("the approval is %q", got)
	}
	insertPending(t, a, "id2")
	if refs, err := a.Changes(t.Context(), 1, 10); err != nil || len(refs) != 2 || refs[1].Cursor != 3 {
		t.Errorf("the feed goes on with %v, %v", refs, err)
	}
}

// Where no asks come, a yes for which there is no room goes to the database, with all before; and the journal begins anew. One that
// is larger than the journal goes there, too.
func TestTheJournalBeginsAnewWithoutAsks(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	const n = 3 * journalSize / journalPage
	for i := range n {
		insertPending(t, a, fmt.Sprintf("id%03d", i))
	}
	most := 0
	for i := range n {
		change(t, a, fmt.Sprintf("id%03d", i), joins)
		how := yes
		if i%7 == 0 { // of some pages, so that what was there ends in the middle of what comes
			how = func(rec *approval.Record) { yes(rec); rec.Approval.Tool = strings.Repeat("pcj\x01", i*100) }
		}
		change(t, a, fmt.Sprintf("id%03d", i), how)
		most = max(most, len(a.journal.held()))
	}
	if most < 10 || most > journalSize/journalPage {
		t.Errorf("up to %d were held", most)
	}
	change(t, a, "id000", func(rec *approval.Record) { yes(rec); rec.Approval.Tool = strings.Repeat("x", journalSize) })
	if len(a.journal.held()) > 0 {
		t.Error("what is larger than the journal was held")
	}
	approve(t, a, "id001")
	approve(t, a, "id002")
	approve(t, a, "id001")
	crash(t, s)
	_, a = openBoth(t, dir)
	for i := range n {
		if got := stateOf(t, a, fmt.Sprintf("id%03d", i)); got != approval.Approved {
			t.Fatalf("approval %d is %q", i, got)
		}
	}
	if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
		t.Error(err)
	}
}

// Whatever is left of the journal after a crash, what is read of it is a begin of what was agreed to, and nothing else.
func TestADamagedJournalIsABegin(t *testing.T) {
	const n = 5
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	for i := range n {
		insertPending(t, a, fmt.Sprint("id", i))
	}
	for i := range n {
		approve(t, a, fmt.Sprint("id", i))
	}
	crash(t, s)
	whole, err := os.ReadFile(filepath.Join(dir, JournalName))
	if err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	with := func(edit func(raw []byte) []byte) []byte { return edit(bytes.Clone(whole)) }
	flip := func(at int) []byte { return with(func(raw []byte) []byte { raw[at] ^= 0x40; return raw }) }
	for name, c := range map[string]struct {
		journal []byte
		yeses   int
	}{
		"whole":                  {whole, n},
		"longer":                 {with(func(raw []byte) []byte { return append(raw, raw...) }), n},
		"empty":                  {nil, 0},
		"cut in a head":          {whole[:2*journalPage+20], 2},
		"cut in a record":        {whole[:2*journalPage+100], 2},
		"cut between two":        {whole[:3*journalPage], 3},
		"the magic of the first": {flip(0), 0},
		"a length":               {flip(journalPage + 4), 1},
		"a length by little":     {flip(journalPage + 7), 1},
		"a run":                  {flip(2*journalPage + 9), 2},
		"a number":               {flip(2*journalPage + 23), 2},
		"a cursor":               {flip(2*journalPage + 31), 2},
		"a checksum":             {flip(2*journalPage + 32), 2},
		"a record":               {flip(3*journalPage + journalHead + 30), 3},
		"another version": {with(func(raw []byte) []byte {
			raw[3]++
			body := raw[journalHead:][:binary.BigEndian.Uint32(raw[4:])]
			binary.BigEndian.PutUint32(raw[32:], checksum(raw, body))
			return raw
		}), 0},
		"the first page twice":      {with(func(raw []byte) []byte { copy(raw[journalPage:], raw[:journalPage]); return raw }), 1},
		"the second page was lost":  {with(func(raw []byte) []byte { return append(raw[:journalPage:journalPage], raw[2*journalPage:]...) }), 1},
		"the first pages were lost": {whole[journalPage:], 0}, // what came before them is not in the database
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, raw := range map[string][]byte{JournalName: c.journal, FileName: database} {
				if err := os.WriteFile(filepath.Join(dir, file), raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, a := openBoth(t, dir)
			got := 0
			for i := range n {
				if stateOf(t, a, fmt.Sprint("id", i)) == approval.Approved {
					got++
				}
			}
			if got != c.yeses {
				t.Errorf("%d were read, not %d", got, c.yeses)
			}
			insertPending(t, a, "next")
			approve(t, a, "next")
			if err := a.read(t.Context(), consistent); err != nil {
				t.Error(err)
			}
			crash(t, s)
			if _, a = openBoth(t, dir); stateOf(t, a, "next") != approval.Approved {
				t.Error("the journal was not good for another yes")
			}
		})
	}
}

// The file was lost. What it held is pending again, and the cursors that it had given out are not given out twice.
func TestALostJournal(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	insertPending(t, a, "id2")
	approve(t, a, "id1")
	approve(t, a, "id2") // cursor 4
	crash(t, s)
	if err := os.Remove(filepath.Join(dir, JournalName)); err != nil {
		t.Fatal(err)
	}
	_, a = openBoth(t, dir)
	for _, id := range []string{"id3", "id4", "id5"} {
		insertPending(t, a, id)
	}
	if got := stateOf(t, a, "id1"); got != approval.Pending {
		t.Errorf("it is %q", got)
	}
	for after := range uint64(5) {
		if err := drain(t, a, after); !errors.Is(err, approval.ErrCursor) {
			t.Errorf("whoever was at %d reads on: %v", after, err)
		}
	}
	_, newest, err := a.Snapshot(t.Context())
	if err := errors.Join(err, a.read(t.Context(), consistent), drain(t, a, newest)); err != nil {
		t.Error(err)
	}
}

// A journal that is not this database's says nothing: one of the two was put back.
func TestAJournalOfAnotherRunSaysNothing(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	approve(t, a, "id1")
	crash(t, s)
	journal, err := os.ReadFile(filepath.Join(dir, JournalName))
	if err != nil {
		t.Fatal(err)
	}
	s, a = openBoth(t, dir)
	change(t, a, "id1", no)
	insertPending(t, a, "id2")
	crash(t, s)
	if err := os.WriteFile(filepath.Join(dir, JournalName), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	_, a = openBoth(t, dir)
	if got := stateOf(t, a, "id1"); got != approval.Rejected {
		t.Errorf("it is %q", got)
	}
	if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
		t.Error(err)
	}
}

// The file is a folder or a device, or cannot be made: nothing is served, and the error says which file it is.
func TestAJournalThatCannotBeUsed(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := place(filepath.Join(dir, JournalName)); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, dir)
			defer s.Close()
			if _, err := s.OpenApprovals(10); err == nil || !strings.Contains(err.Error(), JournalName) {
				t.Errorf("it was opened: %v", err)
			}
		})
	}
}

// A yes that the journal does not take goes to the database, and what the file may have of it is not believed later.
func TestAYesThatCannotBeSynced(t *testing.T) {
	refuse := func(*os.File) error { return errors.New("no") } // what was written is in the file all the same
	for _, c := range []struct {
		name          string
		before, after bool // other yeses
		end           approval.State
	}{
		{"alone", false, false, approval.Approved},
		{"behind another", true, false, approval.Approved},
		{"before another", false, true, approval.Approved},
		{"between two", true, true, approval.Approved},
		{"and a no", true, false, approval.Rejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, a := openBoth(t, dir)
			want := map[string]approval.State{"id1": approval.Pending, "id2": c.end, "id3": approval.Pending}
			for id := range want {
				insertPending(t, a, id)
			}
			if c.before {
				approve(t, a, "id1")
				want["id1"] = approval.Approved
			}
			a.journal.sync = refuse
			approve(t, a, "id2")
			a.journal.sync = datasync
			if len(a.journal.held()) > 0 {
				t.Error("something is held after a transaction")
			}
			if c.after {
				approve(t, a, "id3")
				want["id3"] = approval.Approved
				if len(a.journal.held()) != 1 {
					t.Error("the journal is not used again")
				}
			}
			if c.end == approval.Rejected {
				change(t, a, "id2", no)
			}
			crash(t, s)
			_, a = openBoth(t, dir)
			for id, state := range want {
				if got := stateOf(t, a, id); got != state {
					t.Errorf("%s is %q, not %q", id, got, state)
				}
			}
			if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where the database fails, too, that yes is an error, and may count after a crash; one that comes later is not lost behind it.
func TestAYesAfterOneThatNothingTook(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	for _, id := range []string{"id1", "id2", "id3"} {
		insertPending(t, a, id)
	}
	approve(t, a, "id1")
	inTheWay := func(do func(*bbolt.Bucket) error) {
		t.Helper()
		if err := s.db.Update(func(tx *bbolt.Tx) error { return do(tx.Bucket(approvalChangesBucket)) }); err != nil {
			t.Fatal(err)
		}
	}
	inTheWay(func(b *bbolt.Bucket) error { _, err := b.CreateBucket(number(4)); return err }) // no transaction takes in a yes now
	a.journal.sync = func(*os.File) error { return errors.New("no") }
	err := a.Update(t.Context(), "id2", func(rec *approval.Record) approval.Effect { yes(rec); return approval.Write })
	if err == nil {
		t.Fatal("it was given")
	}
	inTheWay(func(b *bbolt.Bucket) error { return b.DeleteBucket(number(4)) })
	a.journal.sync = datasync
	approve(t, a, "id3")
	crash(t, s)
	_, a = openBoth(t, dir)
	if one, two, three := stateOf(t, a, "id1"), stateOf(t, a, "id2"), stateOf(t, a, "id3"); one != approval.Approved || two != approval.Pending || three != approval.Approved {
		t.Errorf("they are %q, %q, %q", one, two, three)
	}
}

// A yes that neither the journal nor the database takes is an error, and nobody sees it.
func TestAYesThatNothingTakes(t *testing.T) {
	s, a := openBoth(t, t.TempDir())
	insertPending(t, a, "id1")
	a.journal.sync = func(*os.File) error { return errors.Join(errors.New("no"), s.db.Close()) }
	err := a.Update(t.Context(), "id1", func(rec *approval.Record) approval.Effect { yes(rec); return approval.Write })
	if err == nil || len(a.journal.held()) > 0 {
		t.Errorf("%v, and %d are held", err, len(a.journal.held()))
	}
}

// Whoever reads while yeses are held, taken in and held again sees each as it was or later, never as it was before that.
func TestReadersNeverGoBack(t *testing.T) {
	s := openApprovals(t, 1000)
	insertPending(t, s, "id")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			seen, cursor := uint64(0), uint64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				rec, err := s.Load(t.Context(), "id")
				if err != nil || rec.Approval.Sequence < seen {
					t.Errorf("after change %d comes %d, %v", seen, rec.Approval.Sequence, err)
					return
				}
				seen = rec.Approval.Sequence
				refs, err := s.Changes(t.Context(), cursor, 5000)
				if err != nil {
					t.Errorf("after %d of the feed: %v", cursor, err)
					return
				}
				for _, ref := range refs {
					if cursor++; ref.Cursor != cursor {
						t.Errorf("change %d comes where %d should", ref.Cursor, cursor)
						return
					}
				}
			}
		})
	}
	for i := range 300 {
		change(t, s, "id", joins)
		if i%11 == 0 {
			insertPending(t, s, fmt.Sprint("other", i))
		}
	}
	close(done)
	readers.Wait()
	if rec, err := s.Load(t.Context(), "id"); err != nil || rec.Approval.Sequence != 301 {
		t.Errorf("it is at change %d, %v", rec.Approval.Sequence, err)
	}
}

// What the version before had kept apart from the records comes to its place.
func TestWhatWasRecentIsAdopted(t *testing.T) {
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	insertPending(t, a, "id1")
	insertPending(t, a, "id2")
	approve(t, a, "id1")
	insertPending(t, a, "id3") // takes it in
	err := s.db.Update(func(tx *bbolt.Tx) error {
		recent, err := tx.CreateBucket(formerRecentBucket)
		if err != nil {
			return err
		}
		records, changes := tx.Bucket(approvalsBucket), tx.Bucket(approvalChangesBucket)
		return errors.Join(
			recent.Put([]byte("rid1"), bytes.Clone(records.Get([]byte("id1")))),
			records.Put([]byte("id1"), []byte("{}")),
			recent.Put(append([]byte("c"), number(4)...), bytes.Clone(changes.Get(number(4)))),
			changes.Delete(number(4)), recent.SetSequence(4), changes.SetSequence(3),
			recent.Put([]byte("r"), nil), recent.Put([]byte("x1"), nil),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	crash(t, s)
	s, a = openBoth(t, dir)
	if got := stateOf(t, a, "id1"); got != approval.Approved {
		t.Errorf("it is %q", got)
	}
	if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
		t.Error(err)
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(formerRecentBucket) != nil {
			t.Error("the former bucket is still there")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a record was read as is remembered, and what callers append to it is theirs.
func TestARememberedRecordIsNobodys(t *testing.T) {
	s := openApprovals(t, 1000)
	insertPending(t, s, "id1")
	for range 2 {
		approve(t, s, "id1")
	}
	check := func(where string) {
		t.Helper()
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
			t.Errorf("%s: a caller's own change became %q", where, got)
		}
		if got := votes[len(votes)-1].Subject; got != "mine" {
			t.Errorf("%s: a caller's own vote became %q", where, got)
		}
		if third, err := s.Load(t.Context(), "id1"); err != nil || len(third.Changes) != 3 || third.Approval.State != approval.Approved {
			t.Errorf("%s: the record became %+v, %v", where, third, err)
		}
	}
	check("while it is held")
	insertPending(t, s, "id2") // takes it in
	check("in the database")
}
