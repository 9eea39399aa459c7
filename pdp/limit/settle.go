package limit

import (
	"context"
	"fmt"
	"hash/maphash"
)

// Settled is what became of a reservation's money and tokens.
type Settled struct {
	// AlreadySettled is set where an earlier report stands; the rest is that report's result.
	AlreadySettled bool
	// Late is set where the report came after the reservation had expired: nothing is given back then, and what goes
	// beyond the estimate is charged all the same.
	Late     bool
	Reserved Amounts // cost and tokens
	Charged  Amounts // cost and tokens; in full where Late
}

// Refund gives back all that a reservation holds, but for limits that count attempts. It is for actions that were not
// allowed after all. A second call does nothing. ErrUnknownReservation means that nothing was given back.
func (e *Engine) Refund(ctx context.Context, id string) error {
	return e.change(ctx, id, func(s *settlement) error {
		switch s.r.state {
		case stateRefunded:
			return nil
		case stateSettled:
			return ErrSettled
		}
		for i := range s.r.charges {
			if c := &s.r.charges[i]; !c.attempts {
				s.giveBack(i, c.units)
			}
		}
		s.close(stateRefunded, nil)
		return nil
	})
}

// Settle corrects the money and tokens of a reservation to what they were, once. What was not used is given back; what
// was used beyond the estimate is charged now, past the limit if need be, and so blocks what follows. Calls and bytes
// stand. The first report stays: a second one changes nothing and is told the first one's result.
func (e *Engine) Settle(ctx context.Context, id string, actual Amounts) (Settled, error) {
	if err := actual.validate(); err != nil {
		return Settled{}, err
	}
	var out Settled
	err := e.change(ctx, id, func(s *settlement) error {
		switch s.r.state {
		case stateRefunded:
			return fmt.Errorf("%w: it was refunded", ErrUnknownReservation)
		case stateSettled:
			out = *s.r.settled
			out.AlreadySettled = true
			return nil
		}
		late := s.now >= s.r.expires
		out = Settled{Late: late, Reserved: s.r.reserved.amounts(), Charged: Amounts{CostMicroUSD: actual.CostMicroUSD, Tokens: actual.Tokens}}
		if late {
			out.Charged.CostMicroUSD = max(out.Charged.CostMicroUSD, s.r.reserved.cost)
			out.Charged.Tokens = max(out.Charged.Tokens, s.r.reserved.tokens)
		}
		if err := s.correct(&out.Charged); err != nil {
			return err
		}
		s.close(stateSettled, &out)
		return nil
	})
	if err != nil {
		return Settled{}, err
	}
	return out, nil
}

// settlement is a reservation under the locks of all that it holds.
type settlement struct {
	e     *Engine
	home  *shard
	r     *reservation
	cells []*cell // of each charge; nil where there is none any more
	now   int64
}

// change does something to a reservation and its counters at once. do must not fail after it has changed anything.
func (e *Engine) change(ctx context.Context, id string, do func(*settlement) error) error {
	if id == "" || len(id) > maxIDBytes {
		return fmt.Errorf("%w: a reservation id has 1 to %d bytes", ErrInvalid, maxIDBytes)
	}
	// Which shards to lock is known only after a look at the reservation. What it holds can only become less until the
	// locks are there.
	idHash := maphash.String(e.seed, id)
	var locks lockSet
	locks.add(idHash)
	home := e.shard(idHash)
	home.mu.Lock()
	r, err := e.findReservation(ctx, home, id)
	if err == nil {
		for i := range r.charges {
			locks.add(r.charges[i].hash)
		}
	}
	home.mu.Unlock()
	if err != nil {
		return err
	}
	locks.lock(e)
	defer locks.unlock(e)
	if err := e.usable(); err != nil {
		return err
	}
	if r, err = e.findReservation(ctx, home, id); err != nil {
		return err
	}
	if err := e.room(len(r.charges) + 1); err != nil {
		return err
	}
	s := settlement{e: e, home: home, r: r, cells: make([]*cell, len(r.charges)), now: e.clock.now()}
	for i := range r.charges {
		c := &r.charges[i]
		if s.cells[i], err = e.find(ctx, []byte(c.key), c.hash); err != nil {
			return err
		}
		if s.cells[i] != nil {
			s.cells[i].advance(s.now)
		}
	}
	if err := do(&s); err != nil {
		return err
	}
	e.wake()
	return nil
}

// findReservation looks among the recent, those that wait for a commit, and in the ledger. Call it under the lock of
// the id's shard.
func (e *Engine) findReservation(ctx context.Context, home *shard, id string) (*reservation, error) {
	if r, ok := home.recent[id]; ok {
		return r, nil
	}
	if r, ok := home.held.get([]byte(id)); ok {
		if r.dead {
			return nil, ErrUnknownReservation
		}
		return r, nil
	}
	value, err := e.ledger.Load(ctx, ReservationSpace, []byte(id))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: read a reservation: %w", ErrUnavailable, err)
	case value == nil:
		return nil, ErrUnknownReservation
	}
	r, ok := decodeReservation(id, value)
	if !ok {
		return nil, fmt.Errorf("%w: a reservation's record cannot be read", ErrUnavailable)
	}
	for i := range r.charges {
		r.charges[i].hash = maphash.String(e.seed, r.charges[i].key)
	}
	home.makeRoom()
	home.remember(r)
	return r, nil
}

// giveBack returns units of a charge to its counter, as far as they are still in the window.
func (s *settlement) giveBack(i int, units int64) {
	c, from := s.cells[i], &s.r.charges[i]
	if c == nil || c.dead || units == 0 {
		return
	}
	s.e.pending.Add(s.e.shard(c.hash).cells.touch(c.key, c))
	c.giveBack(from.width, from.index, units)
	if len(c.buckets) == 0 {
		s.e.bury(c, s.r.tenant)
	}
}

// correct brings cost and tokens to what they were.
func (s *settlement) correct(actual *Amounts) error {
	fresh := 0
	for i := range s.r.charges {
		if c := &s.r.charges[i]; s.cells[i] == nil && c.settles() && c.actual(actual) > c.units {
			fresh++
		}
	}
	if !s.e.keys.take(holder{s.r.tenant, s.r.agent}, fresh, 2) {
		return fmt.Errorf("%w: a debt needs a counter, and twice as many as may be are in use", ErrStateFull)
	}
	for i := range s.r.charges {
		c := &s.r.charges[i]
		if !c.settles() {
			continue
		}
		used := c.actual(actual)
		if used <= c.units {
			s.giveBack(i, c.units-used)
			continue
		}
		if s.cells[i] == nil {
			s.cells[i] = s.e.create([]byte(c.key), c.hash, c.width, s.r.agent)
		}
		s.e.charge(s.cells[i], s.now, used-c.units)
	}
	return nil
}

func (c *charge) actual(a *Amounts) int64 {
	if c.measure == measureCode(Tokens) {
		return a.Tokens
	}
	return a.CostMicroUSD
}

// close ends the reservation. One that no commit has seen and that holds nothing needs none.
func (s *settlement) close(state byte, result *Settled) {
	r := s.r
	if r.durable && state == stateRefunded && !r.stored && r.epoch == s.home.held.epoch {
		s.e.pending.Add(-s.home.held.drop(r.id, r))
		s.e.reservations.give(holder{r.tenant, r.agent})
		r.durable = false
	}
	if r.durable {
		s.e.pending.Add(s.home.held.touch(r.id, r))
	}
	r.state, r.charges = state, r.charges[:0]
	if result != nil {
		kept := *result
		r.settled = &kept
	}
}
