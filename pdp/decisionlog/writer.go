package decisionlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// file is what the writer needs of an open segment.
type file interface {
	io.Writer
	Sync() error
	Truncate(int64) error
	Stat() (fs.FileInfo, error)
	Close() error
}

// disk is where segments are opened. It is an interface so that tests can break it.
type disk interface {
	Open(path string, flag int, perm fs.FileMode) (file, error)
}

type osDisk struct{}

func (osDisk) Open(path string, flag int, perm fs.FileMode) (file, error) {
	return os.OpenFile(path, flag, perm)
}

// probeBytes is written and taken back to see whether a disk has room again.
const probeBytes = 4 << 10

// writer is the end of the log: the newest file, its good length and the count. Only the goroutine of Log uses
// it after resume. Whatever fails, size and seq say what is acknowledged, and ready brings the file back to
// that before anything else is written: that is what keeps the count gapless and a half-written batch out.
type writer struct {
	cfg  Config
	disk disk

	old  []segment // finished ones, oldest first
	cur  segment   // the newest; its size field is not kept up, size is
	f    file      // nil after a failure
	info fs.FileInfo
	size int64
	seq  uint64
	buf  []byte

	dirty   bool // written but not yet synced
	failing bool // the next success must be a synced one: a disk that takes pages may still refuse to keep them

	written, pruned, damaged uint64
	pruneErr                 error // of the last prune
}

func (w *writer) resume() (torn int64, err error) {
	segs, err := segments(w.cfg.Dir)
	if err != nil {
		return 0, err
	}
	if len(segs) == 0 {
		return 0, w.start()
	}
	w.old, w.cur = segs[:len(segs)-1], segs[len(segs)-1]
	if w.seq, torn, err = settle(&w.cur); err != nil {
		return 0, err
	}
	w.size = w.cur.size
	if err := w.ready(); err != nil {
		return 0, err
	}
	w.prune()
	return torn, nil
}

// start begins a segment for the line after the last one.
func (w *writer) start() error {
	next := segment{path: segmentPath(w.cfg.Dir, w.seq+1), first: w.seq + 1}
	if err := os.MkdirAll(w.cfg.Dir, 0o700); err != nil {
		return err
	}
	f, err := w.disk.Open(next.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		// The name is the next line's, which nobody has written: not ours to add to, not ours to destroy.
		err = fmt.Errorf("%s is in the way: move it aside", next.path)
	}
	if err == nil {
		err = syncDir(w.cfg.Dir)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if w.cur.path != "" && w.cur.path != next.path {
		w.cur.size = w.size
		w.old = append(w.old, w.cur)
	}
	w.cur, w.f, w.info, w.size = next, f, info, 0
	return nil
}

// ready leaves the newest segment open and exactly as long as what is acknowledged.
func (w *writer) ready() error {
	if w.f != nil {
		if info, err := os.Stat(w.cur.path); err == nil && os.SameFile(info, w.info) && info.Size() == w.size {
			return nil
		}
		// Removed, replaced, cut or added to behind our back: writing on would lose lines in silence.
		w.damaged++
		w.drop()
		return w.afresh()
	}
	f, err := w.disk.Open(w.cur.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		w.damaged++
		return w.afresh()
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < w.size {
		w.damaged++
		return errors.Join(f.Close(), w.afresh())
	}
	if err == nil && info.Size() > w.size {
		err = f.Truncate(w.size)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.f, w.info = f, info
	return nil
}

// afresh leaves the current segment as somebody else left it, and begins a new one.
func (w *writer) afresh() error {
	if w.cur.first == w.seq+1 {
		// It holds no line of ours, and the new one has its name.
		if err := os.Remove(w.cur.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return w.start()
}

// write puts as many lines into the newest segment as fit, at least one, and returns how many. After an error
// none of them counts.
func (w *writer) write(batch []*pending) (int, error) {
	if err := w.ready(); err != nil {
		w.failing = true
		return 0, err
	}
	w.buf = w.buf[:0]
	n := 0
	for _, p := range batch {
		mark := len(w.buf)
		w.buf = appendLine(w.buf, w.seq+1+uint64(n), p.at, p.rest)
		if w.size+int64(len(w.buf)) > w.cfg.MaxFileBytes && w.size+int64(mark) > 0 {
			w.buf = w.buf[:mark]
			break
		}
		n++
	}
	if n == 0 {
		if err := w.rotate(); err != nil {
			return 0, err
		}
		return w.write(batch)
	}
	if err := w.put(w.buf, w.cfg.Sync || w.failing); err != nil {
		return 0, err
	}
	w.size += int64(len(w.buf))
	w.seq += uint64(n)
	w.written += uint64(n)
	return n, nil
}

func (w *writer) put(b []byte, sync bool) error {
	n, err := w.f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	w.dirty = true
	if err == nil && sync {
		if err = w.f.Sync(); err == nil {
			w.dirty = false
		}
	}
	if err != nil {
		return w.giveUp(err)
	}
	w.failing = false
	return nil
}

// giveUp takes back what the failed write may have left, as far as the disk lets it; ready finishes the job.
func (w *writer) giveUp(err error) error {
	w.failing = true
	if terr := w.f.Truncate(w.size); terr != nil {
		err = errors.Join(err, terr)
	}
	w.drop()
	return err
}

func (w *writer) drop() {
	_ = w.f.Close() // nothing acknowledged hangs on it
	w.f = nil
}

func (w *writer) rotate() error {
	if err := w.f.Sync(); err != nil {
		return w.giveUp(err)
	}
	w.drop()
	w.dirty = false
	if err := w.start(); err != nil {
		w.failing = true
		return err
	}
	w.prune()
	return nil
}

// prune keeps the log within its bounds. A file that can't be removed is reported and tried again at the next
// rotation; it is no reason to refuse lines.
func (w *writer) prune() {
	cur := w.cur
	cur.size = w.size
	all := append(slices.Clip(w.old), cur)
	var left []segment
	left, w.pruneErr = prune(all, w.cfg.MaxFiles, w.cfg.MaxTotalBytes)
	w.pruned += uint64(len(all) - len(left))
	w.old = left[:len(left)-1]
}

// sync makes what was written durable.
func (w *writer) sync() error {
	if w.f == nil || !w.dirty {
		return nil
	}
	if err := w.f.Sync(); err != nil {
		return w.giveUp(err)
	}
	w.dirty = false
	return nil
}

// probe finds out whether a disk that failed takes bytes again, and leaves none.
func (w *writer) probe() error {
	if err := w.ready(); err != nil {
		return err
	}
	if err := w.put(bytes.Repeat([]byte{' '}, probeBytes), true); err != nil {
		return err
	}
	if err := w.f.Truncate(w.size); err != nil {
		return w.giveUp(err)
	}
	return nil
}

func (w *writer) close() error {
	if w.f == nil {
		return nil
	}
	err := w.sync()
	if w.f != nil {
		err = errors.Join(err, w.f.Close())
		w.f = nil
	}
	return err
}

func (w *writer) oldBytes() (n int64) {
	for _, s := range w.old {
		n += s.size
	}
	return n
}
