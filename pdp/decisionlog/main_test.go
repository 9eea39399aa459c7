package decisionlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		childMain(dir)
	}
	goleak.VerifyTestMain(m)
}

// brokenDisk is a disk that can be filled up, or made to refuse fsync or opening, and mended again.
type brokenDisk struct {
	full    atomic.Bool  // writes put half of their bytes down and fail
	noSync  atomic.Bool  // fsync fails
	noOpen  atomic.Bool  // opening fails
	noTrunc atomic.Bool  // truncating fails
	syncs   atomic.Int64 // fsyncs that worked
	hang    atomic.Pointer[chan struct{}]
	writes  atomic.Int64
}

func (d *brokenDisk) Open(path string, flag int, perm fs.FileMode) (file, error) {
	if d.noOpen.Load() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EIO}
	}
	f, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &brokenFile{f, d}, nil
}

type brokenFile struct {
	*os.File
	d *brokenDisk
}

func (f *brokenFile) Write(b []byte) (int, error) {
	if gate := f.d.hang.Load(); gate != nil {
		<-*gate
	}
	f.d.writes.Add(1)
	if f.d.full.Load() {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return f.File.Write(b)
}

func (f *brokenFile) Sync() error {
	if f.d.noSync.Load() {
		return syscall.EIO
	}
	f.d.syncs.Add(1)
	return f.File.Sync()
}

func (f *brokenFile) Truncate(n int64) error {
	if f.d.noTrunc.Load() {
		return syscall.EIO
	}
	return f.File.Truncate(n)
}

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixedClock() time.Time { return testTime }

func decisionEntry(id string) Entry {
	return Entry{Type: TypeDecision, Decision: &Decision{
		DecisionID: id,
		Caller:     Caller{Subject: "gw", Roles: []string{"gateway"}, CredentialID: "c1"},
		Principal:  Principal{Tenant: "default", Agent: "a1", Session: "s1"},
		Action:     Action{Kind: "tool_call", Tool: "send_email", Digest: "pc1:00"},
		Effect:     "deny", BundleRevision: "r1",
		Reasons: []Reason{{Code: "TOOL_NOT_ALLOWED", Rule: "tools.allowlist", Severity: "high"}},
	}}
}

func mustOpen(t *testing.T, cfg Config, d disk) *Log {
	t.Helper()
	l, err := open(cfg, fixedClock, d)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func mustAppend(t *testing.T, l *Log, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := l.Append(t.Context(), decisionEntry(id)); err != nil {
			t.Fatalf("append %s: %v", id, err)
		}
	}
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// readIDs returns the decision ids in the log, and demands what every log must be: readable and without gaps.
func readIDs(t *testing.T, dir string) []string {
	t.Helper()
	var ids []string
	var last uint64
	for e, err := range Query(dir, Filter{}) {
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		if last != 0 && e.Seq != last+1 {
			t.Fatalf("line %d follows line %d", e.Seq, last)
		}
		last = e.Seq
		ids = append(ids, factsOf(e).decisionID)
	}
	return ids
}

func wantIDs(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := readIDs(t, dir); !slices.Equal(got, want) {
		t.Fatalf("log holds %v, want %v", got, want)
	}
}

func wantReason(t *testing.T, err error, want FailureReason) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != want {
		t.Fatalf("error is %v, want reason %s", err, want)
	}
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return ids
}
