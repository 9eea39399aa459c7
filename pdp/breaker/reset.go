package breaker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// resetters is how many records are deleted at once, so that the disk can group them.
const resetters = 32

// Reset closes breakers of a tenant, of one agent and one tool; an empty name is all. It is durable when it returns, and
// says how many were not closed; after an error some may have been closed. Failures that had been counted are forgotten
// too, and a record that cannot be read goes with the others. What a probe reports afterwards counts like any report. It
// stops at the first error: a store that is gone must not be waited for once a record.
func (b *Breakers) Reset(ctx context.Context, tenant, agent, tool string) (int, error) {
	v, err := b.read(ctx, tenant)
	if err != nil {
		return 0, err
	}
	var (
		wg    sync.WaitGroup
		n     atomic.Int64
		first atomic.Pointer[error]
	)
	slots := make(chan struct{}, resetters)
	for key, raw := range v.records {
		if k, ok := limit.ParseKey([]byte(key)); !ok || !k.Within(agent, tool) {
			continue
		}
		slots <- struct{}{}
		if first.Load() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			closed, err := b.erase(ctx, v, key, raw)
			if closed {
				n.Add(1)
			}
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return int(n.Load()), *err
	}
	return int(n.Load()), nil
}

// erase deletes a record whatever it is by then, and says whether its breaker was not closed.
func (b *Breakers) erase(ctx context.Context, v *view, key string, raw []byte) (bool, error) {
	for attempt := 0; raw != nil; attempt++ {
		current, swapped, err := b.swap(ctx, v, key, raw, nil, nil)
		if err != nil {
			return false, err
		}
		if swapped {
			return notClosed(raw), nil
		}
		if err := pause(ctx, attempt); err != nil {
			return false, errors.Join(limit.ErrUnavailable, err)
		}
		raw = current
	}
	return false, nil
}

// notClosed says whether a record holds back, or may. One that cannot be read does.
func notClosed(raw []byte) bool {
	r, err := decode(raw)
	return err != nil || r != nil && r.state != Closed
}

// List returns at most so many breakers of a tenant that are not closed, by name and key. A record that cannot be read is
// an open breaker: it holds back what it is about until it is reset.
func (b *Breakers) List(ctx context.Context, tenant string, most int) ([]Status, error) {
	v, err := b.read(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var out []Status
	for key, raw := range v.records {
		k, ok := limit.ParseKey([]byte(key))
		if !ok {
			continue
		}
		g := guard{key: key}
		g.set(raw, v.now)
		if s := g.rec.status(k.Name(), k.Label(), g.err, v.now, ""); s.State != Closed {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y Status) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Key, y.Key))
	})
	return out[:min(len(out), max(most, 0))], nil
}
