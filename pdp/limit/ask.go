package limit

import (
	"context"
	"fmt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// ask charges with the ledger's word what can't be charged without it, in one batch, beside what can. It is called under
// the locks and lets go of them. What the ledger does not allow is not charged here either.
func (e *Engine) ask(ctx context.Context, s *scratch, hold *Hold, now int64) error {
	if err := s.carryOut(e, hold, now); err != nil {
		s.conclude(hold, false)
		s.unlock(e)
		return err
	}
	f := &flight{done: make(chan struct{})}
	b := &ledger.Batch{Tenant: hold.tenant, Holder: e.holder, Seq: e.seq.Add(1), Lines: make([]ledger.Line, 0, len(s.items))}
	for i := range s.items {
		if it := &s.items[i]; it.plan == ask {
			it.line = len(b.Lines)
			b.Lines = append(b.Lines, ledger.Line{})
			it.write(e, &b.Lines[it.line], now)
			it.cell.flight = f
			e.pin(it.cell)
		}
	}
	s.unlock(e)
	receipt, err := e.send(ctx, b)
	s.lock(e)
	for i := range s.items {
		if it := &s.items[i]; it.plan == ask {
			it.read(e, &b.Lines[it.line], receipt, err)
		}
	}
	if err == nil {
		err = s.obey(e, hold, receipt)
	} else {
		s.undo(e, hold, func(*item) bool { return false })
	}
	if err == nil || !s.mayGoOnAlone() {
		s.conclude(hold, err == nil)
	}
	s.unlock(e)
	close(f.done)
	return err
}

// write says in a line what has happened to the cell, and what is wanted of it. What is left of a block goes back first:
// it was too little for this call, and may be what is missing for it.
func (it *item) write(e *Engine, l *ledger.Line, now int64) {
	c, r := it.cell, it.rule
	charges := it.want > 0
	c.report(l, charges || c.table != r.table)
	l.Want, l.Max, l.Class, l.Attempts = it.want, r.most, it.class, r.attempts
	if it.class == ledger.Free && c.owed > 0 {
		l.Want, c.owed = ledger.Add(l.Want, c.owed), 0
	}
	c.share = r.share
	c.term = micros(e.cfg.Lease)
	if r.local {
		c.term = micros(e.cfg.LocalLease)
	}
	l.Lease = c.term
	if !c.pinned && e.pending.Load() > int64(e.cfg.MaxPending)/2 {
		return // a flood of new keys must not fill the table with blocks
	}
	if charges && it.class == r.class { // what a person approved is charged by itself
		l.Need, l.Block = ledger.Add(c.waiting, r.share), c.demand(now, it.want)
	}
}

// demand is how many units to draw: twice as many as last time where that did not last a second, half as many where it
// lasted longer; but never more than one draw may give, or blocks would pile up until one replica has the whole limit.
func (c *cell) demand(now, want int64) int64 {
	least := min(want, ledger.MaxUnits/4) * 4
	if now-c.drawn < 1_000_000 {
		c.size = max(min(c.size, ledger.MaxUnits/4)*2, least)
	} else {
		c.size = max(c.size/2, least)
	}
	c.size = min(c.size, max(ledger.Share(ledger.MaxUnits, c.most, false), least))
	c.drawn = now
	return c.size
}

// read takes the ledger's answer for one limit; there is none if receipt is nil, and err says why.
func (it *item) read(e *Engine, l *ledger.Line, receipt *ledger.Receipt, err error) {
	c := it.cell
	c.flight = nil
	if receipt == nil {
		_, now, _ := e.ledger.Now()
		c.unheard(l, certain(err), now)
		if it.class == ledger.Free {
			c.owed = ledger.Add(c.owed, l.Want-it.want) // at worst it counts twice
		}
		e.unpin(c)
		return
	}
	c.heard(receipt, it.line, l.Lease)
	c.most, c.table = it.rule.most, it.rule.table
	out := &receipt.Lines[it.line]
	it.exceeded, it.charged, it.index = out.Exceeded, out.Charged && it.want > 0, out.Index
	c.full = 0
	if out.Exceeded && it.want > 0 && it.class != ledger.Free {
		c.full = it.want
	}
	if it.charged {
		c.touched = receipt.Now
	}
	e.unpin(c)
}

// obey does with what was charged here as the ledger did with the rest.
func (s *scratch) obey(e *Engine, hold *Hold, receipt *ledger.Receipt) error {
	switch receipt.Verdict {
	case ledger.Allowed:
	case ledger.Asked:
		s.undo(e, hold, func(it *item) bool { return it.rule.attempts })
	case ledger.Denied:
		s.undo(e, hold, func(*item) bool { return false })
	case ledger.Full:
		s.undo(e, hold, func(*item) bool { return false })
		return fmt.Errorf("%w: this agent, its tenant or all together have as many as they may", ErrStateFull)
	}
	return nil
}
