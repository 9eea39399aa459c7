package limit

import (
	"fmt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Refund gives back all that a hold has, but for limits that count attempts. It is for actions that were not allowed after
// all. It never fails: what the ledger has heard of already it is told to give back. A second call does nothing.
func (e *Engine) Refund(hold *Hold) {
	if !hold.open {
		return
	}
	hold.open = false
	s := &hold.work
	s.lock(e)
	defer s.unlock(e)
	for i := range s.items {
		if it := &s.items[i]; it.charged && !it.rule.attempts {
			e.refund(it, hold)
		}
	}
}

// refund gives the units of one limit back. Call it under the lock of its shard.
func (e *Engine) refund(it *item, hold *Hold) {
	cell, err := e.find(hold.work.key(it), it.hash, hold.tenant, hold.agent)
	if err != nil || e.shut.Load() {
		return // it stays charged
	}
	if cell.period.Kind == 0 {
		cell.period = it.rule.period
	}
	if cell.period != it.rule.period {
		return // the bundle has changed the window meanwhile: nobody knows where the units are
	}
	cell.full = 0
	e.pin(cell)
	if cell.unspent(it.index, hold.booked(it), it.want) {
		e.urge(cell)
	}
	e.unpin(cell)
}

// nowhere is a sub-bucket of long ago, from which no ledger gives anything back.
const nowhere = 0

// booked is the sub-bucket in which the ledger has the units of a limit, once it was told. Units from a block are stamped with
// the latest that the ledger's time could be: if it was in an earlier sub-bucket when it was told, it has them there, and what
// stands in the later one is somebody else's. Where that may be, they stay charged.
func (h *Hold) booked(it *item) int64 {
	if it.plan != ask && it.rule.period.Index(h.earliest) != it.index {
		return nowhere
	}
	return it.index
}

// charges are what the money of a hold is charged to. Money that was not asked for yet has a place too: a debt goes there.
func (h *Hold) charges() (list []charge) {
	for i := range h.work.items {
		it := &h.work.items[i]
		if !it.rule.def.settles() || !it.charged && !h.allowed {
			continue
		}
		c := charge{
			key: string(h.work.key(it)), hash: it.hash, period: it.rule.period, index: h.booked(it), measure: it.rule.measure,
		}
		if it.charged {
			c.units = it.want
		}
		list = append(list, c)
	}
	return list
}

func (h *Hold) settles() bool {
	for i := range h.work.items {
		if h.work.items[i].rule.def.settles() {
			return true
		}
	}
	return false
}

// longestSettle bounds how long a reservation waits for its outcome, microseconds: a time that no ledger could keep would
// hold up the reports of everybody.
const longestSettle = 366 * 86_400 * 1_000_000

// Keep leaves a hold charged, for an action that was allowed. Under its id the outcome can settle the money and tokens of
// it until it expires, microseconds of the ledger's time from now on; what never is settled stays charged in full. Ids are
// unique in a tenant, as decision ids are. ErrStateFull means that too much waits for the ledger, and the action must be
// denied; the hold is as it was.
func (e *Engine) Keep(hold *Hold, id string, settleFor int64) error {
	if id == "" || len(id) > maxIDBytes {
		return fmt.Errorf("%w: a reservation id has 1 to %d bytes", ErrInvalid, maxIDBytes)
	}
	if !hold.open {
		return nil
	}
	if !hold.settles() { // losing it in a crash leaves it charged
		hold.open = false
		return nil
	}
	if err := e.room(1); err != nil {
		return err
	}
	_, now, _ := e.ledger.Now()
	r := &reservation{
		id: id, tenant: hold.tenant, agent: hold.agent, state: stateOpen, expires: now + min(max(settleFor, 0), longestSettle),
		reserved: hold.reserved, charges: hold.charges(),
	}
	s := e.shard(e.hashOf(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := e.usable(); err != nil {
		return err
	}
	if _, there := s.held[id]; there {
		return ErrDuplicate
	}
	hold.open = false
	s.held[id] = r
	e.pending.Add(1)
	e.soon()
	return nil
}

// urge has a cell reported soon. Call it under its shard's lock.
func (e *Engine) urge(c *cell) {
	e.pin(c)
	if !c.urgent {
		c.urgent = true
		s := e.shard(c.hash)
		s.urgent = append(s.urgent, c)
	}
	e.soon()
}

// soon wakes the reporter.
func (e *Engine) soon() {
	if e.woken.Load() || e.woken.Swap(true) {
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// topUp has the next block drawn before this one is used up, if there is room for any. Call it under the shard's lock.
func (e *Engine) topUp(c *cell) {
	if c.flight != nil || c.queued || c.left >= max(c.size/2, c.share/2) || ledger.Share(c.most-c.used, c.most, true) <= 0 {
		return
	}
	select {
	case e.refill <- c:
		c.queued = true
	default:
	}
}
