package breaker

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Config bounds Breakers. Zero fields take the defaults.
type Config struct {
	// Breakers that are not closed and clean: of one tenant, of one tenant and agent; 10,000 and 2,000. At a bound, an action
	// whose failure could not be counted is denied. Replicas and calls under way may pass a bound by what they have in hand,
	// but never twice the bound.
	MaxPerTenant, MaxPerTenantAgent int
	MaxTallies                      int           // tools whose successes are counted in memory; 100,000
	Timeout                         time.Duration // what a decision may wait for the store, all its swaps together; 1 s
}

func (c Config) withDefaults() Config {
	if c.MaxPerTenant == 0 {
		c.MaxPerTenant = 10_000
	}
	if c.MaxPerTenantAgent == 0 {
		c.MaxPerTenantAgent = max(c.MaxPerTenant/5, 1)
	}
	if c.MaxTallies == 0 {
		c.MaxTallies = 100_000
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	return c
}

// half is where rows that yield make no more records.
func (c Config) half() Config {
	return Config{MaxPerTenant: max(c.MaxPerTenant/2, 1), MaxPerTenantAgent: max(c.MaxPerTenantAgent/2, 1)}
}

// Validate refuses a configuration that is not bounded.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.MaxPerTenant < 1 || c.MaxPerTenant > 100_000 || c.MaxPerTenantAgent < 1 || c.MaxPerTenantAgent > c.MaxPerTenant {
		return fmt.Errorf("max breakers per tenant are 1 to 100,000, and per agent at most as many, not %d and %d", c.MaxPerTenant, c.MaxPerTenantAgent)
	}
	if c.MaxTallies < 1 || c.MaxTallies > 10_000_000 {
		return fmt.Errorf("max tallies are 1 to 10,000,000, not %d", c.MaxTallies)
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Minute {
		return fmt.Errorf("timeout is 1 ms to a minute, not %s", c.Timeout)
	}
	return nil
}

// Breakers hold back what keeps failing. What they know stands in a store that replicas share; in memory are only the
// successes of tools that do not fail, and how many breakers each agent has. They have nothing to close. Safe for
// concurrent use.
type Breakers struct {
	cfg     Config
	records ledger.Records
	tally   *tally
	census  census
	// slots let one report on a key in at a time, so that reports of this process do not run into each other in the store.
	slots   [64]chan struct{}
	seed    maphash.Seed
	trouble atomic.Pointer[trouble]
}

// trouble is the last failure of the store, until it is seen to work again.
type trouble struct {
	tenant string
	err    error
}

// New makes breakers over the records of a store.
func New(cfg Config, records ledger.Records) (*Breakers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("breakers: %w", err)
	}
	cfg = cfg.withDefaults()
	b := &Breakers{cfg: cfg, records: records, tally: newTally(cfg.MaxTallies), seed: maphash.MakeSeed()}
	for i := range b.slots {
		b.slots[i] = make(chan struct{}, 1)
	}
	return b, nil
}

// reportTimeout is how many times as long as a decision a report may wait: it has more to lose.
const reportTimeout = 5

// maxIDBytes bounds a decision's id.
const maxIDBytes = 128

func checkID(decisionID string) error {
	if decisionID == "" || len(decisionID) > maxIDBytes {
		return fmt.Errorf("%w: a decision id has 1 to %d bytes", limit.ErrInvalid, maxIDBytes)
	}
	return nil
}

