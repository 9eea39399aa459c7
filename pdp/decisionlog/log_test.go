package decisionlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLineFormat(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir}, osDisk{})
	mustAppend(t, l, "d1")
	mustClose(t, l)

	raw, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"v":1,"seq":1,"time":"2026-03-01T12:00:00Z","type":"decision","decision":{"decision_id":"d1","caller":{"subject":"gw","roles":["gateway"],"credential_id":"c1"},` +
		`"principal":{"tenant":"default","agent":"a1","session":"s1"},"action":{"kind":"tool_call","tool":"send_email","digest":"pc1:00","arguments_bytes":0,"content_bytes":0,` +
		`"estimate":{"cost_micro_usd":0,"tokens":0}},"effect":"deny","reasons":[{"code":"TOOL_NOT_ALLOWED","rule":"tools.allowlist","severity":"high"}],"bundle_revision":"r1","duration_micros":0}}` + "\n"
	if string(raw) != want {
		t.Errorf("line is\n%swant\n%s", raw, want)
	}
	for path, mode := range map[string]os.FileMode{segmentPath(dir, 1): 0o600} {
		if info, _ := os.Stat(path); info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), mode)
		}
	}
}

func TestReaderIgnoresFieldsItDoesNotKnow(t *testing.T) {
	line := strings.Replace(string(appendLine(nil, 7, testTime, mustEncode(t, decisionEntry("d7")))), `"type"`, `"prev":"abc","type"`, 1)
	e, err := decode([]byte(strings.TrimSpace(line)))
	if err != nil || e.Seq != 7 || e.Decision.DecisionID != "d7" {
		t.Fatalf("got %+v, %v", e, err)
	}
}

func TestReaderRefusesLaterVersion(t *testing.T) {
	if _, err := decode([]byte(`{"v":2,"seq":1,"type":"decision"}`)); err == nil {
		t.Fatal("a line of version 2 was read as version 1")
	}
}

func mustEncode(t *testing.T, e Entry) []byte {
	t.Helper()
	b, err := encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendRefusesMalformedEntries(t *testing.T) {
	l := mustOpen(t, Config{Dir: t.TempDir()}, osDisk{})
	d := decisionEntry("d").Decision
	withInput := func(s string) Entry {
		c := *d
		c.Input = json.RawMessage(s)
		return Entry{Type: TypeDecision, Decision: &c}
	}
	long := *d
	long.Degraded = []string{strings.Repeat("x", maxLineBytes)}
	for name, c := range map[string]struct {
		e    Entry
		want FailureReason
	}{
		"no type":         {Entry{Decision: d}, Invalid},
		"unknown type":    {Entry{Type: "note", Decision: d}, Invalid},
		"empty":           {Entry{Type: TypeDecision}, Invalid},
		"wrong body":      {Entry{Type: TypeDecision, Verdict: &Verdict{}}, Invalid},
		"two bodies":      {Entry{Type: TypeDecision, Decision: d, Verdict: &Verdict{}}, Invalid},
		"not JSON":        {withInput(`{"action":`), Invalid},
		"not an object":   {withInput(`[]`), Invalid},
		"too long":        {Entry{Type: TypeDecision, Decision: &long}, TooLarge},
		"arguments":       {withInput(`{"action":{"arguments":{"to":"bob"}}}`), Invalid},
		"Arguments":       {withInput(`{"action":{"Arguments":{"to":"bob"}}}`), Invalid},
		"arguments text":  {withInput(`{"action":{"arguments_json":"{}"}}`), Invalid},
		"content":         {withInput(`{"action":{"content":"hello"}}`), Invalid},
		"request":         {withInput(`{"action":{"http":{"url":"https://a.example/"}}}`), Invalid},
		"views":           {withInput(`{"views":[{"text":"hello"}]}`), Invalid},
		"views as object": {withInput(`{"views":{"raw":"hello"}}`), Invalid},
	} {
		t.Run(name, func(t *testing.T) { wantReason(t, l.Append(t.Context(), c.e), c.want) })
	}
	t.Run("masked input is taken", func(t *testing.T) {
		if err := l.Append(t.Context(), withInput(`{"action":{"tool":"x","arguments":{},"content":null,"arguments_bytes":3}}`)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestInputThatIsTooLongIsLeftOut(t *testing.T) {
	e := decisionEntry("d1")
	e.Decision.Input = json.RawMessage(`{"action":{"tool":"` + strings.Repeat("x", maxLineBytes) + `"}}`)
	got, err := decode(bytes.TrimSpace(appendLine(nil, 1, testTime, mustEncode(t, e))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Decision.Input != nil || !got.Decision.InputOmitted {
		t.Errorf("input of %d bytes kept, omitted %v", len(got.Decision.Input), got.Decision.InputOmitted)
	}
	if e.Decision.InputOmitted {
		t.Error("the caller's entry was changed")
	}
}

// No value that stands in an argument can get into the directory by way of the entry's types.
func TestThreat_E16_NoArgumentValueInFilesOrErrors(t *testing.T) {
	const canary = "canary-7f3a"
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir}, osDisk{})
	var errs []string
	for _, input := range []string{
		`{"action":{"arguments":{"body":"` + canary + `"}}}`, `{"action":{"content":"` + canary + `"}}`,
		`{"views":["` + canary + `"]}`, `{"action":"` + canary + `"}`, `{"action":{` + canary,
	} {
		e := decisionEntry("d")
		e.Decision.Input = json.RawMessage(input)
		err := l.Append(t.Context(), e)
		wantReason(t, err, Invalid)
		errs = append(errs, err.Error(), l.Health().LastError)
	}
	mustClose(t, l)
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			raw, _ := os.ReadFile(path)
			errs = append(errs, string(raw))
		}
		return err
	})
	if at := slices.IndexFunc(errs, func(s string) bool { return strings.Contains(s, canary) }); at >= 0 {
		t.Errorf("the value stands in %q", errs[at])
	}
}

func TestConcurrentAppendsAreGaplessAndAcknowledgedInFull(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", sync), func(t *testing.T) {
			dir := t.TempDir()
			d := &brokenDisk{}
			l := mustOpen(t, Config{Dir: dir, Sync: sync, MaxFileBytes: 16 << 10, MaxTotalBytes: 1 << 30}, d)
			const workers, each = 32, 20
			appendAll(t, l, workers, each)
			got := readIDs(t, dir)
			if len(got) != workers*each || l.Health().Written != workers*each {
				t.Errorf("%d lines read, %d counted, want %d", len(got), l.Health().Written, workers*each)
			}
			if n := d.syncs.Load(); sync && n >= workers*each {
				t.Errorf("%d fsyncs for %d lines: waiting lines do not share them", n, workers*each)
			}
		})
	}
}

func appendAll(t *testing.T, l *Log, workers, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := l.Append(t.Context(), decisionEntry(fmt.Sprintf("w%d-%d", w, i))); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRotationKeepsOrderAndSize(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir, MaxFileBytes: 4 << 10}, osDisk{})
	ids := numbered("d", 50)
	mustAppend(t, l, ids...)
	h := l.Health()
	mustClose(t, l)
	wantIDs(t, dir, ids...)

	segs, _ := segments(dir)
	if len(segs) < 4 || h.Files != len(segs) {
		t.Fatalf("%d files, health says %d, want several", len(segs), h.Files)
	}
	var total int64
	for _, s := range segs {
		if total += s.size; s.size > 4<<10 {
			t.Errorf("%s has %d bytes", s.path, s.size)
		}
	}
	if h.BytesOnDisk != total {
		t.Errorf("health says %d bytes, the files have %d", h.BytesOnDisk, total)
	}
}

func TestOldFilesGoAndAreCounted(t *testing.T) {
	for name, cfg := range map[string]Config{
		"by number": {MaxFileBytes: 4 << 10, MaxFiles: 3},
		"by bytes":  {MaxFileBytes: 4 << 10, MaxTotalBytes: 12 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Dir = t.TempDir()
			l := mustOpen(t, cfg, osDisk{})
			mustAppend(t, l, numbered("d", 60)...)
			h := l.Health()
			mustClose(t, l)
			segs, _ := segments(cfg.Dir)
			if len(segs) > 4 || h.PrunedFiles == 0 || h.BytesOnDisk > 16<<10 {
				t.Errorf("%d files, %d pruned, %d bytes", len(segs), h.PrunedFiles, h.BytesOnDisk)
			}
			l = mustOpen(t, cfg, osDisk{})
			mustAppend(t, l, "after")
			if seq := l.Health().Seq; seq != 61 {
				t.Errorf("line is number %d, want 61", seq)
			}
		})
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir}, osDisk{})
	_, err := Open(Config{Dir: dir}, fixedClock)
	wantReason(t, err, InUse)
	mustClose(t, l)
	mustOpen(t, Config{Dir: dir}, osDisk{})
}

func TestAppendAfterCloseIsRefused(t *testing.T) {
	for _, mode := range []Mode{ModeBlock, ModeSpool, ModeDrop} {
		l := mustOpen(t, Config{Dir: t.TempDir(), Mode: mode}, osDisk{})
		mustClose(t, l)
		wantReason(t, l.Append(t.Context(), decisionEntry("d")), Closed)
	}
}

func TestCloseWritesWhatIsSpooled(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir, Mode: ModeSpool}, osDisk{})
	ids := numbered("d", 200)
	mustAppend(t, l, ids...)
	mustClose(t, l)
	wantIDs(t, dir, ids...)
}

func TestWrittenLinesAreSyncedEveryInterval(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir, SyncEvery: time.Minute}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(context.Background())
		if err := l.Append(t.Context(), decisionEntry("d")); err != nil || d.syncs.Load() != 0 {
			t.Fatalf("append: %v, %d fsyncs", err, d.syncs.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := d.syncs.Load(); n != 1 {
			t.Errorf("%d fsyncs after the interval, want 1", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := d.syncs.Load(); n != 1 {
			t.Errorf("%d fsyncs of an idle log, want 1", n)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig("d").Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for field, c := range map[string]Config{
		"dir": {}, "max_file_bytes": {Dir: "d", MaxFileBytes: 1}, "max_files": {Dir: "d", MaxFiles: 1}, "max_total_bytes": {Dir: "d", MaxTotalBytes: 1},
		"mode": {Dir: "d", Mode: "best_effort"}, "spool_entries": {Dir: "d", SpoolEntries: -1}, "spool_bytes": {Dir: "d", SpoolBytes: 1},
		"sync_every": {Dir: "d", SyncEvery: -1}, "append_timeout": {Dir: "d", AppendTimeout: -1},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: error is %v", field, err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, mode := range []Mode{ModeBlock, ModeSpool} {
		b.Run(string(mode), func(b *testing.B) {
			l, err := Open(Config{Dir: b.TempDir(), Mode: mode, SpoolEntries: 1 << 20, SpoolBytes: 1 << 30}, fixedClock)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close(context.Background())
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := l.Append(b.Context(), decisionEntry("d")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
