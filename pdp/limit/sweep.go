package limit

import (
	"context"
	"hash/maphash"
)

// sweepPage is how many records of each space one sweep looks at.
const sweepPage = 5_000

// sweepSome looks at the next part of the ledger and begins to delete what is over: counters with nothing in their
// window, reservations that have expired and so stay charged in full. A ledger that cannot be read is tried again later;
// its health shows when something must be charged.
func (e *Engine) sweepSome(ctx context.Context) {
	e.sweepCells(ctx)
	e.sweepReservations(ctx)
}

// overdue lists keys of a page whose records are over, and moves the cursor on.
func (e *Engine) overdue(ctx context.Context, space Space, after *[]byte, over func(key, value []byte) bool) (keys [][]byte) {
	n, last := 0, []byte(nil)
	err := e.ledger.Scan(ctx, space, nil, *after, sweepPage, func(key, value []byte) bool {
		n++
		last = append(last[:0], key...)
		if over(key, value) {
			keys = append(keys, append([]byte(nil), key...))
		}
		return true
	})
	if err != nil {
		return nil
	}
	if n < sweepPage {
		last = nil // from the first again
	}
	*after = last
	return keys
}

func (e *Engine) sweepCells(ctx context.Context) {
	e.sweeping.Lock()
	defer e.sweeping.Unlock()
	now := e.clock.now()
	keys := e.overdue(ctx, CellSpace, &e.sweepAt[0], func(_, value []byte) bool {
		_, w, ok := decodeCell(value)
		return ok && w.over(now)
	})
	for _, key := range keys {
		p, ok := parseKey(key)
		if !ok || e.room(1) != nil {
			return
		}
		e.sweepCell(ctx, key, p.who.Tenant)
	}
	if len(keys) > 0 {
		e.wake()
	}
}

// sweepCell looks again under the lock: the counter may have been charged since.
func (e *Engine) sweepCell(ctx context.Context, key []byte, tenant string) {
	hash := maphash.Bytes(e.seed, key)
	s := e.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.usable() != nil {
		return
	}
	if c, err := e.find(ctx, key, hash); err == nil && c != nil && c.over(e.clock.now()) {
		e.bury(c, tenant)
	}
}

func (e *Engine) sweepReservations(ctx context.Context) {
	e.sweeping.Lock()
	defer e.sweeping.Unlock()
	now := e.clock.now()
	var holders []holder
	ids := e.overdue(ctx, ReservationSpace, &e.sweepAt[1], func(_, value []byte) bool {
		tenant, agent, expires, ok := decodeHolder(value)
		if !ok || expires > now {
			return false
		}
		holders = append(holders, holder{tenant, agent})
		return true
	})
	for i, id := range ids {
		if e.room(1) != nil {
			return
		}
		e.sweepReservation(string(id), holders[i])
	}
	if len(ids) > 0 {
		e.wake()
	}
}

// sweepReservation deletes one whose time, which never changes, is over.
func (e *Engine) sweepReservation(id string, h holder) {
	s := e.shard(maphash.String(e.seed, id))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.usable() != nil {
		return
	}
	r, ok := s.recent[id]
	if !ok {
		r, ok = s.held.get([]byte(id))
	}
	if !ok {
		r = &reservation{id: id, tenant: h.tenant, agent: h.agent, durable: true, stored: true}
	}
	if !r.durable { // being deleted already
		return
	}
	e.pending.Add(s.held.touch(id, r))
	r.dead, r.durable = true, false
	delete(s.recent, id)
	e.reservations.give(h)
}
