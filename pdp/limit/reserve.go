package limit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// maxIDBytes bounds the id of a reservation.
const maxIDBytes = 128

// ReserveOptions steer one reservation.
type ReserveOptions struct {
	// Approved names the limits that ask and that a person has let this very action pass. Others go on asking.
	Approved []string
}

// Hold is what an action holds until it is known whether it is allowed: then Keep or Refund it, once. The zero value is
// ready; a used one may be reserved with again, and allocates nothing then. Not safe for concurrent use.
type Hold struct {
	// Local is set where a limit went on with what was leased before, because the ledger did not answer.
	Local bool

	open     bool // has something to keep or refund
	allowed  bool // no limit stops the action
	tenant   string
	agent    string
	earliest int64 // that the ledger's time could be when blocks were spent from
	reserved money
	work     scratch
}

// plan is what a call does about one limit.
type plan uint8

const (
	look  plan = iota // what is known already will do
	take              // from the block
	owe               // charge it behind: it only alerts
	leave             // do not charge: it counts allowed actions, and this one asks
	ask               // the ledger
)

// item is one limit that applies to a call.
type item struct {
	rule       *rule
	start, end int // of the key in the scratch buffer
	hash       uint64
	cell       *cell // only under the locks
	want       int64
	class      ledger.Class
	plan       plan
	exceeded   bool
	unsure     bool // nobody knows whether the action would pass it
	charged    bool
	amnesia    bool
	index      int64 // of the sub-bucket that holds the units
	line       int   // in the batch
	used       int64
	resetsAt   int64
}

// scratch is the working memory of one call.
type scratch struct {
	keys  []byte
	items []item
	locks lockSet
}

func (s *scratch) key(it *item) []byte { return s.keys[it.start:it.end] }

// gather finds the limits that apply, and the shards to lock. With only, it takes those whose measure is among what is to
// be charged.
func (s *scratch) gather(e *Engine, set *Set, who *Subject, want *Amounts, approved []string, only bool) error {
	s.keys, s.items, s.locks = s.keys[:0], s.items[:0], lockSet{}
	if err := who.validate(); err != nil {
		return err
	}
	if err := want.validate(); err != nil {
		return err
	}
	for i := range set.rules {
		r := &set.rules[i]
		units := min(want.of(r.measure), MaxUnits)
		if only && units == 0 || !r.fits(who) {
			continue
		}
		start := len(s.keys)
		s.keys = r.appendKey(s.keys, who)
		hash := maphash.Bytes(e.seed, s.keys[start:])
		class := r.class
		if only || class == ledger.Soft && slices.Contains(approved, r.def.Name) {
			class = ledger.Free
		}
		s.locks.add(hash)
		it := s.another()
		it.rule, it.start, it.end, it.hash, it.want, it.class = r, start, len(s.keys), hash, units, class
	}
	return nil
}

// another is the next item, as good as new. It is written where it stands: a copy would cost as much as the charge.
func (s *scratch) another() *item {
	n := len(s.items)
	if n == cap(s.items) {
		s.items = append(s.items, item{})
		return &s.items[n]
	}
	s.items = s.items[:n+1]
	it := &s.items[n]
	*it = item{}
	return it
}

// Reserve charges all limits that apply to an action, or none; hold says where they stand then. Exceeded marks those that
// the action would pass.
//
// If a limit that denies is exceeded, nothing at all is charged. If one that asks is, and nobody approved, only limits
// that count attempts are charged, and the asking one itself is not.
//
// ErrStateFull and ErrUnavailable mean that nothing is charged and the action must be denied.
func (e *Engine) Reserve(ctx context.Context, set *Set, who *Subject, want *Amounts, opt ReserveOptions, hold *Hold) error {
	hold.Local, hold.open, hold.allowed, hold.tenant, hold.agent = false, false, false, who.Tenant, who.Agent
	if err := hold.work.gather(e, set, who, want, opt.Approved, false); err != nil {
		return err
	}
	hold.reserved = money{want.CostMicroUSD, want.Tokens}
	return e.reserve(ctx, &hold.work, hold)
}

