package decisionlog

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// In block mode nobody is told that a line is written when it is not, and the log mends itself.
func TestThreat_E14_FailingDiskIsSeenAndRecovers(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		fail  func(*brokenDisk, bool)
		cause error
	}{
		"full":                     {Config{}, func(d *brokenDisk, on bool) { d.full.Store(on) }, syscall.ENOSPC},
		"full and truncate fails":  {Config{}, func(d *brokenDisk, on bool) { d.full.Store(on); d.noTrunc.Store(on) }, syscall.ENOSPC},
		"fsync fails":              {Config{Sync: true}, func(d *brokenDisk, on bool) { d.noSync.Store(on) }, syscall.EIO},
		"full and reopening fails": {Config{}, func(d *brokenDisk, on bool) { d.full.Store(on); d.noOpen.Store(on) }, syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Dir = t.TempDir()
			d := &brokenDisk{}
			l := mustOpen(t, c.cfg, d)
			mustAppend(t, l, "before")

			c.fail(d, true)
			err := l.Append(t.Context(), decisionEntry("lost1"))
			wantReason(t, err, WriteFailed)
			if !errors.Is(err, c.cause) {
				t.Errorf("cause is %v, want %v", err, c.cause)
			}
			wantReason(t, l.Append(t.Context(), decisionEntry("lost2")), WriteFailed)
			if h := l.Health(); h.Err == nil || h.Refused != 2 || h.Dropped != 0 || h.Written != 1 || h.LastError == "" {
				t.Errorf("health is %+v", h)
			}
			if info, _ := os.Stat(segmentPath(c.cfg.Dir, 1)); !d.noTrunc.Load() && info.Size() != l.Health().BytesOnDisk {
				t.Errorf("%d bytes on disk, %d are acknowledged", info.Size(), l.Health().BytesOnDisk)
			}

			c.fail(d, false)
			mustAppend(t, l, "after")
			if h := l.Health(); h.Err != nil || h.LastError == "" || h.Seq != 2 {
				t.Errorf("health after recovery is %+v", h)
			}
			mustClose(t, l)
			wantIDs(t, c.cfg.Dir, "before", "after")
		})
	}
}

func TestThreat_E14_OneFailureInTheMiddleOfManyCallers(t *testing.T) {
	dir := t.TempDir()
	d := &brokenDisk{}
	l := mustOpen(t, Config{Dir: dir, MaxFileBytes: 8 << 10}, d)
	acked := make(chan string, 2000)
	done := make(chan struct{})
	for w := range 8 {
		go func() {
			for _, id := range numbered(string(rune('a'+w)), 200) {
				if l.Append(context.Background(), decisionEntry(id)) == nil {
					acked <- id
				}
			}
			done <- struct{}{}
		}()
	}
	for i := range 8 {
		d.full.Store(i%2 == 0)
		<-done
	}
	close(acked)
	mustClose2(t, l, d)
	in := map[string]bool{}
	for _, id := range readIDs(t, dir) {
		in[id] = true
	}
	n := 0
	for id := range acked {
		if n++; !in[id] {
			t.Errorf("%s was acknowledged and is not in the log", id)
		}
	}
	if n != len(in) {
		t.Errorf("%d acknowledged, %d in the log", n, len(in))
	}
}

func mustClose2(t *testing.T, l *Log, d *brokenDisk) {
	t.Helper()
	d.full.Store(false)
	_ = l.Close(t.Context()) // may report the last failure
}

func TestThreat_E14_SpoolIsBoundedAndCatchesUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir, Mode: ModeSpool, SpoolEntries: 3}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(context.Background())
		d.full.Store(true)
		for _, id := range numbered("d", 3) {
			mustAppend(t, l, id)
			synctest.Wait()
		}
		wantReason(t, l.Append(t.Context(), decisionEntry("d3")), QueueFull)
		synctest.Wait()
		if h := l.Health(); h.Err == nil || h.Spooled != 3 || h.Dropped != 1 || h.Written != 0 {
			t.Errorf("health is %+v", h)
		}
		wantReason(t, l.AppendBlocking(t.Context(), decisionEntry("urgent")), QueueFull)

		d.full.Store(false)
		time.Sleep(retryEvery)
		synctest.Wait()
		if h := l.Health(); h.Err != nil || h.Spooled != 0 || h.Written != 3 {
			t.Errorf("health after recovery is %+v", h)
		}
	})
	wantIDs(t, dir, numbered("d", 3)...)
}

