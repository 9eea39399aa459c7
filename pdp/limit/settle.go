package limit

import (
	"context"
	"errors"
	"fmt"

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
	for range mostTries {
		if err := e.writeDown(ctx, tenant, id); err != nil {
			return Settled{}, err
		}
		r, old, err := e.findReservation(ctx, tenant, id)
		switch {
		case err != nil:
			return Settled{}, err
		case r.state == stateSettled:
			out := *r.settled
			out.AlreadySettled = true
			return out, nil
		}
		out, err := e.settle(ctx, set, r, old, &actual)
		if !errors.Is(err, ledger.ErrConflict) { // somebody else has settled it
			return out, err
		}
	}
	return Settled{}, fmt.Errorf("%w: too many settle this reservation at once", ErrUnavailable)
}

// writeDown brings a reservation into the ledger that is only here yet, behind all that was spent of its cells.
func (e *Engine) writeDown(ctx context.Context, tenant, id string) error {
	s := e.shard(e.hashOf(id))
	for {
		s.mu.Lock()
		r := s.held[id]
		err := e.usable()
		s.mu.Unlock()
		switch {
		case r == nil || r.tenant != tenant:
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
		if err := e.report(ctx, false, false); err != nil {
			return err
		}
	}
}

// findReservation returns a reservation and its record in the ledger.
func (e *Engine) findReservation(ctx context.Context, tenant, id string) (r *reservation, old []byte, err error) {
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

// settle tries once. The batch is sent in another name than those that draw and report: it touches no block, so many
// outcomes of one tenant may be under way at once, and none waits for those. If the answer is lost the outcome is not
// acknowledged, and may be reported again: the record in the ledger then says whether it counted.
func (e *Engine) settle(ctx context.Context, set *Set, r *reservation, old []byte, actual *Amounts) (Settled, error) {
	_, now, _ := e.ledger.Now()
	late := now >= r.expires
	out := Settled{Late: late, Reserved: r.reserved.amounts(), Charged: Amounts{CostMicroUSD: actual.CostMicroUSD, Tokens: actual.Tokens}}
	if late {
		out.Charged.CostMicroUSD = max(out.Charged.CostMicroUSD, r.reserved.cost)
		out.Charged.Tokens = max(out.Charged.Tokens, r.reserved.tokens)
	}
	b := &ledger.Batch{Tenant: r.tenant, Holder: e.holder + settlesAs, Seq: e.seq.Add(1), Overdraw: true}
	for i := range r.charges {
		b.Lines = append(b.Lines, correction(&r.charges[i], r.agent, set, &out.Charged))
	}
	settled := *r
	settled.state, settled.settled, settled.charges = stateSettled, &out, nil
	b.Reservations = []ledger.Reservation{{
		ID: r.id, Owner: r.agent, Old: old, New: settled.encode(), ExpiresAt: r.expires + max(r.expires-now, 0),
	}}
	receipt, err := e.send(ctx, b)
	if err != nil {
		return Settled{}, err
	}
	for i := range r.charges {
		e.settledHere(&r.charges[i], r, &b.Lines[i], receipt, i)
	}
	return out, nil
}

// settlesAs ends the name in which settlements are sent.
const settlesAs = "/outcomes"

// correction brings one counter to what the action really used.
func correction(from *charge, agent string, set *Set, actual *Amounts) ledger.Line {
	l := ledger.Line{Key: []byte(from.key), Owner: agent, Period: from.period, Max: ledger.Unlimited}
	if rule := set.of(from.key); rule != nil {
		l.Period, l.Max = rule.period, rule.most
	}
	switch used := from.actual(actual); {
	case used > from.units:
		l.Want = used - from.units
	case used < from.units && from.period == l.Period:
		l.Refunds = []ledger.Stamp{{Index: from.index, Units: from.units - used}}
	}
	return l
}

// settledHere lets the cell of a settled charge know. A debt blocks what follows, also what was leased before it.
func (e *Engine) settledHere(from *charge, r *reservation, l *ledger.Line, receipt *ledger.Receipt, i int) {
	s := e.shard(from.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := e.find([]byte(from.key), from.hash, r.tenant, r.agent)
	if err != nil {
		return
	}
	c.full = 0
	c.sees(receipt, i)
	if l.Want == 0 {
		return
	}
	if receipt.Verdict == ledger.Full { // it is settled, and so its debt must be told again until there is room
		_, now, _ := e.ledger.Now()
		c.resize(l.Period, now)
		c.most = l.Max
		c.owed = ledger.Add(c.owed, l.Want)
	}
	if c.recall = c.left > 0; c.recall || c.owed > 0 {
		e.urge(c)
	}
}

// Add charges what has happened already, limits or not: failures, or what a reservation that is gone cost beyond its
// estimate. The statuses are those of the limits that were charged. It is durable when it returns, and may use up to twice
// the bounds on distinct counters, since what has happened cannot be refused; ErrStateFull beyond.
func (e *Engine) Add(ctx context.Context, set *Set, who *Subject, amounts *Amounts) ([]Status, error) {
	s := new(scratch)
	if err := s.gather(e, set, who, amounts, nil, true); err != nil {
		return nil, err
	}
	if len(s.items) == 0 {
		return nil, nil
	}
	for {
		s.lock(e)
		if err := e.usable(); err != nil {
			s.unlock(e)
			return nil, err
		}
		_, now, _ := e.ledger.Now()
		under, b, err := s.addition(e, who, now)
		s.unlock(e)
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

func (e *Engine) wait(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (s *scratch) tellAddition(ctx context.Context, e *Engine, b *bundle) ([]Status, error) {
	defer close(b.flight.done)
	b.batch.Seq = e.seq.Add(1)
	receipt, err := e.send(ctx, &b.batch)
	_, now, _ := e.ledger.Now()
	full := err == nil && receipt.Verdict == ledger.Full
	statuses := make([]Status, 0, len(s.items))
	s.lock(e)
	defer s.unlock(e)
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
