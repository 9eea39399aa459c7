package embedded

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// TestCountersConformance runs the contract of ledgers against the database of a single process.
func TestCountersConformance(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T, b ledgertest.Bounds) ledgertest.Harness {
		t.Helper()
		s := openStore(t, t.TempDir())
		source := ledger.System()
		elapsed := source.Elapsed
		var ahead atomic.Int64
		source.Elapsed = func() time.Duration { return elapsed() + time.Duration(ahead.Load()) }
		c, err := s.OpenCounters(CountersConfig{
			MaxCells: 1_000_000, MaxCellsPerTenant: b.PerTenant, MaxCellsPerOwner: b.PerOwner, MaxReservationsPerOwner: b.ReservationsPerOwner,
		}, source)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.OpenRecords(source)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(c.Close(), r.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		})
		return ledgertest.Harness{Ledger: c, Records: r, Advance: func(d time.Duration) { ahead.Add(int64(d)) }}
	})
}
