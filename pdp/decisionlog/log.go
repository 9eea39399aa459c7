package decisionlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Log is the one writer of a directory. It exists because lines need one count and one end of file: many
// goroutines call Append, Health and Close at once, one goroutine of its own writes. Nothing invalidates it but
// Close; a disk that fails and comes back does not.
type Log struct {
	cfg  Config
	now  func() time.Time
	lock *os.File
	q    queue
	w    writer

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	// busySince is when the write under way began, 0 if there is none: a disk that hangs returns no error.
	busySince atomic.Int64

	mu     sync.Mutex
	health Health
}

// Health is what the log says about itself. The counts begin with the process.
type Health struct {
	// Err is what is wrong now, nil if the last write worked.
	Err error
	// LastError is the text of the last thing that went wrong, and LastErrorAt when, also after it was mended.
	LastError   string
	LastErrorAt time.Time
	// Written lines are in the log.
	Written uint64
	// Dropped lines are lost: nobody was in time to write them and their mode allows it.
	Dropped uint64
	// Refused lines are not in the log either, but their callers were told.
	Refused uint64
	// Spooled lines wait in memory at this moment.
	Spooled uint64
	// Seq is the number of the last line written, also by an earlier process.
	Seq uint64
	// Files and BytesOnDisk are what the log occupies; PrunedFiles is how many old files were removed for space.
	Files       int
	BytesOnDisk int64
	PrunedFiles uint64
	// TornBytes is what Open found after the last whole line, and set aside.
	TornBytes int64
	// Damaged counts how often the file being written was removed or changed by somebody else.
	Damaged uint64
}

// Open takes a directory, mends the end of its newest file, and carries on its count. No other process may hold it.
func Open(cfg Config, now func() time.Time) (*Log, error) { return open(cfg, now, osDisk{}) }

func open(cfg Config, now func() time.Time, d disk) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, &Error{Reason: Invalid, Op: "open", Err: err}
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, &Error{Reason: WriteFailed, Op: "open", Err: err}
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &Error{Reason: WriteFailed, Op: "open", Err: err}
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(&Error{Reason: InUse, Op: "open " + cfg.Dir, Err: err}, lock.Close())
	}
	l := &Log{
		cfg: cfg, now: now, lock: lock,
		q:    queue{maxItems: cfg.SpoolEntries, maxBytes: cfg.SpoolBytes},
		w:    writer{cfg: cfg, disk: d},
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	torn, err := l.w.resume()
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			err = &Error{Reason: WriteFailed, Op: "open", Err: err}
		}
		return nil, errors.Join(err, lock.Close())
	}
	l.health.TornBytes = torn
	l.report(nil)
	go l.run()
	return l, nil
}

// Append puts one entry into the log, in the configured mode. In block mode nil means that the line is written.
// Every error is an *Error; with TimedOut the line may still be written, with all others it is not.
func (l *Log) Append(ctx context.Context, e Entry) error { return l.append(ctx, e, l.cfg.Mode) }

// AppendBlocking waits for the line as block mode does, whatever the mode: for what must not happen unrecorded
// where the rest may be spooled.
func (l *Log) AppendBlocking(ctx context.Context, e Entry) error { return l.append(ctx, e, ModeBlock) }

func (l *Log) append(ctx context.Context, e Entry, mode Mode) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	rest, err := encode(e)
	if err != nil {
		l.lost(mode, err)
		return err
	}
	p := &pending{at: e.Time, rest: rest, mode: mode}
	if mode == ModeBlock {
		p.done = make(chan error, 1)
	}
	if err := l.q.push(p); err != nil {
		l.lost(mode, err)
		if failure, _ := errors.AsType[*Error](err); mode == ModeDrop && failure.Reason == QueueFull {
			return nil
		}
		return err
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	if mode != ModeBlock {
		return nil
	}
	return l.wait(ctx, p)
}

func (l *Log) wait(ctx context.Context, p *pending) error {
	timer := time.NewTimer(l.cfg.AppendTimeout)
	defer timer.Stop()
	var cause error
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		cause = ctx.Err()
	case <-timer.C:
		cause = fmt.Errorf("not written within %s", l.cfg.AppendTimeout)
	}
	if !p.claimed.CompareAndSwap(false, true) {
		// The writer has it. It may be done in this very moment.
		select {
		case err := <-p.done:
			return err
		default:
		}
	}
	err := &Error{Reason: TimedOut, Op: "append", Err: cause}
	l.lost(ModeBlock, err)
	return err
}

