package approval

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// changesBatch is how many changes a watcher reads at once.
const changesBatch = 128

// watchers are the streams that wait. They queue no events: a change only wakes them, and they read from the store
// what is new to them. So a writer never waits for a reader, the order is the store's, and a reader that is slow costs
// nothing but the window it may fall behind by.
type watchers struct {
	mu  sync.Mutex
	one map[string]map[*watcher]struct{} // by approval
	n   int                              // in one
	all map[*watcher]struct{}

	attending map[string]int // people who watch, by tenant
}

// watcher is one stream that waits.
type watcher struct {
	wake chan struct{}
	// news is the newest record that a change of this process has left for it, as it was committed, so that the stream need
	// not read what the writer had in its hands. nil: read the store.
	news atomic.Pointer[Record]
	// unread says that something was changed which is not in news: read the store.
	unread atomic.Bool
}

func newWatchers() watchers {
	return watchers{one: map[string]map[*watcher]struct{}{}, all: map[*watcher]struct{}{}, attending: map[string]int{}}
}

// Attend says that a person who may vote watches the asks of a tenant, until leave is called, once.
func (q *Queue) Attend(tenant string) (leave func()) {
	w := &q.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attending[tenant]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.attending[tenant]--; w.attending[tenant] == 0 {
			delete(w.attending, tenant)
		}
	}
}

// Attended says whether anybody who may vote watches the asks of a tenant on this server.
func (q *Queue) Attended(tenant string) bool {
	q.watchers.mu.Lock()
	defer q.watchers.mu.Unlock()
	return q.watchers.attending[tenant] > 0
}

// join adds a watcher of one approval, or of all if id is empty. It is woken for everything that is committed after
// this returns.
func (w *watchers) join(id string, most int) (self *watcher, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	self = &watcher{wake: make(chan struct{}, 1)}
	if id == "" {
		if len(w.all) >= maxAllWatchers {
			return nil, nil, ErrTooManyWatchers
		}
		w.all[self] = struct{}{}
	} else {
		if w.n >= most {
			return nil, nil, ErrTooManyWatchers
		}
		if w.one[id] == nil {
			w.one[id] = map[*watcher]struct{}{}
		}
		w.one[id][self] = struct{}{}
		w.n++
	}
	return self, sync.OnceFunc(func() { w.leave(id, self) }), nil
}

func (w *watchers) leave(id string, self *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id == "" {
		delete(w.all, self)
		return
	}
	w.n--
	if delete(w.one[id], self); len(w.one[id]) == 0 {
		delete(w.one, id)
	}
}

// stepBack is how long whoever voted stands back while an agent waits for the verdict: its stream, what writes that to the
// connection, and the agent itself, if it runs on this machine, would else share two processors with the voter's answer. The
// runtime makes a millisecond of it where nothing else goes on.
const stepBack = 500 * time.Microsecond

// agentFirst stands back if an agent waits for this approval.
func (q *Queue) agentFirst(ctx context.Context, id string) {
	q.watchers.mu.Lock()
	waits := len(q.watchers.one[id]) > 0
	q.watchers.mu.Unlock()
	if !waits {
		return
	}
	select {
	case <-ctx.Done():
	case <-q.after(stepBack):
	}
}

// committed hands what was just committed to whoever waits for it, and wakes them.
func (q *Queue) committed(rec Record) {
	rec.Content = nil
	q.tell(&rec, rec.Approval.ID)
}

// hand leaves a record, unless a later one is there: two commits may be told of in either order. It is called under
// watchers.mu.
func (w *watcher) hand(rec *Record) {
	if held := w.news.Load(); held == nil || held.Approval.Sequence < rec.Approval.Sequence {
		w.news.Store(rec)
	}
}

// changed wakes whoever waits for these approvals, and the sweeper. It never blocks.
func (q *Queue) changed(ids ...string) {
	if len(ids) > 0 {
		q.tell(nil, ids...)
	}
}

// tell wakes whoever waits for these approvals with what is in the writer's hands, if anything is. Those who wait for one
// come first: an agent stands still. It never blocks.
func (q *Queue) tell(rec *Record, ids ...string) {
	w := &q.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for one := range w.one[id] {
			if rec != nil {
				one.hand(rec)
			} else {
				one.unread.Store(true)
			}
			poke(one.wake)
		}
	}
	for all := range w.all {
		poke(all.wake)
	}
	poke(q.sooner)
}

// heard wakes whoever waits for what another process has changed; all of them where nobody knows what that was.
func (q *Queue) heard(ids ...string) {
	if len(ids) > 0 {
		q.changed(ids...)
		return
	}
	w := &q.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, waiting := range w.one {
		for one := range waiting {
			one.unread.Store(true)
			poke(one.wake)
		}
	}
	for all := range w.all {
		poke(all.wake)
	}
	poke(q.sooner)
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it knows
	}
}