// reserve tries until it neither has to wait for somebody else's batch nor for its own.
func (e *Engine) reserve(ctx context.Context, s *scratch, hold *Hold) error {
	tried := false
	for {
		s.lock(e)
		if err := e.usable(); err != nil {
			s.unlock(e)
			return err
		}
		earliest, now, known := e.ledger.Now() // under the locks: the order of locks is the order of time
		if !known {
			now = 0 // nothing is held yet
		}
		hold.earliest = earliest
		if s.spend(e, now) {
			s.unlock(e)
			hold.open, hold.allowed = true, true
			return nil
		}
		wait, err := s.decide(e, hold, now)
		if err != nil {
			s.unlock(e)
			return err
		}
		if wait == nil && s.toAsk() == 0 {
			err := s.carryOut(e, hold, now)
			s.conclude(hold, err == nil)
			s.unlock(e)
			return err
		}
		if wait != nil {
			if err := s.await(ctx, e, wait); err != nil {
				return err
			}
			continue
		}
		err = e.ask(ctx, s, hold, now)
		if !errors.Is(err, ErrUnavailable) || tried || !s.mayGoOnAlone() {
			return err
		}
		tried = true // now it is known that the ledger is gone
	}
}

// spend is the way that nearly all calls go: every limit that is charged has enough in its block. It does nothing, and says
// so, if that is not the case. Call it under the locks.
func (s *scratch) spend(e *Engine, now int64) bool {
	if e.down.Load() {
		return false
	}
	for i := range s.items {
		it := &s.items[i]
		c := e.shards[it.hash>>56].cells[it.hash]
		if c == nil || it.want == 0 || !c.has(it.want, now, it.rule, false) || c.period != it.rule.period || c.key != string(s.key(it)) {
			return false
		}
		it.cell = c
	}
	for i := range s.items {
		it := &s.items[i]
		c := it.cell
		it.plan, it.charged, it.exceeded = take, true, false
		it.index = c.take(now, it.want)
		if c.left < c.size/2 {
			e.topUp(c)
		}
		it.note()
	}
	return true
}

