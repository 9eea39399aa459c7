package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
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

// mostTries bounds how often a settlement begins anew because somebody was faster.
const mostTries = 8

// Settle corrects the money and tokens of a reservation to what they were, once, wherever it was made. What was not used
// is given back; what was used beyond the estimate is charged now, past the limit if need be, and so blocks what follows.
// Calls and bytes stand. The first report stays: a second one changes nothing and is told the first one's result. It is
// durable when it returns.
//
// set is the table as it is now: where a limit's window has changed since, nothing is given back of it.
func (e *Engine) Settle(ctx context.Context, set *Set, tenant, id string, actual Amounts) (Settled, error) {
	if err := actual.validate(); err != nil {
		return Settled{}, err
	}
	if id == "" || len(id) > maxIDBytes {
		return Settled{}, fmt.Errorf("%w: a reservation id has 1 to %d bytes", ErrInvalid, maxIDBytes)
	}
	for conflicts := 0; conflicts < mostTries; {
		done, out, err := e.settle(ctx, set, tenant, id, &actual)
		switch {
		case errors.Is(err, ledger.ErrConflict): // somebody has settled it, or its first report arrived after all
			conflicts++
		case done || err != nil:
			return out, err
		} // else it has waited for somebody else's batch, as calls do
	}
	return Settled{}, fmt.Errorf("%w: too many settle this reservation at once", ErrUnavailable)
}

// settle tries once. It is done if nobody else was at the reservation or its counters at the same time.
func (e *Engine) settle(ctx context.Context, set *Set, tenant, id string, actual *Amounts) (done bool, out Settled, err error) {
	r, old, err := e.findReservation(ctx, tenant, id)
	if err != nil {
		return false, Settled{}, err
	}
	if r.state == stateSettled {
		out = *r.settled
		out.AlreadySettled = true
		return true, out, nil
	}
	var locks lockSet
	locks.add(e.hashOf(id))
	for i := range r.charges {
		locks.add(r.charges[i].hash)
	}
	locks.lock(e)
	under, b, err := e.settlement(set, r, old, actual)
	locks.unlock(e)
	switch {
	case err != nil:
		return false, Settled{}, err
	case under != nil:
		return false, Settled{}, e.wait(ctx, under)
	}
	err = e.tellSettlement(ctx, b)
	return err == nil, *b.settled, err
}

func (e *Engine) wait(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// findReservation returns a reservation and its record in the ledger, nil if it is not there yet.
func (e *Engine) findReservation(ctx context.Context, tenant, id string) (r *reservation, old []byte, err error) {
	s := e.shard(e.hashOf(id))
	s.mu.Lock()
	r, held := s.held[id]
	s.mu.Unlock()
	if held && r.tenant == tenant {
		return r, nil, nil
	}
	old, err = e.ledger.Reservation(ctx, tenant, id)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: read a reservation: %w", ErrUnavailable, err)
	case old == nil:
		return nil, nil, ErrUnknownReservation
	}
	r, ok := e.decodeReservation(id, old)
	if !ok {
		return nil, nil, fmt.Errorf("%w: a reservation's record cannot be read", ErrUnavailable)
	}
	return r, old, nil
}

// settlementBatch is a settlement on its way.
type settlementBatch struct {
	bundle
	others  []ledger.Line // what the lines would say without it
	settled *Settled
	r       *reservation
	held    bool // the ledger did not have it before
}

// settlement writes the batch. Call it under the locks. It returns somebody else's batch that must be waited for.
func (e *Engine) settlement(set *Set, r *reservation, old []byte, actual *Amounts) (*flight, *settlementBatch, error) {
	if err := e.usable(); err != nil {
		return nil, nil, err
	}
	_, now, _ := e.ledger.Now()
	home := e.shard(e.hashOf(r.id))
	if old == nil {
		if home.held[r.id] != r { // written meanwhile: read it again
			return closedFlight, nil, nil
		}
		if r.flight != nil {
			return r.flight, nil, nil
		}
	}
	cells := make([]*cell, len(r.charges))
	for i := range r.charges {
		c, err := e.find([]byte(r.charges[i].key), r.charges[i].hash, r.tenant, r.agent)
		if err != nil {
			return nil, nil, err
		}
		if c.flight != nil {
			return c.flight, nil, nil
		}
		cells[i] = c
	}
	if err := e.room(len(cells)); err != nil {
		return nil, nil, err
	}
	late := now >= r.expires
	out := Settled{Late: late, Reserved: r.reserved.amounts(), Charged: Amounts{CostMicroUSD: actual.CostMicroUSD, Tokens: actual.Tokens}}
	if late {
		out.Charged.CostMicroUSD = max(out.Charged.CostMicroUSD, r.reserved.cost)
		out.Charged.Tokens = max(out.Charged.Tokens, r.reserved.tokens)
	}
	b := &settlementBatch{bundle: *newBundle(e, r.tenant), settled: &out, r: r, held: old == nil}
	b.batch.Overdraw = true
	for i, c := range cells {
		e.pin(c)
		e.correct(b, c, &r.charges[i], set, now)
	}
	settled := *r
	settled.state, settled.settled, settled.charges = stateSettled, &out, nil
	b.batch.Reservations = []ledger.Reservation{{
		ID: r.id, Owner: r.agent, Old: old, New: settled.encode(), ExpiresAt: r.expires + max(r.expires-now, 0),
	}}
	if b.held {
		r.flight = b.flight
	}
	return nil, b, nil
}