// Watch yields what becomes of one approval: with after 0 as it stands now, else every change after that sequence
// number, then each change as it comes, in order, none twice. It ends with the final state (at once and without an
// event if after is that already), with ctx (and its error), or when the loop is left. With a non-nil beat it also
// yields a heartbeat on every tick. Errors at once: ErrNotFound, ErrTooManyWatchers, ErrCursor for a sequence number
// that was never given out. The watcher is let go when ctx ends or the loop is left.
func (q *Queue) Watch(ctx context.Context, id string, after uint64, beat <-chan time.Time) (iter.Seq2[Event, error], error) {
	self, leave, err := q.watchers.join(id, q.cfg.MaxWatchers)
	if err != nil {
		return nil, err
	}
	rec, err := q.load(ctx, id)
	if err == nil && after > rec.Approval.Sequence {
		err = ErrCursor
	}
	if err != nil {
		leave()
		return nil, err
	}
	stop := context.AfterFunc(ctx, leave)
	return func(yield func(Event, error) bool) {
		defer leave()
		defer stop()
		for {
			last := rec.Approval.Sequence
			if final := rec.final(); final > 0 {
				last = final
			}
			if after == 0 {
				after = last - 1
			}
			for after < last {
				after++
				if !yield(Event{Approval: rec.asOf(after)}, nil) {
					return
				}
			}
			if rec.final() > 0 {
				return
			}
			if !await(ctx, self.wake, beat, Event{}, yield) {
				return
			}
			unread, news := self.unread.Swap(false), self.news.Swap(nil)
			if !unread && news != nil && news.Approval.Sequence > rec.Approval.Sequence {
				rec = *news
				continue
			}
			// Also after a heartbeat: should a wake-up get lost (the sweeper does not run, another process wrote), it
			// is found here.
			if rec, err = q.load(ctx, id); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}, nil
}

// await blocks until something may have changed. It yields heartbeats and the end of ctx, and returns false if the
// stream is over.
func await(ctx context.Context, wake chan struct{}, beat <-chan time.Time, sign Event, yield func(Event, error) bool) bool {
	select {
	case <-wake:
		return true
	case <-beat:
		sign.Heartbeat = true
		return yield(sign, nil)
	case <-ctx.Done():
		yield(Event{}, ctx.Err())
		return false
	}
}

// WatchAll yields the approvals that match, after each change, in the order of the changes. With cursor 0 it begins
// with those that are pending (if the filter asks for these); else it resumes after that cursor. Event.Cursor is
// what to resume from. A cursor that is older than the replay window is ErrCursor, at once; a reader that falls
// behind by more than the window gets ErrSlow, in the loop. Heartbeats and the end are as with Watch.
func (q *Queue) WatchAll(ctx context.Context, f Filter, cursor uint64, beat <-chan time.Time) (iter.Seq2[Event, error], error) {
	self, leave, err := q.watchers.join("", 0)
	if err != nil {
		return nil, err
	}
	var first []Event
	if cursor == 0 {
		first, cursor, err = q.begin(ctx, f)
	} else {
		_, err = q.store.Changes(ctx, cursor, 1)
	}
	if err != nil {
		leave()
		return nil, failed("read the changes", err)
	}
	stop := context.AfterFunc(ctx, leave)
	return func(yield func(Event, error) bool) {
		defer leave()
		defer stop()
		for _, e := range first {
			if !yield(e, nil) {
				return
			}
		}
		first = nil
		for {
			refs, err := q.store.Changes(ctx, cursor, changesBatch)
			if errors.Is(err, ErrCursor) {
				err = ErrSlow
			}
			if err != nil {
				yield(Event{}, failed("read the changes", err))
				return
			}
			for _, ref := range refs {
				cursor = ref.Cursor
				e, ok, err := q.eventOf(ctx, ref, f)
				if err != nil {
					yield(Event{}, err)
					return
				}
				if ok && !yield(e, nil) {
					return
				}
			}
			if len(refs) == 0 && !await(ctx, self.wake, beat, Event{Cursor: cursor}, yield) {
				return
			}
		}
	}, nil
}

// begin lists what is pending and the cursor of that moment. Only the last event carries it: whoever is cut off in the
// middle of the list begins again.
func (q *Queue) begin(ctx context.Context, f Filter) ([]Event, uint64, error) {
	recs, cursor, err := q.store.Snapshot(ctx)
	if err != nil {
		return nil, 0, err
	}
	var events []Event
	for _, rec := range recs {
		if f.matches(&rec.Approval) {
			events = append(events, Event{Approval: rec.Approval})
		}
	}
	if n := len(events); n > 0 {
		events[n-1].Cursor = cursor
	}
	return events, cursor, nil
}

// eventOf is the approval as it stood after a change; false if it does not match, is gone, or cannot be read: that ends no
// stream of others.
func (q *Queue) eventOf(ctx context.Context, ref ChangeRef, f Filter) (Event, bool, error) {
	rec, err := q.store.Load(ctx, ref.ID)
	_, damaged := errors.AsType[*Unreadable](err)
	switch {
	case damaged, errors.Is(err, ErrNotFound):
		return Event{}, false, nil
	case err != nil:
		return Event{}, false, failed("read the approval", err)
	case ref.Sequence == 0 || ref.Sequence > uint64(len(rec.Changes)):
		return Event{}, false, failed("read the changes", errors.New("a change is not in its record"))
	}
	a := rec.asOf(ref.Sequence)
	return Event{Approval: a, Cursor: ref.Cursor}, f.matches(&a), nil
}
