package decisionlog

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pending is one line between its caller and the writer.
type pending struct {
	at   time.Time
	rest []byte
	mode Mode
	// done has room for the one answer that a blocked caller waits for.
	done chan error
	// claimed is set once, by the writer that takes the line or by the caller that gives up on it: a line that
	// nobody waits for any more is not written.
	claimed atomic.Bool
}

// queue is what stands between many callers and one writer: bounded in lines and in bytes. It exists so that
// waiting lines share a write and an fsync. Callers and the writer use it at the same time, under its lock.
type queue struct {
	mu       sync.Mutex
	items    []*pending
	bytes    int64
	maxItems int
	maxBytes int64
	closed   bool
}

func (q *queue) push(p *pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return &Error{Reason: Closed, Op: "append"}
	case len(q.items) >= q.maxItems || q.bytes+int64(len(p.rest)) > q.maxBytes:
		return &Error{Reason: QueueFull, Op: "append", Err: fmt.Errorf("%d lines of %d bytes are waiting", len(q.items), q.bytes)}
	}
	q.items = append(q.items, p)
	q.bytes += int64(len(p.rest))
	return nil
}

// take removes lines for one batch, at least one if there is one, and leaves out those that were given up.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []*pending
	size, n := 0, 0
	for n < len(q.items) && size < batchBytes {
		p := q.items[n]
		n++
		q.bytes -= int64(len(p.rest))
		if p.mode == ModeBlock && !p.claimed.CompareAndSwap(false, true) {
			continue
		}
		batch = append(batch, p)
		size += len(p.rest)
	}
	clear(q.items[:n])
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil
	}
	return batch
}

// afterFailure puts back what may wait longer and gives out what may not: blocked callers are told, lines that
// may be dropped are. keep is false when the log closes and nothing may wait any more.
func (q *queue) afterFailure(batch []*pending, keep bool) (refused, lost []*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var waiting []*pending
	q.bytes = 0
	for i, p := range slices.Concat(batch, q.items) {
		switch {
		case p.mode == ModeBlock:
			if i < len(batch) || p.claimed.CompareAndSwap(false, true) {
				refused = append(refused, p)
			}
		case p.mode == ModeSpool && keep:
			waiting = append(waiting, p)
			q.bytes += int64(len(p.rest))
		default:
			lost = append(lost, p)
		}
	}
	q.items = waiting
	return refused, lost
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
