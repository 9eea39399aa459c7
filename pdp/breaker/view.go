package breaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// view is one look at a tenant's records, and at the breakers that apply to one action.
type view struct {
	tenant  string
	records map[string][]byte
	now     moment
	guards  []guard
	began   time.Time // the look at it, by this machine's clock
}

// guard is a breaker that applies to an action. rec is nil where nothing has failed.
type guard struct {
	def *Definition
	key string
	raw []byte  // the record as it stands in the store
	rec *record // nil too if it is too old to mean anything
	err error   // it cannot be read
}

func (g *guard) set(raw []byte, now moment) {
	g.raw = raw
	g.rec, g.err = decode(raw)
	if g.rec != nil && g.rec.forgotten(now) {
		g.rec = nil
	}
}

func (g *guard) label() string {
	k, _ := limit.ParseKey([]byte(g.key))
	return k.Label()
}

func (g *guard) status(now moment, decision string) Status {
	return g.rec.status(g.def.Name, g.label(), g.err, now, decision)
}

func (r *record) status(name, label string, unread error, now moment, decision string) Status {
	s := Status{Name: name, Key: label, State: Closed}
	if unread != nil {
		s.State = Open
	}
	if r == nil {
		return s
	}
	s.State, s.Failures = r.state, r.failures
	if r.state == Closed {
		return s
	}
	s.Probe = r.probedBy(decision)
	if r.over(now) {
		s.State = HalfOpen
	} else if !s.Probe {
		s.RetryAt = time.UnixMicro(r.until).UTC()
		s.RetryAfter = time.Duration(r.until-now.earliest) * time.Microsecond
	}
	return s
}

func (v *view) statuses(decision string) []Status {
	out := make([]Status, len(v.guards))
	for i := range v.guards {
		out[i] = v.guards[i].status(v.now, decision)
	}
	return out
}

// look reads what is known about an action. Where no row is about it the store is not asked: it may be gone.
func (b *Breakers) look(ctx context.Context, defs []Definition, who *limit.Subject) (*view, error) {
	if err := who.Validate(); err != nil {
		return nil, err
	}
	if len(defs) > limit.MaxDefinitions {
		return nil, fmt.Errorf("%w: %d definitions, at most %d", limit.ErrInvalid, len(defs), limit.MaxDefinitions)
	}
	var guards []guard
	for i := range defs {
		if key, ok := defs[i].keyOf(who); ok {
			guards = append(guards, guard{def: &defs[i], key: string(key)})
		}
	}
	if len(guards) == 0 {
		return &view{tenant: who.Tenant}, nil
	}
	v, err := b.read(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	for i := range guards {
		guards[i].set(v.records[guards[i].key], v.now)
	}
	v.guards = guards
	return v, nil
}

// read returns a tenant's records, and when that was.
func (b *Breakers) read(ctx context.Context, tenant string) (*view, error) {
	began := time.Now()
	records, err := b.records.Records(ctx, tenant)
	if err != nil {
		return nil, b.failed(ctx, tenant, "read", err)
	}
	v := &view{tenant: tenant, records: records, began: began}
	if v.now, err = b.time(); err != nil {
		return nil, b.failed(ctx, tenant, "read", err)
	}
	if b.trouble.Load() != nil {
		b.trouble.Store(nil)
	}
	return v, nil
}

// again brings a guard up to date.
func (b *Breakers) again(ctx context.Context, v *view, g *guard) error {
	fresh, err := b.read(ctx, v.tenant)
	if err != nil {
		return err
	}
	v.now = fresh.now
	g.set(fresh.records[g.key], v.now)
	return g.err
}

func (b *Breakers) time() (moment, error) {
	earliest, latest, known := b.records.Now()
	if !known {
		return moment{}, errors.New("its time is not known yet")
	}
	return moment{max(earliest, 0), max(latest, earliest, 0)}, nil
}

func (b *Breakers) failed(ctx context.Context, tenant, what string, err error) error {
	if !errors.Is(ctx.Err(), context.Canceled) { // a caller that hung up says nothing about the store
		b.trouble.Store(&trouble{tenant, err})
	}
	return fmt.Errorf("%w: %s records of breakers: %w", limit.ErrUnavailable, what, err)
}

// change replaces a record by what next makes of it, by compare-and-set, again and again until nobody else was faster or
// ctx ends. next says whether the state changed by it, and returns what it was given to change nothing. The guard has what
// the record is then.
func (b *Breakers) change(ctx context.Context, v *view, g *guard, next func(*record) (*record, bool)) (changed bool, err error) {
	for attempt := 0; ; attempt++ {
		if g.err != nil {
			return false, fmt.Errorf("%w: breaker %s %s: %w", limit.ErrUnavailable, g.def.Name, g.label(), g.err)
		}
		to, changed := next(g.rec)
		if to == g.rec {
			return changed, nil
		}
		raw := to.encode()
		current, swapped, err := b.swap(ctx, v, g.key, g.raw, raw, to)
		if err != nil {
			return false, err
		}
		if swapped || bytes.Equal(current, raw) && (current == nil) == (raw == nil) {
			g.raw, g.rec = raw, to
			return changed, nil
		}
		if err := pause(ctx, attempt); err != nil {
			return false, fmt.Errorf("%w: breaker %s changes too often: %w", limit.ErrUnavailable, g.def.Name, err)
		}
		if v.now, err = b.time(); err != nil {
			return false, b.failed(ctx, v.tenant, "read", err)
		}
		g.set(current, v.now)
	}
}

func (b *Breakers) swap(ctx context.Context, v *view, key string, old, raw []byte, to *record) ([]byte, bool, error) {
	keep := to.lasts()
	if to != nil {
		keep += max(to.until-v.now.latest, 0)
	}
	current, swapped, err := b.records.Swap(ctx, v.tenant, key, old, raw, keep)
	if err != nil {
		return nil, false, b.failed(ctx, v.tenant, "write", err)
	}
	return current, swapped, nil
}

// pause waits a little before a swap is tried again: not at all the first time, then longer, by chance, so that replicas
// which ran into each other do not do so again.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	most := min(int64(attempt)*int64(time.Millisecond), int64(20*time.Millisecond))
	timer := time.NewTimer(time.Duration(rand.Int64N(most))) //nolint:gosec // spreads load; nothing is gained by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