// lost counts a line that did not get into the log.
func (l *Log) lost(mode Mode, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mode == ModeBlock {
		l.health.Refused++
	} else {
		l.health.Dropped++
	}
	l.health.LastError, l.health.LastErrorAt = err.Error(), l.now()
}

// Health is cheap enough to be asked on every scrape.
func (l *Log) Health() Health {
	l.mu.Lock()
	h := l.health
	l.mu.Unlock()
	h.Spooled = uint64(l.q.len())
	if since := l.busySince.Load(); since != 0 && h.Err == nil {
		if stuck := l.now().Sub(time.Unix(0, since)); stuck > l.cfg.AppendTimeout {
			h.Err = &Error{Reason: TimedOut, Op: "write", Err: fmt.Errorf("the disk has not answered for %s", stuck)}
		}
	}
	return h
}

// Close writes what waits, makes it durable and lets go of the directory. What can't be written by then is
// counted as dropped and is an error.
func (l *Log) Close(ctx context.Context) error {
	l.once.Do(func() {
		l.q.close()
		close(l.closing)
	})
	select {
	case <-l.done:
	case <-ctx.Done():
		return &Error{Reason: TimedOut, Op: "close", Err: ctx.Err()}
	}
	if h := l.Health(); h.Err != nil {
		return h.Err
	}
	return nil
}

func (l *Log) run() {
	defer close(l.done)
	sync, retry := time.NewTicker(l.cfg.SyncEvery), time.NewTicker(retryEvery)
	defer sync.Stop()
	defer retry.Stop()
	for {
		select {
		case <-l.wake:
			l.drain(true)
		case <-sync.C:
			_ = l.do(l.w.sync) // remembered as the log's health
		case <-retry.C:
			// A failing log may have taken the server out of service, so that no line comes to try the disk with.
			if l.failing() {
				if l.drain(true); l.failing() {
					_ = l.do(l.w.probe)
				}
			}
		case <-l.closing:
			l.drain(false)
			_ = l.do(l.w.close)
			l.lock.Close()
			return
		}
	}
}

// drain writes all that waits. keep says whether what fails may wait for a better time.
func (l *Log) drain(keep bool) {
	for batch := l.q.take(); len(batch) > 0; batch = l.q.take() {
		for len(batch) > 0 {
			n := 0
			err := l.do(func() (err error) { n, err = l.w.write(batch); return err })
			if err != nil {
				l.fail(batch, err, keep)
				return
			}
			for _, p := range batch[:n] {
				if p.done != nil {
					p.done <- nil
				}
			}
			batch = batch[n:]
		}
	}
}

func (l *Log) fail(batch []*pending, cause error, keep bool) {
	refused, lost := l.q.afterFailure(batch, keep)
	l.mu.Lock()
	l.health.Refused += uint64(len(refused))
	l.health.Dropped += uint64(len(lost))
	l.mu.Unlock()
	err := &Error{Reason: WriteFailed, Op: "append", Err: cause}
	for _, p := range refused {
		p.done <- err
	}
}

// do runs one step of the writer, watched, and reports how it went.
func (l *Log) do(step func() error) error {
	l.busySince.Store(l.now().UnixNano())
	err := step()
	l.busySince.Store(0)
	l.report(err)
	return err
}

func (l *Log) failing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.health.Err != nil
}

func (l *Log) report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.w
	l.health.Written, l.health.Seq = w.written, w.seq
	l.health.Files, l.health.BytesOnDisk, l.health.PrunedFiles = len(w.old)+1, w.oldBytes()+w.size, w.pruned
	if w.damaged > l.health.Damaged {
		l.health.Damaged = w.damaged
		l.health.LastError, l.health.LastErrorAt = "the file being written was removed or changed by somebody else; a new one was begun", l.now()
	}
	if w.pruneErr != nil {
		l.health.LastError, l.health.LastErrorAt = w.pruneErr.Error(), l.now()
	}
	switch {
	case err != nil:
		l.health.Err = &Error{Reason: WriteFailed, Op: "write", Err: err}
		l.health.LastError, l.health.LastErrorAt = l.health.Err.Error(), l.now()
	case !w.failing:
		l.health.Err = nil
	}
}
