package embedded_test

import (
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

func remember(t *testing.T, dir string) (*embedded.Store, *embedded.Memory) {
	t.Helper()
	store, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	return store, memory
}

func shut(t *testing.T, store *embedded.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestThreat_E12_TheSharedLedgerIsRemembered over restarts, the latest epoch of each tenant, until it is given up.
func TestThreat_E12_TheSharedLedgerIsRemembered(t *testing.T) {
	dir := t.TempDir()
	known := func(m *embedded.Memory, tenant string, want int64) {
		t.Helper()
		if got, err := m.Known(tenant); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", tenant, got, err, want)
		}
	}
	store, memory := remember(t, dir)
	if shared, err := memory.Shared(); err != nil || shared {
		t.Errorf("a new directory: %v %v", shared, err)
	}
	for _, told := range []struct {
		tenant string
		epoch  int64
	}{{"acme", 7}, {"acme", 9}, {"acme", 8}, {"acme2", 3}, {"", 5}} {
		if err := memory.Remember(told.tenant, told.epoch); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, store)

	store, memory = remember(t, dir)
	known(memory, "acme", 9) // never an earlier one
	known(memory, "acme2", 3)
	known(memory, "", 5)
	known(memory, "acm", 0)
	if shared, err := memory.Shared(); err != nil || !shared {
		t.Errorf("it was shared: %v %v", shared, err)
	}
	if err := memory.Forget(); err != nil {
		t.Fatal(err)
	}
	known(memory, "acme", 0)
	shut(t, store)

	store, memory = remember(t, dir)
	if shared, err := memory.Shared(); err != nil || shared {
		t.Errorf("it was given up: %v %v", shared, err)
	}
	shut(t, store)
}

// TestThreat_E12_MovingToASharedLedgerForgetsNothing: what was spent before is not in it.
func TestThreat_E12_MovingToASharedLedgerForgetsNothing(t *testing.T) {
	store, memory := remember(t, t.TempDir())
	defer shut(t, store)
	counters, err := store.OpenCounters(embedded.CountersConfig{}, ledger.System())
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := counters.Do(t.Context(), &ledger.Batch{
		Tenant: "acme", Holder: "h", Seq: 1,
		Lines: []ledger.Line{{Key: []byte("k"), Owner: "a", Period: ledger.SlidingOver(3600), Want: 1, Max: 10, Class: ledger.Hard}},
	})
	if err != nil || !receipt.Lines[0].Charged {
		t.Fatalf("%v %v", receipt, err)
	}
	if err := counters.Close(); err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]int64{"acme": 1, "other": 0, "acm": 0} {
		if got, err := memory.Known(tenant); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", tenant, got, err, want)
		}
	}
	if err := memory.Remember("acme", time.Now().UnixMicro()); err != nil {
		t.Fatal(err)
	}
	if got, _ := memory.Known("acme"); got < 2 {
		t.Errorf("known after it was told: %d", got)
	}
}

func TestAMemoryThatMakesNoSense(t *testing.T) {
	dir := t.TempDir()
	store, memory := remember(t, dir)
	if err := memory.Remember("acme", 7); err != nil {
		t.Fatal(err)
	}
	shut(t, store)
	db, err := bbolt.Open(dir+"/"+embedded.FileName, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("shared.epochs"))
		k, _ := b.Cursor().First()
		return b.Put(k, []byte("x"))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	store, memory = remember(t, dir)
	defer shut(t, store)
	if got, err := memory.Known("acme"); err == nil {
		t.Errorf("it was read as %d", got)
	}
	if err := memory.Remember("acme", 8); err != nil { // told anew, it is well again
		t.Error(err)
	}
}