func TestThreat_E14_BlockingAppendIsToldWhileOthersAreSpooled(t *testing.T) {
	dir := t.TempDir()
	d := &brokenDisk{}
	l := mustOpen(t, Config{Dir: dir, Mode: ModeSpool}, d)
	d.full.Store(true)
	mustAppend(t, l, "spooled")
	wantReason(t, l.AppendBlocking(t.Context(), decisionEntry("high risk")), WriteFailed)
	d.full.Store(false)
	if err := l.AppendBlocking(t.Context(), decisionEntry("later")); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, dir, "spooled", "later")
}

func TestDropModeCountsWhatItLoses(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir, Mode: ModeDrop}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(context.Background())
		d.full.Store(true)
		mustAppend(t, l, "lost")
		synctest.Wait()
		d.full.Store(false)
		mustAppend(t, l, "kept")
		synctest.Wait()
		if h := l.Health(); h.Dropped != 1 || h.Written != 1 || h.Err != nil {
			t.Errorf("health is %+v", h)
		}
	})
	wantIDs(t, dir, "kept")
}

func TestDropModeWithFullQueueIsNoError(t *testing.T) {
	d := &brokenDisk{}
	l := mustOpen(t, Config{Dir: t.TempDir(), Mode: ModeDrop, SpoolEntries: 1}, d)
	gate := make(chan struct{})
	d.hang.Store(&gate)
	mustAppend(t, l, numbered("d", 20)...)
	if h := l.Health(); h.Dropped == 0 {
		t.Errorf("health is %+v", h)
	}
	d.hang.Store(nil)
	close(gate)
}

// A server that its failing log has taken out of service sees no line that would try the disk.
func TestRecoveryWithoutTraffic(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(context.Background())
		d.full.Store(true)
		wantReason(t, l.Append(t.Context(), decisionEntry("lost")), WriteFailed)
		time.Sleep(10 * retryEvery)
		synctest.Wait()
		if l.Health().Err == nil {
			t.Error("healthy on a full disk")
		}
		d.full.Store(false)
		time.Sleep(retryEvery)
		synctest.Wait()
		if err := l.Health().Err; err != nil {
			t.Errorf("still failing: %v", err)
		}
		if info, _ := os.Stat(segmentPath(dir, 1)); info.Size() != 0 {
			t.Errorf("the probe left %d bytes", info.Size())
		}
	})
}

// A background fsync that fails is not forgotten because the next write into the page cache works.
func TestFailedSyncStaysSeenUntilOneWorks(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close(context.Background())
		mustAppend(t, l, "d0")
		d.noSync.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if l.Health().Err == nil {
			t.Error("a failed fsync is not seen")
		}
		wantReason(t, l.Append(t.Context(), decisionEntry("d1")), WriteFailed)
		d.noSync.Store(false)
		mustAppend(t, l, "d2")
		if err := l.Health().Err; err != nil {
			t.Errorf("still failing: %v", err)
		}
	})
	wantIDs(t, dir, "d0", "d2")
}

func TestHangingDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDisk{}
		l, err := open(Config{Dir: dir}, time.Now, d)
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		d.hang.Store(&gate)
		go func() { _ = l.Append(context.Background(), decisionEntry("stuck")) }()
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err = l.Append(ctx, decisionEntry("given up"))
		wantReason(t, err, TimedOut)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		wantReason(t, l.Append(t.Context(), decisionEntry("timed out")), TimedOut)
		if time.Since(start) != 6*time.Second {
			t.Errorf("waited until %s, want the configured 5 s", time.Since(start))
		}
		if l.Health().Err == nil {
			t.Error("a disk that hangs is healthy")
		}
		closeCtx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantReason(t, l.Close(closeCtx), TimedOut)

		d.hang.Store(nil)
		close(gate)
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	// What its caller gave up is not written; what was being written may be.
	wantIDs(t, dir, "stuck")
}

func TestFileRemovedOrChangedUnderneathIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(path string) error
		left   []string
	}{
		"removed":   {os.Remove, []string{"d2", "d3"}},
		"cut":       {func(p string) error { return os.Truncate(p, 0) }, []string{"d2", "d3"}},
		"directory": {func(p string) error { return os.RemoveAll(p[:len(p)-len("/decisions-00000000000000000001.jsonl")]) }, []string{"d2", "d3"}},
		"added to": {func(p string) error {
			return appendTo(p, string(appendLine(nil, 2, testTime, []byte(`{"type":"decision"}`+"\n"))))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/decisions"
			l := mustOpen(t, Config{Dir: dir}, osDisk{})
			mustAppend(t, l, "d1")
			if err := c.damage(segmentPath(dir, 1)); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, "d2", "d3")
			if h := l.Health(); h.Damaged != 1 || h.LastError == "" || h.Seq != 3 {
				t.Errorf("health is %+v", h)
			}
			if c.left != nil {
				wantIDs(t, dir, c.left...)
			}
		})
	}
}

func appendTo(path, s string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s)
	return errors.Join(err, f.Close())
}