// correct brings one counter to what the action really used.
func (e *Engine) correct(b *settlementBatch, c *cell, from *charge, set *Set, now int64) {
	period := from.period
	if rule := set.of(from.key); rule != nil {
		period = rule.period
	} else if c.period.Kind != 0 {
		period = c.period
	}
	c.resize(period, now)
	if c.term == 0 {
		c.term = micros(e.cfg.Lease)
	}
	used := from.actual(&b.settled.Charged)
	l := b.add(c, used > from.units) // a debt blocks what follows, also what was leased before it
	b.others = append(b.others, *l)
	switch {
	case used > from.units:
		l.Want = ledger.Add(l.Want, used-from.units)
	case used < from.units && from.period == period:
		l.Refunds = addStamp(slices.Clone(l.Refunds), ledger.Stamp{Index: from.index, Units: from.units - used})
	}
}

// closedFlight is one that nobody waits for.
var closedFlight = func() *flight { f := &flight{done: make(chan struct{})}; close(f.done); return f }()

// tellSettlement sends it. If the answer is lost the outcome is not acknowledged, and may be reported again: the record in
// the ledger then says whether it counted.
func (e *Engine) tellSettlement(ctx context.Context, b *settlementBatch) error {
	defer close(b.flight.done)
	b.batch.Seq = e.seq.Add(1)
	receipt, err := e.send(ctx, &b.batch)
	_, now, _ := e.ledger.Now()
	for i, c := range b.cells {
		s := e.shard(c.hash)
		s.mu.Lock()
		c.flight, c.full = nil, 0
		switch {
		case err != nil: // the settlement's own part is written anew
			c.unheard(&b.others[i], certain(err), now)
			c.owed = ledger.Add(c.owed, b.others[i].Want)
		default:
			c.heard(receipt, i, b.batch.Lines[i].Lease)
			if receipt.Verdict == ledger.Full { // it is settled, and so its debt must be told again until there is room
				c.owed = ledger.Add(c.owed, b.batch.Lines[i].Want)
			}
		}
		e.unpin(c)
		s.mu.Unlock()
	}
	if b.held {
		s := e.shard(e.hashOf(b.r.id))
		s.mu.Lock()
		b.r.flight = nil
		if err == nil || errors.Is(err, ledger.ErrConflict) {
			if s.held[b.r.id] == b.r {
				delete(s.held, b.r.id)
				e.pending.Add(-1)
			}
		}
		s.mu.Unlock()
	}
	return err
}

// Add charges what has happened already, limits or not: failures, or what a reservation that is gone cost beyond its
// estimate. The statuses are those of the limits that were charged. It is durable when it returns, and may use up to twice
// the bounds on distinct counters, since what has happened cannot be refused; ErrStateFull beyond.
func (e *Engine) Add(ctx context.Context, set *Set, who *Subject, amounts *Amounts) ([]Status, error) {
	s := new(scratch)
	if err := s.gather(e, set, who, amounts, false, true); err != nil {
		return nil, err
	}
	if len(s.items) == 0 {
		return nil, nil
	}
	for {
		s.locks.lock(e)
		if err := e.usable(); err != nil {
			s.locks.unlock(e)
			return nil, err
		}
		_, now, _ := e.ledger.Now()
		under, b, err := s.addition(e, who, now)
		s.locks.unlock(e)
		if err != nil {
			return nil, err
		}
		if under == nil {
			return s.tellAddition(ctx, e, b)
		}
		if err := e.wait(ctx, under); err != nil {
			return nil, err
		}
	}
}

// addition writes the batch. Call it under the locks.
func (s *scratch) addition(e *Engine, who *Subject, now int64) (under *flight, b *bundle, err error) {
	for i := range s.items {
		it := &s.items[i]
		if it.cell, err = e.find(s.key(it), it.hash, who.Tenant, who.Agent); err != nil {
			return nil, nil, err
		}
		if it.cell.flight != nil {
			return it.cell.flight, nil, nil
		}
	}
	if err := e.room(len(s.items)); err != nil {
		return nil, nil, err
	}
	b = newBundle(e, who.Tenant)
	b.batch.Overdraw = true
	for i := range s.items {
		it := &s.items[i]
		it.cell.resize(it.rule.period, now)
		if it.cell.term == 0 {
			it.cell.term = micros(e.cfg.Lease)
		}
		e.pin(it.cell)
		l := b.add(it.cell, true) // it blocks what follows, also what was leased before it
		l.Want = ledger.Add(l.Want, it.want)
	}
	return nil, b, nil
}

func (s *scratch) tellAddition(ctx context.Context, e *Engine, b *bundle) ([]Status, error) {
	defer close(b.flight.done)
	b.batch.Seq = e.seq.Add(1)
	receipt, err := e.send(ctx, &b.batch)
	_, now, _ := e.ledger.Now()
	full := err == nil && receipt.Verdict == ledger.Full
	statuses := make([]Status, 0, len(s.items))
	s.locks.lock(e)
	defer s.locks.unlock(e)
	for i, c := range b.cells {
		it := &s.items[i]
		c.flight, c.full = nil, 0
		if err == nil {
			c.heard(receipt, i, b.batch.Lines[i].Lease)
		} else {
			c.unheard(&b.batch.Lines[i], certain(err), now)
		}
		if owed := b.batch.Lines[i].Want - it.want; err != nil || full {
			c.owed = ledger.Add(c.owed, max(owed, 0))
		}
		it.exceeded = c.total() > it.rule.most
		it.note()
		statuses = append(statuses, it.status())
		e.unpin(c)
	}
	switch {
	case err != nil:
		return nil, err
	case full:
		return nil, fmt.Errorf("%w: this agent, its tenant or all together have twice as many as they may", ErrStateFull)
	}
	return statuses, nil
}
