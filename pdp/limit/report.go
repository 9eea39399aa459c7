package limit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

const (
	// roundEvery is how often all cells that owe something are looked at.
	roundEvery = 250 * time.Millisecond
	// mostLines bounds the batches that report, beside what one reservation adds.
	mostLines = 128
	// retryAfter is the pause after a report that did not arrive.
	retryAfter = 50 * time.Millisecond
)

// keepReporting tells the ledger what it must know soon, a little after it has happened, and once in a while the rest.
func (e *Engine) keepReporting(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		round := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			round = true
		case <-e.wake:
			if !pause(ctx, e.cfg.FlushEvery) { // let more come: one batch for all of it
				return
			}
			e.woken.Store(false)
		}
		// What could not be told is still owed, and told again; charges fail meanwhile by themselves.
		if err := e.report(ctx, round, false); err != nil {
			if !pause(ctx, retryAfter) {
				return
			}
			e.soon()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// reportAll tells everything, and with giveBack returns all blocks, so that the ledger is exact.
func (e *Engine) reportAll(ctx context.Context, giveBack bool) error {
	for {
		if err := e.report(ctx, true, giveBack); err != nil {
			return err
		}
		if !giveBack || e.pending.Load() == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: limits were not reported to the end: %w", ErrUnavailable, err)
		}
	}
}

// bundle is what is told of one tenant at once.
type bundle struct {
	batch  ledger.Batch
	flight *flight
	cells  []*cell
	held   []*reservation
}

// report tells the ledger of reservations that it does not have yet, with all that was spent of the cells that they are
// about, and of what is due.
func (e *Engine) report(ctx context.Context, round, everything bool) error {
	e.flushing.Lock()
	defer e.flushing.Unlock()
	w := &writing{e: e, open: map[string]*bundle{}, own: map[*flight]bool{}}
	_, w.now, _ = e.ledger.Now()
	for _, r := range e.unwritten() {
		w.reservation(r)
	}
	for i := range e.shards {
		w.cells(&e.shards[i], round, everything)
	}
	var errs []error
	for _, b := range w.all {
		errs = append(errs, e.tell(ctx, b))
	}
	return errors.Join(errs...)
}

// unwritten lists the reservations that the ledger does not have.
func (e *Engine) unwritten() (held []*reservation) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		for _, r := range s.held {
			if r.flight == nil {
				held = append(held, r)
			}
		}
		s.mu.Unlock()
	}
	return held
}

// writing is a report being put together. Cells in it are under way already.
type writing struct {
	e    *Engine
	now  int64
	open map[string]*bundle // by tenant
	all  []*bundle
	own  map[*flight]bool
}

// to is a bundle of a tenant that has room for so many more lines, or is new.
func (w *writing) to(tenant string, more int) *bundle {
	b := w.open[tenant]
	if b == nil || len(b.batch.Lines)+more > mostLines || len(b.held) >= ledger.MaxReservations {
		b = newBundle(w.e, tenant)
		b.batch.Overdraw = true
		w.open[tenant], w.own[b.flight] = b, true
		w.all = append(w.all, b)
	}
	return b
}

// mostWaits bounds the waits for one reservation's cells in one report.
const mostWaits = 32

// reservation writes one down, behind all that was spent of its cells: else a settlement elsewhere could be told to give
// back what is not booked as spent yet.
func (w *writing) reservation(r *reservation) {
	id := w.e.hashOf(r.id)
	var locks lockSet
	locks.add(id)
	for i := range r.charges {
		locks.add(r.charges[i].hash)
	}
	locks.lock(w.e)
	defer locks.unlock(w.e)
	for range mostWaits {
		under := w.underWay(r)
		if under == nil {
			break
		}
		locks.unlock(w.e)
		<-under.done // whoever has it waits for nobody
		locks.lock(w.e)
	}
	if w.e.shard(id).held[r.id] != r || r.flight != nil { // settled meanwhile
		return
	}
	if w.underWay(r) != nil {
		w.e.soon() // the next report will have it
		return
	}
	b := w.to(r.tenant, len(r.charges))
	for i := range r.charges {
		h := r.charges[i].hash
		if c := w.e.shard(h).cells[h]; c != nil && c.flight == nil && len(c.spent) > 0 {
			b.add(c, false)
		}
	}
	r.flight = b.flight
	b.held = append(b.held, r)
	b.batch.Reservations = append(b.batch.Reservations, ledger.Reservation{
		ID: r.id, Owner: r.agent, New: r.encode(), ExpiresAt: r.expires,
	})
}

// underWay is somebody else's batch that one of the cells is in.
func (w *writing) underWay(r *reservation) *flight {
	for i := range r.charges {
		h := r.charges[i].hash
		if c := w.e.shard(h).cells[h]; c != nil && c.flight != nil && !w.own[c.flight] {
			return c.flight
		}
	}
	return nil
}

