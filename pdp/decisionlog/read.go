package decisionlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

// Query reads the files of a log, oldest line first, also while another process writes them. Errors of single
// lines (*LineError, *TornError, *GapError) come in their place and reading goes on; any other error is the last.
func Query(dir string, f Filter) iter.Seq2[Entry, error] {
	if !f.Newest || f.Limit <= 0 {
		return func(yield func(Entry, error) bool) { query(dir, f, yield) }
	}
	return func(yield func(Entry, error) bool) {
		limit := f.Limit
		f.Limit = 0
		var last []Entry
		stopped := false
		query(dir, f, func(e Entry, err error) bool {
			if err != nil {
				stopped = !yield(Entry{}, err)
				return !stopped
			}
			// Twice the limit is kept so that moving the tail down costs little.
			if last = append(last, e); len(last) >= 2*limit {
				last = append(last[:0], last[len(last)-limit:]...)
			}
			return true
		})
		if stopped {
			return
		}
		for _, e := range last[max(0, len(last)-limit):] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func query(dir string, f Filter, yield func(Entry, error) bool) {
	segs, err := segments(dir)
	if err != nil {
		yield(Entry{}, err)
		return
	}
	s := scan{filter: f, left: f.Limit, yield: yield}
	for i, seg := range segs {
		if i+1 < len(segs) && segs[i+1].first <= f.AfterSeq+1 {
			continue // it ends before what is asked for
		}
		r, err := openSegment(seg)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile; the gap is reported by the next
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		more := s.whole(r)
		r.f.Close()
		if !more {
			return
		}
	}
}

// Follow reads like Query and then waits for more, over rotation, until ctx ends. It begins where the filter's
// AfterSeq and FromStart say, and by default with the first line that is not there yet. A line that it shows
// may be withdrawn later, if its write failed half-way.
func Follow(ctx context.Context, dir string, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := follow(ctx, dir, f, yield); err != nil && ctx.Err() == nil {
			yield(Entry{}, err)
		}
	}
}

func follow(ctx context.Context, dir string, f Filter, yield func(Entry, error) bool) error {
	s := scan{filter: f, left: f.Limit, yield: yield}
	next := uint64(0) // the number that the segment to open must at least begin with
	var r *segmentReader
	defer func() {
		if r != nil {
			r.f.Close()
		}
	}()
	if f.AfterSeq == 0 && !f.FromStart {
		segs, err := segments(dir)
		if err != nil {
			return err
		}
		if len(segs) > 0 {
			if r, err = openSegment(segs[len(segs)-1]); err != nil {
				return err
			}
			s.skip = true
			s.lines(r)
			s.skip = false
		}
	}
	for ctx.Err() == nil {
		// Listed before reading: once a newer file is there, what this one holds is all that it will.
		segs, err := segments(dir)
		if err != nil {
			return err
		}
		if r == nil {
			if r, err = firstFrom(segs, next, f.AfterSeq); err != nil {
				return err
			}
		}
		switch {
		case r != nil && segs != nil && segs[len(segs)-1].first > r.seg.first:
			if !s.whole(r) {
				return nil
			}
			next = r.seg.first + 1
			r.f.Close()
			r = nil
			continue
		case r != nil && !s.lines(r):
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// firstFrom opens the oldest segment that begins at next or later and may hold a line after the given one.
func firstFrom(segs []segment, next, after uint64) (*segmentReader, error) {
	for i, seg := range segs {
		if seg.first < next || (i+1 < len(segs) && segs[i+1].first <= after+1) {
			continue
		}
		r, err := openSegment(seg)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return r, err
	}
	return nil, nil
}

// segmentReader reads whole lines of one file. Bytes without a newline stay unread, so that a line that is
// being written, or taken back, is looked at again.
type segmentReader struct {
	seg segment
	f   *os.File
	br  *bufio.Reader
	off int64
}

func openSegment(seg segment) (*segmentReader, error) {
	f, err := os.Open(seg.path)
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	return &segmentReader{seg: seg, f: f, br: bufio.NewReaderSize(f, maxLineBytes)}, nil
}

// rewind puts the reader where the last whole line ended; cut says that the file is shorter than that by now.
func (r *segmentReader) rewind() (cut bool, err error) {
	info, err := r.f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < r.off {
		r.off, cut = info.Size(), true
	}
	if _, err := r.f.Seek(r.off, io.SeekStart); err != nil {
		return false, err
	}
	r.br.Reset(r.f)
	return cut, nil
}

// next gives a line without its newline, nil where it is longer than a line may be. At the end it gives io.EOF
// and how many bytes are left over.
func (r *segmentReader) next() (line []byte, at, left int64, err error) {
	at = r.off
	line, err = r.br.ReadSlice('\n')
	if err == nil {
		r.off += int64(len(line))
		return line[:len(line)-1], at, 0, nil
	}
	n := int64(len(line))
	tooLong := false
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		line, err = r.br.ReadSlice('\n')
		n += int64(len(line))
	}
	if tooLong && err == nil {
		r.off += n
		return nil, at, 0, nil
	}
	return nil, at, n, err
}

// scan turns lines into what the filter chooses, over as many files as there are.
type scan struct {
	filter Filter
	yield  func(Entry, error) bool
	prev   uint64 // number of the line before, 0 if unknown
	left   int    // how many more to give, if the filter has a limit
	skip   bool   // read on without giving anything
}

// whole reads a file that is not expected to grow; what is left at its end is torn.
func (s *scan) whole(r *segmentReader) bool {
	if !s.lines(r) {
		return false
	}
	_, at, left, err := r.next()
	if left > 0 && errors.Is(err, io.EOF) {
		return s.yield(Entry{}, &TornError{File: r.seg.path, Offset: at, Bytes: left})
	}
	return true
}

// lines reads to the last whole line and leaves the reader before what is left.
func (s *scan) lines(r *segmentReader) bool {
	cut, err := r.rewind()
	if err != nil {
		s.yield(Entry{}, fmt.Errorf("decision log: read %s: %w", r.seg.path, err))
		return false
	}
	if cut {
		s.prev = 0
	}
	for {
		line, at, _, err := r.next()
		if errors.Is(err, io.EOF) {
			if _, err = r.rewind(); err == nil {
				return true
			}
		}
		if err != nil {
			s.yield(Entry{}, fmt.Errorf("decision log: read %s: %w", r.seg.path, err))
			return false
		}
		if !s.line(r, line, at) {
			return false
		}
	}
}

func (s *scan) line(r *segmentReader, line []byte, at int64) bool {
	var (
		e   Entry
		err error
	)
	if line == nil {
		err = fmt.Errorf("longer than %d bytes", maxLineBytes)
	} else {
		e, err = decode(line)
	}
	if err != nil {
		s.prev = 0
		return s.skip || s.yield(Entry{}, &LineError{File: r.seg.path, Offset: at, Err: err})
	}
	gap := s.prev != 0 && e.Seq != s.prev+1
	before := s.prev
	s.prev = e.Seq
	if s.skip {
		return true
	}
	if gap && !s.yield(Entry{}, &GapError{File: r.seg.path, After: before, Next: e.Seq}) {
		return false
	}
	if !s.filter.matches(e) {
		return true
	}
	if !s.yield(e, nil) {
		return false
	}
	s.left--
	return s.left != 0 || s.filter.Limit == 0
}
