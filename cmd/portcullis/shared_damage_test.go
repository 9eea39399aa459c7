package main

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
)

// TestADamagedApprovalStopsNoMoveToRedis: it can't be withdrawn, and nobody can use it. The others are withdrawn.
func TestADamagedApprovalStopsNoMoveToRedis(t *testing.T) {
	dir := t.TempDir()
	keys, err := seal.LoadOrCreate(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	open := func() (*embedded.Store, *approval.Queue) {
		store, err := embedded.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		own, err := store.OpenApprovals(approval.ReplayWindow)
		if err != nil {
			t.Fatal(err)
		}
		q, err := approval.New(approval.Config{}, own, keys, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return store, q
	}
	store, q := open()
	var ids []string
	for range 2 {
		a, err := q.Create(t.Context(), approval.Ask{Tenant: "acme", Agent: "a", RequestedBy: "g", Digest: "d", BundleRevision: "r", DecisionID: "i"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, embedded.FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("approvals")).Put([]byte(ids[0]), []byte("{")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}

	store, err = embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	ledger, err := redis.Open(redis.Config{URL: "redis://127.0.0.1:1", Memory: memory, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledger.Close() })
	p := &program{log: quiet, shared: ledger}
	if err := p.openApprovals(store, places{keys: keys}); err != nil {
		t.Errorf("it does not begin: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store, q = open()
	t.Cleanup(func() { _ = store.Close() })
	if a, err := q.Get(t.Context(), ids[1]); err != nil || a.State != approval.Cancelled {
		t.Errorf("the other is %s, %v", a.State, err)
	}
}
