package embedded

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func TestACommitThatTakesTooLongHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w commitWatch
		for _, under := range []bool{false, true, false, true} {
			w.stop()
			if under {
				w.start()
			}
			for _, slept := range []time.Duration{0, recordsTimeout, time.Nanosecond} {
				time.Sleep(slept)
				if got, want := w.hangs(recordsTimeout), under && slept == time.Nanosecond; got != want {
					t.Fatalf("a commit is under way: %v, after %s: hangs is %v", under, slept, got)
				}
			}
		}
	})
}

// The ledger's time may jump while a commit is under way. Only a commit that hangs stops reads.
func TestAJumpOfTheLedgersTimeIsNoHangingDisk(t *testing.T) {
	s, d := openStore(t, t.TempDir()), &dial{}
	var slow atomic.Bool
	committing, goOn := make(chan struct{}), make(chan struct{})
	r, err := s.openRecords(d.source(), func(tx *bbolt.Tx) error {
		if slow.Load() {
			committing <- struct{}{}
			<-goOn
		}
		return tx.Commit()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(r.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}()
	swapped(t, r, "a", "", "1")
	slow.Store(true)
	done := make(chan error)
	go func() {
		_, _, err := r.Swap(t.Context(), "t", "a", []byte("1"), []byte("2"), 1e12)
		done <- err
	}()
	<-committing
	d.pass(time.Hour)
	if err := r.Health(); err != nil {
		t.Errorf("the ledger's time has jumped: %v", err)
	}
	began := time.Now().Add(-recordsTimeout - time.Second)
	r.busy.began.Store(&began)
	if _, err := r.Records(t.Context(), "t"); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, errHangs) {
		t.Errorf("the commit hangs, and records are read: %v", err)
	}
	slow.Store(false)
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	// Whoever waited hears of the commit a moment before the watch does.
	deadline := time.Now().Add(10 * time.Second)
	for err := r.Health(); err != nil; err = r.Health() {
		if time.Now().After(deadline) {
			t.Fatalf("it hangs no more: %v", err)
		}
		runtime.Gosched()
	}
}
