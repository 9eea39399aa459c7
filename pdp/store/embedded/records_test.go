package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// dial is a clock that a test turns: real time passes, and the wall clock may be set.
type dial struct{ real, wall atomic.Int64 }

func (d *dial) source() ledger.Source {
	from := d.real.Load()
	return ledger.Source{
		Wall:    func() time.Time { return time.Unix(1_800_000_000, d.real.Load()+d.wall.Load()) },
		Elapsed: func() time.Duration { return time.Duration(d.real.Load() - from) },
		Boot:    func() (string, time.Duration) { return "", 0 },
	}
}

func (d *dial) pass(by time.Duration) { d.real.Add(int64(by)) }

func openRecords(t *testing.T, dir string, d *dial) (*Records, func()) {
	t.Helper()
	s := openStore(t, dir)
	r, err := s.OpenRecords(d.source())
	if err != nil {
		t.Fatal(err)
	}
	return r, func() {
		t.Helper()
		if err := errors.Join(r.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// swapped swaps and wants it to succeed.
func swapped(t *testing.T, r *Records, key, old, to string) {
	t.Helper()
	current, ok, err := r.Swap(t.Context(), "t", key, bytesOf(old), bytesOf(to), 1e6)
	if err != nil || !ok || string(current) != to {
		t.Fatalf("swap %s from %q to %q: %q, %v, %v", key, old, to, current, ok, err)
	}
}

// bytesOf is nil for "".
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func wantRecords(t *testing.T, r *Records, want map[string]string) {
	t.Helper()
	got, err := r.Records(t.Context(), "t")
	if err != nil || len(got) != len(want) {
		t.Fatalf("records %q, %v; want %q", got, err, want)
	}
	for key, value := range want {
		if string(got[key]) != value {
			t.Fatalf("%s is %q, want %q", key, got[key], value)
		}
	}
}

func TestRecordsSwapOnlyWhatTheyAre(t *testing.T) {
	r, shut := openRecords(t, t.TempDir(), &dial{})
	defer shut()
	swapped(t, r, "a", "", "1")
	swapped(t, r, "b", "", "2")
	for name, tc := range map[string]struct{ key, old, current string }{
		"there is one": {"a", "", "1"}, "another": {"a", "2", "1"}, "there is none": {"c", "1", ""},
	} {
		current, ok, err := r.Swap(t.Context(), "t", tc.key, bytesOf(tc.old), []byte("x"), 1e6)
		if err != nil || ok || string(current) != tc.current || (current == nil) != (tc.current == "") {
			t.Errorf("%s: %q, %v, %v", name, current, ok, err)
		}
	}
	swapped(t, r, "a", "1", "3")
	swapped(t, r, "b", "2", "")
	swapped(t, r, "c", "", "")
	wantRecords(t, r, map[string]string{"a": "3"})
	if got, err := r.Records(t.Context(), "other"); err != nil || len(got) != 0 {
		t.Fatalf("another tenant has %q, %v", got, err)
	}
	for name, err := range map[string]error{
		"no key":     second(r.Swap(t.Context(), "t", "", nil, []byte("x"), 1)),
		"a long key": second(r.Swap(t.Context(), "t", string(make([]byte, 8193)), nil, []byte("x"), 1)),
		"too much":   second(r.Swap(t.Context(), "t", "k", nil, make([]byte, 16<<10+1), 1)),
		"no time":    second(r.Swap(t.Context(), "t", "k", nil, []byte("x"), -1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ []byte, _ bool, err error) error { return err }

// What Records returned before is not changed by what comes after.
func TestRecordsAreASnapshot(t *testing.T) {
	r, shut := openRecords(t, t.TempDir(), &dial{})
	defer shut()
	swapped(t, r, "a", "", "1")
	before, err := r.Records(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	swapped(t, r, "a", "1", "2")
	swapped(t, r, "b", "", "3")
	if len(before) != 1 || string(before["a"]) != "1" {
		t.Fatalf("it became %q", before)
	}
	wantRecords(t, r, map[string]string{"a": "2", "b": "3"})
}

func TestRecordsOfManySwapsAtOnceOneWins(t *testing.T) {
	r, shut := openRecords(t, t.TempDir(), &dial{})
	defer shut()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			_, ok, err := r.Swap(t.Context(), "t", fmt.Sprint("k", i%2), nil, []byte(fmt.Sprint(i)), 1e6)
			if err != nil {
				t.Error(err)
			} else if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 2 {
		t.Fatalf("%d won two records", won.Load())
	}
}

// What a swap has promised is in the file, whatever becomes of the process.
func TestRecordsOutliveAKill(t *testing.T) {
	dir, left, d := t.TempDir(), t.TempDir(), &dial{}
	r, shut := openRecords(t, dir, d)
	defer shut()
	for i := range 20 {
		swapped(t, r, fmt.Sprint(i), "", "x")
		swapped(t, r, fmt.Sprint(i), "x", "y")
	}
	swapped(t, r, "0", "y", "")
	killed(t, dir, left)
	again, shutAgain := openRecords(t, left, d)
	defer shutAgain()
	want := map[string]string{}
	for i := range 19 {
		want[fmt.Sprint(i+1)] = "y"
	}
	wantRecords(t, again, want)
}

// killed copies what a kill would leave: the file while the process is alive, and nothing was flushed.
func killed(t *testing.T, dir, left string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err == nil {
		err = os.WriteFile(filepath.Join(left, FileName), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAreForgottenInTime(t *testing.T) {
	dir, d := t.TempDir(), &dial{}
	r, shut := openRecords(t, dir, d)
	swapped(t, r, "a", "", "1") // for a second
	if _, ok, err := r.Swap(t.Context(), "t", "b", nil, []byte("2"), 60e6); err != nil || !ok {
		t.Fatal(ok, err)
	}
	d.pass(999 * time.Millisecond)
	wantRecords(t, r, map[string]string{"a": "1", "b": "2"})
	d.pass(time.Millisecond)
	wantRecords(t, r, map[string]string{"b": "2"})
	if current, ok, err := r.Swap(t.Context(), "t", "a", []byte("1"), []byte("3"), 1e6); err != nil || ok || current != nil {
		t.Fatalf("it was forgotten: %q, %v, %v", current, ok, err)
	}
	swapped(t, r, "a", "", "3")
	d.pass(2 * time.Second)
	r.carryOut(r.over()) // the goroutine rests, for the test waits for none of its own
	if n := r.kept(t); n != 1 {
		t.Fatalf("%d are on the disk, want one", n)
	}
	shut()
	r, shut = openRecords(t, dir, d)
	defer shut()
	wantRecords(t, r, map[string]string{"b": "2"})
}

func (r *Records) kept(t *testing.T) (n int) {
	t.Helper()
	if err := r.db.View(func(tx *bbolt.Tx) error { n = tx.Bucket(recordsBucket).Stats().KeyN; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// The time goes on from one process to the next, also where the wall clock was set back meanwhile.
func TestThreat_E9_RecordsAndAClockThatIsSetBack(t *testing.T) {
	dir, left, d := t.TempDir(), t.TempDir(), &dial{}
	r, shut := openRecords(t, dir, d)
	d.pass(time.Hour)
	swapped(t, r, "a", "", "1")
	before, _, _ := r.Now()
	killed(t, dir, left)
	shut()
	d.wall.Store(-2 * int64(time.Hour))
	r, shut = openRecords(t, left, d)
	defer shut()
	if after, latest, known := r.Now(); after < before || after != latest || !known {
		t.Fatalf("it was %d, and is %d to %d", before, after, latest)
	}
	d.pass(time.Second)
	wantRecords(t, r, nil)
}

// After a commit that failed nobody knows what is on the disk: nothing is read until it is known again.
func TestRecordsOfADiskThatFails(t *testing.T) {
	errDisk := errors.New("disk full")
	for name, tc := range map[string]struct {
		commit func(*bbolt.Tx) error
		want   string // when it works again
	}{
		"nothing written": {func(*bbolt.Tx) error { return errDisk }, "1"},
		"written all the same": {func(tx *bbolt.Tx) error {
			return errors.Join(tx.Commit(), errDisk)
		}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			s := openStore(t, t.TempDir())
			r, err := s.openRecords((&dial{}).source(), func(tx *bbolt.Tx) error {
				if broken.Load() {
					return tc.commit(tx)
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
			broken.Store(true)
			if _, _, err := r.Swap(t.Context(), "t", "a", []byte("1"), []byte("2"), 60e6); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, errDisk) {
				t.Fatalf("got %v", err)
			}
			if _, err := r.Records(t.Context(), "t"); !errors.Is(err, ledger.ErrUnavailable) {
				t.Fatalf("read all the same: %v", err)
			}
			if r.Health() == nil {
				t.Fatal("healthy")
			}
			broken.Store(false)
			swapped(t, r, "b", "", "3")
			wantRecords(t, r, map[string]string{"a": tc.want, "b": "3"})
		})
	}
}

func TestRecordsAfterClose(t *testing.T) {
	r, shut := openRecords(t, t.TempDir(), &dial{})
	shut()
	if _, err := r.Records(t.Context(), "t"); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("records: %v", err)
	}
	if _, _, err := r.Swap(t.Context(), "t", "k", nil, []byte("x"), 1); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("swap: %v", err)
	}
}

func TestRecordsHeedTheirContext(t *testing.T) {
	r, shut := openRecords(t, t.TempDir(), &dial{})
	defer shut()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Records(ctx, "t"); !errors.Is(err, context.Canceled) {
		t.Errorf("records: %v", err)
	}
	if _, _, err := r.Swap(ctx, "t", "k", nil, []byte("x"), 1); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("swap: %v", err)
	}
}

func TestRecordsThatCannotBeReadStopTheStart(t *testing.T) {
	dir := t.TempDir()
	r, shut := openRecords(t, dir, &dial{})
	swapped(t, r, "a", "", "1")
	shut()
	s := openStore(t, dir)
	defer s.Close()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(recordsBucket).Put(joinKey("t", []byte("b")), []byte("no record"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenRecords(ledger.System()); err == nil {
		t.Fatal("opened")
	}
}
