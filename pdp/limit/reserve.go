package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"
)

// maxIDBytes bounds the id of a reservation.
const maxIDBytes = 128

// ReserveOptions steer one reservation.
type ReserveOptions struct {
	// Approved says that a person approved this very action: it may pass limits that ask.
	Approved bool
}

// item is one limit that applies to a call.
type item struct {
	def        *Definition
	start, end int // of the key in the scratch buffer
	hash       uint64
	cell       *cell // nil: the ledger says that there is none
	want       int64
	exceeded   bool
}

// scratch is the working memory of one call, kept in a pool so that a hot call allocates only what it returns.
type scratch struct {
	keys  []byte
	items []item
	locks lockSet
}

func (s *scratch) key(i *item) []byte { return s.keys[i.start:i.end] }

func (e *Engine) borrow() *scratch {
	s, _ := e.scratch.Get().(*scratch)
	return s
}

func (e *Engine) giveBackScratch(s *scratch) {
	clear(s.items) // keep no cell and no definition alive
	s.keys, s.items, s.locks = s.keys[:0], s.items[:0], lockSet{}
	e.scratch.Put(s)
}

// plan finds the limits that apply, and the shards to lock. With only, it takes those whose measure is among what is to
// be charged.
func (s *scratch) plan(e *Engine, defs []Definition, who *Subject, want *Amounts, only bool) error {
	if len(defs) > MaxDefinitions {
		return fmt.Errorf("%w: %d definitions, at most %d", ErrInvalid, len(defs), MaxDefinitions)
	}
	if err := who.validate(); err != nil {
		return err
	}
	if err := want.validate(); err != nil {
		return err
	}
	for i := range defs {
		d := &defs[i]
		scope, units := scopeOf(d.Scope), want.of(d.Measure)
		if only && units == 0 || !who.fits(scope, d.Tools, d.Kinds) {
			continue
		}
		start := len(s.keys)
		s.keys = appendKey(s.keys, d.Name, measureCode(d.Measure), scope, who)
		hash := maphash.Bytes(e.seed, s.keys[start:])
		for j := range s.items {
			if s.items[j].hash == hash { // they would share a counter, and each would see room for itself
				return fmt.Errorf("%w: limit %s stands there twice", ErrInvalid, d.Name)
			}
		}
		s.locks.add(hash)
		s.items = append(s.items, item{def: d, start: start, end: len(s.keys), hash: hash, want: units})
	}
	return nil
}

// load finds the cells, and moves them on to now. Call it under the locks.
func (s *scratch) load(ctx context.Context, e *Engine, now int64) error {
	for i := range s.items {
		it := &s.items[i]
		c, err := e.find(ctx, s.key(it), it.hash)
		if err != nil {
			return err
		}
		if c != nil {
			c.resize(widthOf(it.def.WindowSeconds), now)
			c.advance(now)
		}
		it.cell = c
	}
	return nil
}

// find returns the live cell of a key, or nil if there is none: only the ledger says so. Call it under the shard's lock.
func (e *Engine) find(ctx context.Context, key []byte, hash uint64) (*cell, error) {
	s := e.shard(hash)
	if c, ok := s.cells.get(key); ok {
		if c.dead {
			return nil, nil
		}
		return c, nil
	}
	if c, ok := e.hot.Get(hash); ok && c.key == string(key) {
		return c, nil
	}
	value, err := e.ledger.Load(ctx, CellSpace, key)
	if err != nil {
		return nil, fmt.Errorf("%w: read a counter: %w", ErrUnavailable, err)
	}
	if value == nil {
		return nil, nil
	}
	owner, w, ok := decodeCell(value)
	if !ok {
		return nil, fmt.Errorf("%w: a counter's record cannot be read", ErrUnavailable)
	}
	c := &cell{window: w, key: string(key), owner: owner, hash: hash}
	e.keep(c)
	return c, nil
}

// keep shows a cell to the cache. It waits until the cache has taken or refused it, so that no older copy can be queued
// and come to light later. A refusal costs a read of the ledger, never a count.
func (e *Engine) keep(c *cell) {
	if e.hot.Set(c.hash, c, 1) {
		e.hot.Wait()
	}
}

// create makes the cell of a key, or revives the one whose record is being deleted. Its place in the quota is booked.
func (e *Engine) create(key []byte, hash uint64, width int64, owner string) *cell {
	s := e.shard(hash)
	c, ok := s.cells.get(key)
	switch {
	case ok && !c.dead:
		return c // the caller named one limit twice
	case ok:
		e.pending.Add(s.cells.touch(c.key, c)) // before it changes: the commit under way deletes it
		c.dead, c.owner, c.window = false, owner, window{width: width}
	default:
		c = &cell{window: window{width: width}, key: string(key), owner: owner, hash: hash}
	}
	e.keep(c)
	return c
}