// cells writes down what of a shard is due.
func (w *writing) cells(s *shard, round, everything bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	urgent := s.urgent
	s.urgent = nil
	for _, c := range urgent {
		c.urgent = false
		switch {
		case c.flight != nil:
			w.e.urge(c)
		case c.pinned:
			w.to(c.tenant, 1).add(c, everything)
		}
	}
	if !round {
		return
	}
	for _, c := range s.cells {
		if c.flight != nil {
			continue
		}
		if !c.owes() {
			w.e.unpin(c)
		} else if everything || c.isDue(w.e, w.now) {
			w.to(c.tenant, 1).add(c, everything || c.isIdle(w.e, w.now))
		}
	}
}

// isDue says whether the ledger should hear of a cell: so that it can count what was spent by time, so that a block does
// not run out, because nobody spends from it any more, or because the ledger has forgotten.
func (c *cell) isDue(e *Engine, now int64) bool {
	late := min(c.term/2, max(c.period.Length()/4, 100_000))
	return len(c.refunds) > 0 || c.owed > 0 || len(c.spent) > 0 && now-c.since > late ||
		c.left > 0 && c.expires-now < c.term/2 || c.isIdle(e, now) || c.epoch != 0 && c.epoch != e.epoch.Load()
}

// isIdle says whether a block should go back. One that is held for the time without the ledger stays longer.
func (c *cell) isIdle(e *Engine, now int64) bool {
	idle := micros(e.cfg.IdleAfter)
	if c.share > 0 {
		idle = c.term
	}
	return now-c.touched > idle
}

func newBundle(e *Engine, tenant string) *bundle {
	return &bundle{flight: &flight{done: make(chan struct{})}, batch: ledger.Batch{Tenant: tenant, Holder: e.holder}}
}

// add writes a line that only tells. Call it under the lock of the cell's shard.
func (b *bundle) add(c *cell, giveBack bool) *ledger.Line {
	b.batch.Lines = append(b.batch.Lines, ledger.Line{})
	l := &b.batch.Lines[len(b.batch.Lines)-1]
	c.report(l, giveBack)
	l.Want, c.owed = min(c.owed, ledger.MaxUnits), 0
	l.Max, l.Lease = c.most, c.term
	c.flight = b.flight
	b.cells = append(b.cells, c)
	return l
}

// tell sends a bundle and takes the answer.
func (e *Engine) tell(ctx context.Context, b *bundle) error {
	defer close(b.flight.done)
	b.batch.Seq = e.seq.Add(1) // larger than that of any batch that these cells were in before
	receipt, err := e.send(ctx, &b.batch)
	conflict := errors.Is(err, ledger.ErrConflict)
	_, now, _ := e.ledger.Now()
	for i, c := range b.cells {
		s := e.shard(c.hash)
		s.mu.Lock()
		c.flight = nil
		l := &b.batch.Lines[i]
		if err == nil {
			c.heard(receipt, i, l.Lease)
		} else {
			c.unheard(l, certain(err), now)
		}
		if err != nil || receipt.Verdict == ledger.Full {
			c.owed = ledger.Add(c.owed, l.Want) // at worst it counts twice
		}
		e.unpin(c)
		s.mu.Unlock()
	}
	for i, r := range b.held {
		s := e.shard(e.hashOf(r.id))
		s.mu.Lock()
		r.flight = nil
		// After a conflict, one that is there already is what an earlier report brought, whose answer was lost.
		if err == nil || conflict && receipt.Current[i] != nil {
			delete(s.held, r.id)
			e.pending.Add(-1)
		}
		s.mu.Unlock()
	}
	if conflict { // the rest is told by the next report
		e.soon()
		return nil
	}
	return err
}

// keepRefilling draws the next block of busy cells before theirs are used up, so that callers need not wait for it.
func (e *Engine) keepRefilling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-e.refill:
			e.draw(ctx, c)
		}
	}
}

// draw asks for the next block of a cell, and of all others that wait for one.
func (e *Engine) draw(ctx context.Context, c *cell) {
	cells := []*cell{c}
	for more := true; more && len(cells) < mostLines; {
		select {
		case c := <-e.refill:
			cells = append(cells, c)
		default:
			more = false
		}
	}
	for _, b := range e.refills(cells) {
		e.stats.refills.Add(1)
		_ = e.tell(ctx, b) // whoever needs it asks, and hears why not
	}
}

// refills writes a batch for each tenant.
func (e *Engine) refills(cells []*cell) (all []*bundle) {
	byTenant := map[string]*bundle{}
	_, now, _ := e.ledger.Now()
	for _, c := range cells {
		s := e.shard(c.hash)
		s.mu.Lock()
		c.queued = false
		if c.pinned && c.flight == nil && !e.shut.Load() {
			b := byTenant[c.tenant]
			if b == nil {
				b = newBundle(e, c.tenant)
				byTenant[c.tenant] = b
				all = append(all, b)
			}
			l := b.add(c, false)
			l.Need = ledger.Add(c.waiting, max(c.share-c.left, 0))
			l.Block = c.demand(now, max(c.size/4, 1))
		}
		s.mu.Unlock()
	}
	return all
}
