package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Store keeps one small record a target, changed by compare-and-set: the stores of breakers do it.
type Store interface {
	Records(ctx context.Context, tenant string) (map[string][]byte, error)
	// Swap sets a record if it is old (nil: if there is none) and returns what it is then.
	Swap(ctx context.Context, tenant, key string, old, record []byte, forgetAfter int64) (current []byte, swapped bool, err error)
}

const (
	// scope stands where others have a tenant. No tenant is called so.
	scope = "\x00notify"
	// leaseFor is how long a replica may be silent until another one delivers in its place.
	leaseFor = 30 * time.Second
	// keptFor is how long a target's cursor is remembered, microseconds.
	keptFor = int64(365 * 24 * time.Hour / time.Microsecond)
)

// mark is what is stored of a target: how far it has been told, and who tells it.
type mark struct {
	Cursor uint64    `json:"cursor"`
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// progress is one target's mark, as its courier knows it. It is the lease and the cursor in one record, so that a replica
// that has lost the lease can't move the cursor. Used by one goroutine.
type progress struct {
	store  Store
	key    string
	holder string
	alone  bool // no other replica has this store: what a run before this one held is free
	now    func() time.Time
	raw    []byte
	mark   mark
}

// take gets the lease, or returns false and for how long somebody else has it.
func (p *progress) take(ctx context.Context) (bool, time.Duration, error) {
	all, err := p.store.Records(ctx, scope)
	if err != nil {
		return false, 0, fmt.Errorf("read how far it was told: %w", err)
	}
	// What was read may be a second old. Then the swap fails, and says what is.
	p.raw = all[p.key]
	for range 3 {
		p.mark = mark{}
		if p.raw != nil {
			if err := json.Unmarshal(p.raw, &p.mark); err != nil {
				return false, 0, fmt.Errorf("read how far it was told: %w", err)
			}
		}
		if left := p.mark.Until.Sub(p.now()); left > 0 && !p.alone && p.mark.Holder != p.holder {
			return false, min(left, leaseFor), nil
		}
		if ok, err := p.keep(ctx, p.mark.Cursor); ok || err != nil {
			return ok, 0, err
		}
	}
	return false, time.Second, nil
}

// keep stores the cursor and renews the lease. It is false if another replica has taken it.
func (p *progress) keep(ctx context.Context, cursor uint64) (bool, error) {
	next := mark{Cursor: cursor, Holder: p.holder, Until: p.now().Add(leaseFor)}
	raw, err := json.Marshal(next)
	if err != nil {
		return false, err
	}
	current, ok, err := p.store.Swap(ctx, scope, p.key, p.raw, raw, keptFor)
	if err != nil {
		return false, fmt.Errorf("store how far it was told: %w", err)
	}
	if ok || bytes.Equal(current, raw) { // the answer to an earlier try was lost
		p.raw, p.mark = raw, next
		return true, nil
	}
	p.raw = current
	return false, nil
}

// free lets another replica go on at once. The cursor stays.
func (p *progress) free(ctx context.Context) {
	next := mark{Cursor: p.mark.Cursor}
	if raw, err := json.Marshal(next); err == nil {
		_, _, _ = p.store.Swap(ctx, scope, p.key, p.raw, raw, keptFor) // else the lease runs out
	}
}
