package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKVSeesItsOwnWritesAndKeepsThem(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	kv, err := s.OpenKV("things")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				key := fmt.Sprintf("%d/%d", w, i)
				if err := kv.Put(key, []byte(key)); err != nil {
					t.Error(err)
				}
				if got, err := kv.Get(key); err != nil || string(got) != key {
					t.Errorf("read own write %s: %q, %v", key, got, err)
				}
			}
		})
	}
	wg.Wait()
	if err := kv.Put("0/0", nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(kv.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir)
	defer s.Close()
	kv, err = s.OpenKV("things")
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	if got, _ := kv.Get("7/199"); !bytes.Equal(got, []byte("7/199")) {
		t.Fatalf("after reopening: %q", got)
	}
	if got, _ := kv.Get("0/0"); got != nil {
		t.Fatalf("deleted record came back: %q", got)
	}
}

func TestKVSweepDeletesWhatIsOver(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer s.Close()
	kv, err := s.OpenKV("things")
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	for _, k := range []string{"old1", "old2", "new"} {
		if err := kv.Put(k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := kv.flush(); err != nil {
		t.Fatal(err)
	}
	if err := kv.Put("old3", []byte("old3")); err != nil { // not on disk yet: stays
		t.Fatal(err)
	}
	n, err := kv.Space("").Sweep(10, func(_ string, v []byte) bool { return bytes.HasPrefix(v, []byte("old")) })
	if err != nil || n != 2 {
		t.Fatalf("swept %d, %v; want 2", n, err)
	}
	if got, _ := kv.Get("old1"); got != nil {
		t.Fatal("swept record is still there")
	}
	if got, _ := kv.Get("new"); got == nil {
		t.Fatal("live record was swept")
	}
}

func TestSpacesAreApart(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer s.Close()
	kv, err := s.OpenKV("things")
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	a, b := kv.Space("a/"), kv.Space("b/")
	for _, err := range []error{a.Put("k", []byte("1")), b.Put("k", []byte("2")), kv.flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	if err := a.Range(func(k string, v []byte) bool { seen = append(seen, k+"="+string(v)); return true }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0] != "k=1" {
		t.Fatalf("space a holds %v", seen)
	}
	if n, err := a.Sweep(10, func(string, []byte) bool { return true }); err != nil || n != 1 {
		t.Fatalf("swept %d, %v", n, err)
	}
	if got, _ := b.Get("k"); string(got) != "2" {
		t.Fatalf("sweeping a changed b: %q", got)
	}
}

func TestKVFailureIsSeenAndLosesNothing(t *testing.T) {
	s := openStore(t, t.TempDir())
	kv, err := s.OpenKV("things")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // every commit fails from here on
		t.Fatal(err)
	}
	if err := kv.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := kv.flush(); err == nil && kv.Health() == nil {
		t.Fatal("the failed commit was not reported")
	}
	if got, err := kv.Get("k"); err != nil || string(got) != "v" {
		t.Fatalf("the record was lost from memory: %q, %v", got, err)
	}
	if err := kv.Close(); err == nil {
		t.Fatal("Close hid that a record was not written")
	}
}

func TestOpenRefusesADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	defer s.Close()
	if _, err := Open(dir); !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
}

func TestOpenNamesADirectoryThatIsMissing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Fatal("opened a database in a directory that is not there")
	}
}
