package memory

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// ErrStore says that the record could not be read or written. Whoever gets it denies.
var ErrStore = errors.New("the record of memory is not available")

// Store keeps the records of owners. What Swap has acknowledged is durable and seen by every process that uses the store.
// Safe for concurrent use.
type Store interface {
	// Get returns the head of an owner and the record of one of its items, as they were at one moment; nil where there is none.
	Get(ctx context.Context, of Owner, item string) (head, record []byte, err error)
	// All returns the head of an owner and all records, as they were at one moment.
	All(ctx context.Context, of Owner) (head []byte, records map[string][]byte, err error)
	// Swap sets the head and some records, if the head is still what it was (nil: there was none), all or none of it. A nil record
	// is removed. After ends, all of the owner may be forgotten.
	Swap(ctx context.Context, of Owner, old, head []byte, records map[string][]byte, ends time.Time) (swapped bool, err error)
	// Sweep forgets owners that ended before now. A store that does so by itself does nothing.
	Sweep(ctx context.Context, now time.Time) error
}

const (
	// mostTries is how often a change is tried that changes by other processes come before.
	mostTries = 64
	// sparePerItem bounds the records of an owner: so many for each item that it may hold. Those of deleted items are dropped then.
	sparePerItem = 2
	// shards is how many locks there are. An owner always has the same one.
	shards = 64
)

// Book answers for the memory of all agents. The truth is in the Store, and nothing is kept here: two processes see the same.
// Changes of one owner are made one at a time in a process, so that they need no second try; between processes the Store compares.
type Book struct {
	store  Store
	sealer Sealer
	now    func() time.Time
	seed   maphash.Seed
	locks  [shards]sync.Mutex
}

// New makes a book over a store.
func New(store Store, sealer Sealer, now func() time.Time) *Book {
	return &Book{store: store, sealer: sealer, now: now, seed: maphash.MakeSeed()}
}

// Draft is a version that is about to be written.
type Draft struct {
	Digest  string // SHA-256 of the text, in hexadecimal
	Bytes   int64
	Labels  []string // sorted
	At      time.Time
	Expires time.Time
}

// Write records an allowed write and returns its sequence, which is durable then. The error is a *QuotaError where the owner would
// hold too much, and ErrStore where the record failed: then the write may count all the same, and what was current before is not.
func (b *Book) Write(ctx context.Context, of Owner, id ID, d Draft, q Quota) (sequence uint64, err error) {
	err = b.change(ctx, of, id.name(), func(h *head, it *Item) error {
		before := *h
		h.count(it, -1)
		h.Sequence++
		sequence = h.Sequence
		if len(it.Versions) == 0 {
			h.Records++
		}
		it.ID = id
		it.add(Version{Sequence: sequence, At: d.At, Expires: d.Expires, Digest: d.Digest, Bytes: d.Bytes, Labels: d.Labels})
		h.count(it, 1)
		return q.check(&before, h)
	}, q.All.Items)
	return sequence, err
}

// Delete records that an item was deleted, and returns false if there was none. Its seals are worth nothing from then on.
func (b *Book) Delete(ctx context.Context, of Owner, id ID, at time.Time) (there bool, err error) {
	err = b.change(ctx, of, id.name(), func(h *head, it *Item) error {
		if there = it.held() != nil; !there {
			return errNothing
		}
		h.count(it, -1)
		h.Sequence++
		last := it.Versions[len(it.Versions)-1]
		it.add(Version{Sequence: h.Sequence, At: at, Expires: last.Expires, Deletion: true})
		return nil
	}, 0)
	if errors.Is(err, errNothing) {
		err = nil
	}
	return there, err
}

// errNothing ends a change that changes nothing.
var errNothing = errors.New("nothing to change")