// await lets go of the locks and waits until somebody else's batch is back, having said how much is waited for: that batch
// may be followed by one for all who wait.
func (s *scratch) await(ctx context.Context, e *Engine, f *flight) error {
	for i := range s.items {
		if it := &s.items[i]; it.plan == ask {
			it.cell.waiting = ledger.Add(it.cell.waiting, it.want)
		}
	}
	s.unlock(e)
	var err error
	select {
	case <-f.done:
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	s.lock(e)
	for i := range s.items {
		if it := &s.items[i]; it.plan == ask {
			it.cell.waiting = max(it.cell.waiting-it.want, 0)
			e.unpin(it.cell)
		}
	}
	s.unlock(e)
	return err
}

// mayGoOnAlone says whether a limit of this call may be charged while the ledger is gone.
func (s *scratch) mayGoOnAlone() bool {
	return slices.ContainsFunc(s.items, func(it item) bool { return it.rule.local })
}

// toAsk is how many limits the ledger must be asked about.
func (s *scratch) toAsk() (n int) {
	for i := range s.items {
		if s.items[i].plan == ask {
			n++
		}
	}
	return n
}

// decide looks at all limits and says what to do about each, changing nothing but who waits. It returns a batch under way
// that must be waited for, if there is one.
func (s *scratch) decide(e *Engine, hold *Hold, now int64) (wait *flight, err error) {
	down := e.down.Load()
	denied, soft, unsure := false, false, false
	for i := range s.items {
		it := &s.items[i]
		if it.cell, err = e.find(s.key(it), it.hash, hold.tenant, hold.agent); err != nil {
			return nil, err
		}
		it.cell.resize(it.rule.period, now)
		it.exceeded, it.unsure, it.charged = false, false, false
		it.decide(e, now, down)
		switch {
		case !it.exceeded || it.class == ledger.Free:
		case it.class == ledger.Hard:
			denied = true
		default:
			soft = true
		}
		unsure = unsure || it.unsure && it.class == ledger.Hard
	}
	for i := range s.items {
		it := &s.items[i]
		switch {
		case denied: // nothing is charged, and nobody is asked
			it.plan = look
			continue
		case soft && !unsure && (!it.rule.attempts || it.class == ledger.Soft && it.exceeded):
			it.plan = leave
			continue
		case unsure && it.exceeded && it.class == ledger.Soft: // the ledger must say whether to ask, or to deny
			it.plan = ask
		}
		if it.plan == ask && it.cell.flight != nil {
			wait = it.cell.flight
		}
	}
	return wait, nil
}

// decide says what to do about one limit by itself.
func (it *item) decide(e *Engine, now int64, down bool) {
	c := it.cell
	alone := down && it.rule.local
	age := now - c.seen
	known := c.seen != 0 && len(c.refunds) == 0 && (c.resetsAt == 0 || now < c.resetsAt)
	over := it.over(c.total())
	recent := known && (age <= micros(e.cfg.ViewFor) || e.alone && !over) || c.seen != 0 && alone
	switch {
	case down && !alone: // whatever is in hand: this limit denies while the ledger is gone
		it.plan = ask
	case it.want == 0 && recent:
		it.plan, it.exceeded = look, over
	case it.want > 0 && c.has(it.want, now, it.rule, alone):
		it.plan = take
	case it.want > 0 && it.class == ledger.Free && recent && over && it.rule.class == ledger.Free:
		it.plan, it.exceeded = owe, true
	case it.want > 0 && it.class != ledger.Free && known && age <= fullFor && c.full > 0 && it.want >= c.full && (over || c.amnesia):
		it.plan, it.exceeded = look, true // a moment ago the ledger had no room for as many
	default:
		it.plan, it.unsure = ask, !recent
	}
}

// fullFor is how long a ledger's no is believed, in microseconds: a flood of calls past a limit must not become a flood
// of questions. What this engine gives back itself ends it at once.
const fullFor = 20_000

// over says whether the units would go past the limit.
func (it *item) over(used int64) bool { return used > it.rule.most || it.want > it.rule.most-used }

// carryOut does what was decided where the ledger need not be asked. Call it under the locks.
func (s *scratch) carryOut(e *Engine, hold *Hold, now int64) error {
	if err := e.room(len(s.items)); err != nil {
		return err
	}
	down := e.down.Load()
	for i := range s.items {
		it := &s.items[i]
		switch it.plan {
		case take:
			it.index, it.charged = it.cell.take(now, it.want), true
			e.pin(it.cell)
			e.topUp(it.cell)
			if down {
				hold.Local = true
				e.stats.local.Add(1)
			}
		case owe:
			it.cell.owed = ledger.Add(it.cell.owed, it.want)
			it.index, it.charged = it.cell.period.Index(now), true
			e.pin(it.cell)
			e.urge(it.cell)
		case look, leave, ask:
		}
	}
	return nil
}

// undo takes back what carryOut charged of the limits that keep says no to. Those cells were not in the batch: meanwhile they
// may have been reported, left to the cache and made anew, or resized, as with a refund.
func (s *scratch) undo(e *Engine, hold *Hold, keep func(*item) bool) {
	for i := range s.items {
		it := &s.items[i]
		if !it.charged || it.plan != take && it.plan != owe || keep(it) {
			continue
		}
		it.charged = false
		e.refund(it, hold)
	}
}

// conclude notes where the limits stand. Call it under the locks.
func (s *scratch) conclude(hold *Hold, charged bool) {
	hold.open, hold.allowed = charged, charged
	for i := range s.items {
		it := &s.items[i]
		if it.exceeded && it.class != ledger.Free {
			hold.allowed = false
		}
		it.note()
	}
}

func (it *item) note() {
	if c := it.cell; c != nil {
		it.used, it.resetsAt, it.amnesia = c.shown(), c.resetsAt, c.amnesia
		it.cell = nil
	}
}

// Statuses are those of every limit that applies, in the order of the table, after the charge.
func (h *Hold) Statuses() []Status {
	out := make([]Status, len(h.work.items))
	for i := range h.work.items {
		out[i] = h.work.items[i].status()
	}
	return out
}

func (it *item) status() Status {
	d := it.rule.def
	out := Status{
		Name: d.Name, Measure: d.Measure, Scope: d.Scope, Used: it.used, Remaining: max(d.Max-it.used, 0), Max: d.Max,
		WindowSeconds: d.WindowSeconds, Period: d.Forgets(), Exceeded: it.exceeded, OnExceed: d.onExceed(), Amnesia: it.amnesia,
	}
	if it.resetsAt > 0 {
		out.ResetsAt = instant(it.resetsAt)
	}
	return out
}

// lock takes the locks of all limits of the call; most have one.
func (s *scratch) lock(e *Engine) {
	if len(s.items) == 1 {
		e.shards[s.items[0].hash>>56].mu.Lock()
		return
	}
	s.locks.lock(e)
}

func (s *scratch) unlock(e *Engine) {
	if len(s.items) == 1 {
		e.shards[s.items[0].hash>>56].mu.Unlock()
		return
	}
	s.locks.unlock(e)
}