// Check looks at all breakers that apply to an action. Where some are half open and none holds the action back, the
// action becomes the probe of each; it must then be followed by Record, or by Release if it is not allowed after all.
// ErrStateFull says that a failure of this action could not be counted, ErrUnavailable that the store does not answer, or
// cannot vouch for what it says: the action must not run.
func (b *Breakers) Check(ctx context.Context, defs []Definition, who limit.Subject, decisionID string) ([]Status, error) {
	if err := checkID(decisionID); err != nil {
		return nil, err
	}
	v, err := b.look(ctx, defs, &who)
	if err != nil {
		return nil, err
	}
	held, waiting := false, false
	for i := range v.guards {
		g := &v.guards[i]
		if g.err != nil {
			return nil, fmt.Errorf("%w: breaker %s %s: %w", limit.ErrUnavailable, g.def.Name, g.label(), g.err)
		}
		if g.raw == nil && !g.def.Yields && b.census.full(v, who.Agent, b.cfg, 1) {
			return nil, fmt.Errorf("%w: too many breakers are not closed", limit.ErrStateFull)
		}
		if g.rec != nil && g.rec.state != Closed {
			b.tally.forget(g.key)
		}
		held = held || g.rec.holds(v.now, decisionID)
		waiting = waiting || g.rec.ready(v.now, decisionID)
	}
	if waiting && !held {
		if err := b.probe(ctx, v, decisionID); err != nil {
			return nil, err
		}
	}
	return v.statuses(decisionID), nil
}

// Peek is Check that changes nothing: no action becomes a probe. A record that cannot be read is an open breaker.
func (b *Breakers) Peek(ctx context.Context, defs []Definition, who limit.Subject) ([]Status, error) {
	v, err := b.look(ctx, defs, &who)
	if err != nil {
		return nil, err
	}
	return v.statuses(""), nil
}

// probe makes an action the probe of every breaker that is ready, or of none: where another action was faster, what was
// taken is given back. All replicas take in the order of keys, so that of two that want the same, one gets all.
func (b *Breakers) probe(ctx context.Context, v *view, decisionID string) error {
	ctx, cancel := context.WithDeadline(ctx, v.began.Add(b.cfg.Timeout))
	defer cancel()
	order := make([]*guard, len(v.guards))
	for i := range v.guards {
		order[i] = &v.guards[i]
	}
	slices.SortFunc(order, func(x, y *guard) int { return strings.Compare(x.key, y.key) })
	for i, g := range order {
		_, err := b.change(ctx, v, g, func(r *record) (*record, bool) {
			if !r.ready(v.now, decisionID) {
				return r, false
			}
			return r.taken(g.def, decisionID, v.now), true
		})
		if err == nil && !g.rec.holds(v.now, decisionID) {
			continue
		}
		return errors.Join(err, b.giveBack(ctx, v, order[:i], decisionID))
	}
	return nil
}