// change reads the head and an item, changes both and stores them together, again and again until nobody came in between.
func (b *Book) change(ctx context.Context, of Owner, item string, alter func(*head, *Item) error, room int64) error {
	mu := b.lock(of)
	mu.Lock()
	defer mu.Unlock()
	for range mostTries {
		oldHead, oldItem, err := b.store.Get(ctx, of, item)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStore, err)
		}
		h, err := decode[head](oldHead)
		if err != nil {
			return err
		}
		// Items that have expired make room, before anybody is told that there is none.
		crowded := room > 0 && h.Records >= sparePerItem*room
		if crowded || !h.Expires.IsZero() && !b.now().Before(h.Expires) {
			if err := b.tidy(ctx, of, crowded); err != nil {
				return err
			}
			if oldHead, oldItem, err = b.store.Get(ctx, of, item); err != nil {
				return fmt.Errorf("%w: %w", ErrStore, err)
			}
			if h, err = decode[head](oldHead); err != nil {
				return err
			}
		}
		it, err := b.open(of, item, oldItem)
		if err != nil {
			return err
		}
		if err := alter(&h, &it); err != nil {
			return err
		}
		swapped, err := b.swap(ctx, of, oldHead, &h, map[string]*Item{item: &it})
		if err != nil || swapped {
			return err
		}
	}
	return fmt.Errorf("%w: too many changes of one agent's memory at once", ErrStore)
}

func (b *Book) swap(ctx context.Context, of Owner, old []byte, h *head, items map[string]*Item) (bool, error) {
	h.Revision++
	raw, err := encode(h)
	if err != nil {
		return false, err
	}
	records := make(map[string][]byte, len(items))
	for name, it := range items {
		if records[name] = nil; it == nil {
			continue
		}
		if records[name], err = b.seal(of, it); err != nil {
			return false, err
		}
	}
	swapped, err := b.store.Swap(ctx, of, old, raw, records, h.Ends)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return swapped, nil
}

// tidy drops what has expired and counts what is left; with deleted also what was deleted, whose seals are unknown from then on,
// and so as little worth as before.
func (b *Book) tidy(ctx context.Context, of Owner, deleted bool) error {
	now := b.now()
	_, err := b.changeAll(ctx, of, func(it *Item) change {
		switch held := it.held(); {
		case it.dead(now), deleted && held == nil:
			return drop
		case held != nil && held.expired(now):
			it.Current = 0 // nothing of it counts; what is left of it is for a rollback
			return store
		}
		return leave
	})
	return err
}

type change uint8

const (
	leave change = iota
	store
	drop
)

// changeAll looks at every item of an owner, and stores what changed with a head that is counted anew.
func (b *Book) changeAll(ctx context.Context, of Owner, look func(*Item) change) (changed []Item, err error) {
	for range mostTries {
		changed = nil
		old, records, err := b.store.All(ctx, of)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		was, err := decode[head](old)
		if err != nil || old == nil {
			return nil, err
		}
		h := head{Revision: was.Revision, Sequence: was.Sequence, Ends: was.Ends}
		items := map[string]*Item{}
		for name, raw := range records {
			it, err := b.open(of, name, raw)
			if err != nil {
				return nil, err
			}
			what := look(&it)
			if what == drop {
				items[name] = nil
				continue
			}
			if what == store {
				items[name] = &it
				changed = append(changed, it)
			}
			h.Records++
			h.count(&it, 1)
		}
		if len(items) == 0 && h.Expires.Equal(was.Expires) {
			return nil, nil
		}
		swapped, err := b.swap(ctx, of, old, &h, items)
		if err != nil || swapped {
			return changed, err
		}
	}
	return nil, fmt.Errorf("%w: too many changes of one agent's memory at once", ErrStore)
}

func (b *Book) lock(of Owner) *sync.Mutex {
	return &b.locks[maphash.String(b.seed, of.Tenant+"\x00"+of.Agent)%shards]
}

// Sweep forgets owners all of whose items have expired. Call it now and then.
func (b *Book) Sweep(ctx context.Context) error {
	if err := b.store.Sweep(ctx, b.now()); err != nil {
		return fmt.Errorf("%w: sweep: %w", ErrStore, err)
	}
	return nil
}

// Room says whether a write of so many bytes would fit now: a *QuotaError if not. It promises nothing; Write does.
func (b *Book) Room(ctx context.Context, of Owner, id ID, d Draft, q Quota) error {
	rawHead, rawItem, err := b.store.Get(ctx, of, id.name())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	h, err := decode[head](rawHead)
	if err != nil {
		return err
	}
	it, err := b.open(of, id.name(), rawItem)
	if err != nil {
		return err
	}
	if !h.Expires.IsZero() && !b.now().Before(h.Expires) {
		return nil // some of it has expired: Write finds out
	}
	before := h
	h.count(&it, -1)
	it.Versions = slices.Clone(it.Versions)
	it.add(Version{Sequence: h.Sequence + 1, Bytes: d.Bytes, Labels: d.Labels})
	h.count(&it, 1)
	return q.check(&before, &h)
}
