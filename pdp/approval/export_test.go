package approval

import (
	"context"
	"time"
)

// MaxEdits is how often the arguments of one ask may be changed.
const MaxEdits = maxEdits

// Sweep does once what Run does over and over.
func (q *Queue) Sweep(ctx context.Context) error {
	if _, err := q.sweep(ctx); err != nil {
		return err
	}
	return q.trim(ctx)
}

// Watching is how many streams wait.
func (q *Queue) Watching() int {
	q.watchers.mu.Lock()
	defer q.watchers.mu.Unlock()
	n := len(q.watchers.all)
	for _, m := range q.watchers.one {
		n += len(m)
	}
	return n
}

// Committed tells of a record as a change does that has just been committed.
func (q *Queue) Committed(rec Record) { q.committed(rec) }

// OnStepBack is called before standing back.
func (q *Queue) OnStepBack(do func(time.Duration)) {
	q.after = func(d time.Duration) <-chan time.Time { do(d); return time.After(d) }
}

// Heard tells of changes by other processes.
func (q *Queue) Heard(ids ...string) { q.heard(ids...) }
