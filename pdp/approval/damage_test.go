package approval_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// damage overwrites records in the store's file, and leaves that closed.
func (w *world) damage(ids ...string) {
	w.t.Helper()
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(w.dir, embedded.FileName), 0o600, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, id := range ids {
			if err := tx.Bucket([]byte("approvals")).Put([]byte(id), []byte("{")); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// damagedWorld has n asks, some of which cannot be read, and begins with them.
func damagedWorld(t *testing.T, n int, damaged ...int) (*world, []string) {
	t.Helper()
	w := newWorld(t, approval.Config{MaxPendingPerAgent: 1000, MaxKept: 1})
	var ids, broken []string
	for range n {
		ids = append(ids, w.ask().ID)
	}
	for _, i := range damaged {
		broken = append(broken, ids[i])
	}
	w.damage(broken...)
	var err error
	if w.db, err = embedded.Open(w.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	if w.store, err = w.db.OpenApprovals(approval.ReplayWindow); err != nil {
		t.Fatal(err)
	}
	if w.Queue, err = approval.New(w.cfg, w.store, w.keys, w.clock.now); err != nil {
		t.Fatal(err)
	}
	return w, ids
}

// TestADamagedRecordStopsNoSweep: what has run out is expired, however many records beside it cannot be read; the
// error names some of these, and how many they are.
func TestADamagedRecordStopsNoSweep(t *testing.T) {
	var broken []int
	for i := range 200 { // more than a batch, and the first to be due
		broken = append(broken, i)
	}
	w, ids := damagedWorld(t, 203, broken...)
	w.clock.move(300 * time.Second)
	err := w.Sweep(t.Context())
	wantErr(t, err, &approval.Error{Reason: "STATE_UNAVAILABLE"})
	if !strings.Contains(err.Error(), "200 cannot be read") || !strings.Contains(err.Error(), ids[0]) {
		t.Errorf("it says %v", err)
	}
	page, _, err := w.store.Due(t.Context(), w.clock.now(), 1000)
	if err != nil || len(page) != 200 {
		t.Errorf("%d are still due, %v; want the 200 that cannot be read", len(page), err)
	}
	for _, id := range ids[200:] {
		w.wantState(id, approval.Expired)
	}
}

// TestADamagedRecordStopsNoKillSwitch: everything else is withdrawn, and what is not is named.
func TestADamagedRecordStopsNoKillSwitch(t *testing.T) {
	for name, cancel := range map[string]func(*world) (int, error){
		"a scope": func(w *world) (int, error) {
			return w.CancelWhere(w.t.Context(), approval.Scope{Tenant: "acme"}, "stop")
		},
		"everything": func(w *world) (int, error) { return w.CancelAll(w.t.Context(), "stop") },
	} {
		t.Run(name, func(t *testing.T) {
			w, ids := damagedWorld(t, 5, 2)
			n, err := cancel(w)
			if n != 4 || err == nil || !strings.Contains(err.Error(), ids[2]) {
				t.Errorf("withdrew %d, %v; want 4 and an error that names %s", n, err, ids[2])
			}
			for i, id := range ids {
				if i != 2 {
					w.wantState(id, approval.Cancelled)
				}
			}
		})
	}
}

// TestADamagedRecordHidesNothingElse: lists and streams leave it out, and whoever asks for it by its id is told.
func TestADamagedRecordHidesNothingElse(t *testing.T) {
	w, ids := damagedWorld(t, 3, 1)
	page, _, err := w.List(t.Context(), approval.Filter{Tenant: "acme"}, 0, "")
	if err != nil || len(page) != 2 || page[0].ID != ids[2] || page[1].ID != ids[0] {
		t.Errorf("listed %d, %v; want the two that can be read", len(page), err)
	}
	_, err = w.Get(t.Context(), ids[1])
	wantErr(t, err, &approval.Error{Reason: "STATE_UNAVAILABLE"})

	for _, cursor := range []uint64{0, 1} { // the list and what comes then; the changes since the first
		events, err := w.WatchAll(t.Context(), approval.Filter{Tenant: "acme"}, cursor, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint64][]string{0: {ids[0], ids[2]}, 1: {ids[2]}}[cursor]
		for e, err := range events {
			if err != nil || e.Approval.ID != want[0] {
				t.Fatalf("after cursor %d comes %s, %v; want %s", cursor, e.Approval.ID, err, want[0])
			}
			if want = want[1:]; len(want) == 0 {
				break
			}
		}
	}
}

// TestADamagedRecordEndsNoGrant of the same agent.
func TestADamagedRecordEndsNoGrant(t *testing.T) {
	w, _ := damagedWorld(t, 2, 0)
	a := w.ask(func(a *approval.Ask) { a.Grantable = approval.Grantable{Uses: 5, For: time.Hour} })
	if _, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve, Terms: &approval.Terms{Uses: 3}}); err != nil {
		t.Fatal(err)
	}
	grants, err := w.Granted(t.Context(), redemption())
	if err != nil || len(grants) != 1 || grants[0].ID != a.ID {
		t.Errorf("%d grants cover it, %v", len(grants), err)
	}
}