// giveBack lets the next action be the probe at once.
func (b *Breakers) giveBack(ctx context.Context, v *view, guards []*guard, decisionID string) error {
	var errs []error
	for _, g := range guards {
		_, err := b.change(ctx, v, g, func(r *record) (*record, bool) {
			if !r.probedBy(decisionID) {
				return r, false
			}
			return r.released(v.now), true
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Release says that an action which Check made a probe, by the same definitions, did not run. The next one may be it at
// once.
func (b *Breakers) Release(ctx context.Context, defs []Definition, who limit.Subject, decisionID string) error {
	if err := checkID(decisionID); err != nil {
		return err
	}
	v, err := b.look(ctx, defs, &who)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	var probed []*guard
	for i := range v.guards {
		if g := &v.guards[i]; g.rec.probedBy(decisionID) {
			probed = append(probed, g)
		}
	}
	return b.giveBack(ctx, v, probed, decisionID)
}

// Record counts the outcome of an action, once: the caller sees to that, and may send again what failed with an error. It
// returns the breakers that changed state by it.
func (b *Breakers) Record(
	ctx context.Context, defs []Definition, who limit.Subject, decisionID string, outcome Outcome,
) ([]Change, error) {
	if err := checkID(decisionID); err != nil {
		return nil, err
	}
	v, err := b.look(ctx, defs, &who)
	if err != nil {
		return nil, err
	}
	for i := range v.guards {
		g := &v.guards[i]
		if g.err != nil {
			return nil, fmt.Errorf("%w: breaker %s %s: %w", limit.ErrUnavailable, g.def.Name, g.label(), g.err)
		}
		if g.raw == nil && outcome == Failure && !g.def.Yields && b.census.full(v, who.Agent, b.cfg, 2) {
			return nil, fmt.Errorf("%w: too many breakers are not closed", limit.ErrStateFull)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout*b.cfg.Timeout)
	defer cancel()
	var changes []Change
	var errs []error
	for i := range v.guards {
		g := &v.guards[i]
		if g.raw == nil && g.def.Yields && b.census.full(v, who.Agent, b.cfg.half(), 1) {
			continue
		}
		changed, err := b.report(ctx, v, g, &report{decision: decisionID, owner: who.Agent, outcome: outcome})
		errs = append(errs, err)
		if changed && err == nil {
			s := g.status(v.now, "")
			changes = append(changes, Change{Name: s.Name, Key: s.Key, State: s.State, Failures: s.Failures, RetryAt: s.RetryAt})
		}
	}
	return changes, errors.Join(errs...)
}

// report brings an outcome to one breaker.
func (b *Breakers) report(ctx context.Context, v *view, g *guard, in *report) (changed bool, err error) {
	if in.outcome == NotKnown && !g.rec.probedBy(in.decision) {
		return false, nil
	}
	slot := b.slots[maphash.String(b.seed, g.key)%uint64(len(b.slots))]
	select {
	case slot <- struct{}{}:
		defer func() { <-slot }()
	case <-ctx.Done():
		return false, fmt.Errorf("%w: breaker %s: %w", limit.ErrUnavailable, g.def.Name, ctx.Err())
	}
	if err := b.again(ctx, v, g); err != nil {
		return false, err
	}
	if g.rec != nil && g.rec.state != Closed {
		b.tally.forget(g.key)
	} else if in.outcome == Success {
		if g.def.rates() {
			b.tally.add(g.key, g.def.width(), v.now)
		}
		if !b.due(v, g) {
			return false, nil
		}
	}
	if err := b.confirm(ctx, v, g, in.decision); err != nil {
		return false, err
	}
	merging := false
	changed, err = b.change(ctx, v, g, func(r *record) (*record, bool) {
		if g.def.rates() {
			in.successes = b.tally.unmerged(g.key, r != nil && r.state == Closed, g.def.width(), v.now)
		}
		next, changed := r.after(g.def, in, v.now)
		merging = next != r
		return next, changed
	})
	switch {
	case g.rec != nil && g.rec.state != Closed:
		b.tally.forget(g.key)
	case merging && (g.rec != nil || err != nil): // after an error, too: counted twice, successes would hide failures
		b.tally.mark(g.key, in.successes)
	}
	return changed, err
}

// confirm makes sure of a breaker that waits for a probe. Another replica may have let one go a moment ago, and this may be
// its report: ignoring it would hold everybody back for as long as a probe has.
func (b *Breakers) confirm(ctx context.Context, v *view, g *guard, decisionID string) error {
	if !g.rec.ready(v.now, decisionID) {
		return nil
	}
	current, swapped, err := b.swap(ctx, v, g.key, g.raw, g.raw, g.rec)
	if err != nil || swapped {
		return err
	}
	g.set(current, v.now)
	return g.err
}

// due says whether a success has to be written: it ends a row of failures, there are too few reports for a rate, or others
// wait from before this part of the window.
func (b *Breakers) due(v *view, g *guard) bool {
	switch {
	case g.rec == nil, g.def.inARow() == 0 && !g.def.rates():
		return false
	case g.rec.failures > 0 || !g.def.rates():
		return true
	}
	if calls, _ := sum(g.rec.parts); calls < g.def.minimum() {
		return true
	}
	waiting := b.tally.unmerged(g.key, true, g.def.width(), v.now)
	return len(waiting) > 0 && waiting[0].index < v.now.latest/g.def.width()
}

// Health says what keeps breakers from being kept, or nil. It may ask the store.
func (b *Breakers) Health() error {
	t := b.trouble.Load()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Timeout)
	defer cancel()
	_, err := b.read(ctx, t.tenant)
	return err
}
