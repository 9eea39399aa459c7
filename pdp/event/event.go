// Package event carries what operators may want to see as it happens (anomalies, changes of breakers,
// bundles and kill switches, verdicts) from where it happens to whoever watches.
//
// It keeps nothing: a watcher hears what comes after it began, and one that falls behind is cut off with
// ErrSlow rather than waited for. The lasting record is pdp/decisionlog.
package event

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// Type says what an event is about.
type Type string

// The types of events.
const (
	Anomaly    Type = "anomaly"
	Breaker    Type = "breaker"
	Bundle     Type = "bundle"
	Verdict    Type = "verdict"
	KillSwitch Type = "kill_switch"
	Ledger     Type = "ledger"
	Delegation Type = "delegation"
	Memory     Type = "memory"
)

// Event is one thing that happened. Message and Attributes hold no argument value.
type Event struct {
	Type       Type
	At         time.Time
	Sequence   uint64
	Tenant     string // whom it concerns; empty: everybody
	Message    string
	Attributes map[string]string
}

// ErrSlow ends the stream of a watcher that fell behind by more than its buffer.
var ErrSlow = errors.New("watcher fell behind the events")

// ErrTooMany refuses a watcher beyond the cap.
var ErrTooMany = errors.New("too many event watchers")

// buffer is how many events a watcher may lag behind; watchers is how many there may be.
const (
	buffer   = 256
	watchers = 256
)

// Hub hands events on. Publish never blocks. The zero value is not usable; see NewHub.
type Hub struct {
	now func() time.Time

	mu   sync.Mutex
	seq  uint64
	subs map[*subscription]struct{}
}

type subscription struct {
	events chan Event
	slow   bool // guarded by Hub.mu; set before events is closed
}

// NewHub makes a hub that stamps events with now.
func NewHub(now func() time.Time) *Hub {
	return &Hub{now: now, subs: make(map[*subscription]struct{})}
}

// Publish stamps e and hands it to every watcher. It may be called from anywhere, also under locks.
func (h *Hub) Publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	e.Sequence, e.At = h.seq, h.now()
	for sub := range h.subs {
		select {
		case sub.events <- e:
		default:
			sub.slow = true
			delete(h.subs, sub)
			close(sub.events)
		}
	}
}

// Watch yields events from the moment that it is called until ctx ends (then with its error), the watcher
// falls behind (ErrSlow) or the loop is left. With a non-nil beat it also yields an Event without a type on
// every tick.
func (h *Hub) Watch(ctx context.Context, beat <-chan time.Time) (iter.Seq2[Event, error], error) {
	sub := &subscription{events: make(chan Event, buffer)}
	h.mu.Lock()
	if len(h.subs) >= watchers {
		h.mu.Unlock()
		return nil, ErrTooMany
	}
	h.subs[sub] = struct{}{}
	h.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { h.drop(sub) })
	return func(yield func(Event, error) bool) {
		defer stop()
		defer h.drop(sub)
		for {
			select {
			case e, open := <-sub.events:
				if !open {
					yield(Event{}, h.why(ctx, sub))
					return
				}
				if !yield(e, nil) {
					return
				}
			case <-beat:
				if !yield(Event{At: h.now()}, nil) {
					return
				}
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			}
		}
	}, nil
}

func (h *Hub) drop(sub *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, live := h.subs[sub]; live {
		delete(h.subs, sub)
		close(sub.events)
	}
}

func (h *Hub) why(ctx context.Context, sub *subscription) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sub.slow {
		return ErrSlow
	}
	return ctx.Err()
}