// bury begins to delete the record of a cell without units.
func (e *Engine) bury(c *cell, tenant string) {
	e.pending.Add(e.shard(c.hash).cells.touch(c.key, c))
	c.dead = true
	e.hot.Del(c.hash)
	e.keys.give(holder{tenant, c.owner})
}

// charge adds units to a cell and notes that it waits for a commit.
func (e *Engine) charge(c *cell, now, units int64) int64 {
	e.pending.Add(e.shard(c.hash).cells.touch(c.key, c))
	return c.charge(now, units)
}

// room says whether n more records may wait for a commit.
func (e *Engine) room(n int) error {
	if e.pending.Load()+int64(n) > int64(e.cfg.MaxPending) {
		return fmt.Errorf("%w: %d changes wait for the disk", ErrStateFull, e.cfg.MaxPending)
	}
	return nil
}

// Reserve charges all limits that apply to an action, or none. The statuses are those of every limit that applies, in
// the order of defs, after the call; Exceeded marks those that the action would pass.
//
// If a limit that denies is exceeded, nothing at all is charged. If one that asks is, and nobody approved, only limits
// that count attempts are charged, and the asking one itself is not. Limits that alert are always charged.
//
// The reservation can be settled or refunded by its id until it expires; then, and if it never is, it stays charged in
// full. Ids are unique, as decision ids are. ErrStateFull and ErrUnavailable mean that nothing is charged and the
// action must be denied; with ErrStateFull the statuses are still there.
func (e *Engine) Reserve(
	ctx context.Context, id string, defs []Definition, who Subject, want Amounts, expires time.Time, opt ReserveOptions,
) ([]Status, error) {
	if id == "" || len(id) > maxIDBytes {
		return nil, fmt.Errorf("%w: a reservation id has 1 to %d bytes", ErrInvalid, maxIDBytes)
	}
	s := e.borrow()
	defer e.giveBackScratch(s)
	if err := s.plan(e, defs, &who, &want, false); err != nil {
		return nil, err
	}
	idHash := maphash.String(e.seed, id)
	s.locks.add(idHash)
	s.locks.lock(e)
	defer s.locks.unlock(e)
	if err := e.usable(); err != nil {
		return nil, err
	}
	home := e.shard(idHash)
	if _, there := home.recent[id]; there {
		return nil, ErrDuplicate
	}
	now := e.clock.now() // under the locks: the order of locks is the order of time
	if err := s.load(ctx, e, now); err != nil {
		return nil, err
	}
	mayCharge, mayAllow := s.judge(opt)
	var err error
	if mayCharge {
		err = e.reserve(s, home, id, &who, &want, now, expires.UnixNano(), mayAllow, opt)
	}
	statuses := make([]Status, len(s.items))
	for i := range s.items {
		statuses[i] = s.items[i].status()
	}
	return statuses, err
}

// judge marks what is exceeded. It returns whether anything may be charged, and whether what counts allowed actions may.
func (s *scratch) judge(opt ReserveOptions) (mayCharge, mayAllow bool) {
	mayCharge, mayAllow = true, true
	for i := range s.items {
		it := &s.items[i]
		it.exceeded = it.def.exceeded(it.used(), it.want)
		if !it.exceeded {
			continue
		}
		switch it.def.onExceed() {
		case Deny:
			mayCharge = false
		case RequireApproval:
			mayAllow = mayAllow && opt.Approved
		case Alert:
		}
	}
	return mayCharge, mayAllow
}

// charges says whether a limit is charged by an action that no hard limit denies.
func (it *item) charges(mayAllow, approved bool) bool {
	switch {
	case mayAllow:
		return true
	case it.def.Counts != Attempts:
		return false
	}
	return !it.exceeded || approved || it.def.onExceed() != RequireApproval
}

// reserve books places first, all or none, and then cannot fail.
func (e *Engine) reserve(
	s *scratch, home *shard, id string, who *Subject, want *Amounts, now, expires int64, mayAllow bool, opt ReserveOptions,
) error {
	me := holder{who.Tenant, who.Agent}
	fresh, settles := 0, false
	for i := range s.items {
		it := &s.items[i]
		if !it.charges(mayAllow, opt.Approved) {
			continue
		}
		if it.cell == nil && it.def.Measure == Failures && e.keys.full(me, 2) {
			return fmt.Errorf("%w: a failure of this action could not be counted", ErrStateFull)
		}
		settles = settles || it.def.settles()
		if it.want > 0 && it.cell == nil {
			fresh++
		}
	}
	if err := e.room(len(s.items) + 1); err != nil {
		return err
	}
	if fresh > 0 && !e.keys.take(me, fresh, 1) {
		return fmt.Errorf("%w: this agent, its tenant or all together have as many as they may", ErrStateFull)
	}
	r := home.makeRoom()
	r.id, r.tenant, r.agent, r.state, r.expires = id, who.Tenant, who.Agent, stateOpen, expires
	if mayAllow {
		r.reserved = money{want.CostMicroUSD, want.Tokens}
	}
	for i := range s.items {
		it := &s.items[i]
		if it.charges(mayAllow, opt.Approved) && (it.want > 0 || it.def.settles()) {
			r.charges = append(r.charges, e.book(s, it, who.Agent, now))
		}
	}
	// What only counts calls has nothing to settle; losing it in a crash leaves it charged.
	if settles && e.reservations.take(me, 1, 1) {
		r.durable = true
		e.pending.Add(home.held.touch(id, r))
	}
	home.remember(r)
	if r.durable || len(r.charges) > 0 {
		e.wake()
	}
	return nil
}

// book charges one limit and says where the units are. Money that is not asked for yet has a place too: a debt goes there.
func (e *Engine) book(s *scratch, it *item, owner string, now int64) charge {
	c := charge{
		hash: it.hash, width: widthOf(it.def.WindowSeconds), units: it.want,
		measure: measureCode(it.def.Measure), attempts: it.def.Counts == Attempts,
	}
	if it.cell == nil && it.want > 0 {
		it.cell = e.create(s.key(it), it.hash, c.width, owner)
	}
	if it.cell == nil {
		c.key = string(s.key(it))
		return c
	}
	c.key = it.cell.key
	if it.want > 0 {
		c.index = e.charge(it.cell, now, it.want)
	}
	return c
}

func (e *Engine) wake() {
	if e.committer != nil {
		e.committer.changed()
	}
}

func (it *item) used() int64 {
	if it.cell == nil {
		return 0
	}
	return it.cell.sum
}

func (it *item) status() Status {
	d, used := it.def, it.used()
	out := Status{
		Name: d.Name, Measure: d.Measure, Scope: d.Scope, Used: used, Remaining: max(d.Max-used, 0), Max: d.Max,
		WindowSeconds: d.WindowSeconds, Exceeded: it.exceeded, OnExceed: d.onExceed(),
	}
	if it.cell != nil && len(it.cell.buckets) > 0 {
		out.ResetsAt = instant(it.cell.resetsAt())
	}
	return out
}

// Add charges what has happened already, limits or not: failures, or what a closed reservation cost beyond its estimate.
// The statuses are those of the limits that were charged. It may use up to twice the bounds on distinct counters, since
// what has happened cannot be refused; ErrStateFull beyond.
func (e *Engine) Add(ctx context.Context, defs []Definition, who Subject, amounts Amounts) ([]Status, error) {
	s := e.borrow()
	defer e.giveBackScratch(s)
	if err := s.plan(e, defs, &who, &amounts, true); err != nil {
		return nil, err
	}
	s.locks.lock(e)
	defer s.locks.unlock(e)
	if err := e.usable(); err != nil {
		return nil, err
	}
	now := e.clock.now()
	if err := s.load(ctx, e, now); err != nil {
		return nil, err
	}
	fresh := 0
	for i := range s.items {
		if s.items[i].cell == nil {
			fresh++
		}
	}
	if err := e.room(len(s.items)); err != nil {
		return nil, err
	}
	if !e.keys.take(holder{who.Tenant, who.Agent}, fresh, 2) {
		return nil, fmt.Errorf("%w: this agent, its tenant or all together have twice as many as they may", ErrStateFull)
	}
	statuses := make([]Status, len(s.items))
	for i := range s.items {
		it := &s.items[i]
		if it.cell == nil {
			it.cell = e.create(s.key(it), it.hash, widthOf(it.def.WindowSeconds), who.Agent)
		}
		e.charge(it.cell, now, it.want)
		it.exceeded = it.def.exceeded(it.used(), 0)
		statuses[i] = it.status()
	}
	if len(s.items) > 0 {
		e.wake()
	}
	return statuses, nil
}
