package limit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Defaults and bounds of a breaker.
const (
	defaultConsecutiveFailures = 5
	defaultOpenSeconds         = 60
	maxConsecutiveFailures     = 1_000_000
	maxOpenSeconds             = 86_400
)

// BreakerDefinition is one row of the bundle's table of breakers.
type BreakerDefinition struct {
	Name                string      `json:"name"`
	Scope               []Dimension `json:"scope"`                          // who shares a breaker; default agent and tool
	ConsecutiveFailures int64       `json:"consecutive_failures,omitempty"` // so many in a row open it; default 5
	OpenSeconds         int64       `json:"open_seconds,omitempty"`         // the cool-down; default 60, at most a day
	Tools               []string    `json:"tools,omitempty"`                // only these; empty: all
	Kinds               []string    `json:"kinds,omitempty"`                // only these; empty: all
	Description         string      `json:"description,omitempty"`          // for people
}

// Validate says all that is wrong with the row.
func (d BreakerDefinition) Validate() error {
	errs := []error{checkName(d.Name), checkFilter("tools", d.Tools), checkFilter("kinds", d.Kinds)}
	if len(d.Scope) > 0 {
		errs = append(errs, checkScope(d.Scope))
	}
	if d.ConsecutiveFailures < 0 || d.ConsecutiveFailures > maxConsecutiveFailures {
		errs = append(errs, fmt.Errorf("consecutive_failures is 1 to %d, not %d", maxConsecutiveFailures, d.ConsecutiveFailures))
	}
	if d.OpenSeconds < 0 || d.OpenSeconds > maxOpenSeconds {
		errs = append(errs, fmt.Errorf("open_seconds is 1 to %d, not %d", maxOpenSeconds, d.OpenSeconds))
	}
	return errors.Join(errs...)
}

func (d *BreakerDefinition) scope() scopeMask {
	if len(d.Scope) == 0 {
		return agentBit | toolBit
	}
	return scopeOf(d.Scope)
}

func (d *BreakerDefinition) threshold() int64 {
	return cmp.Or(d.ConsecutiveFailures, defaultConsecutiveFailures)
}

func (d *BreakerDefinition) coolDown() int64 {
	return cmp.Or(d.OpenSeconds, defaultOpenSeconds) * int64(time.Second)
}

// BreakerState is where a breaker stands.
type BreakerState string

// The states. An open breaker whose cool-down is over is half open: it admits one probe at a time.
const (
	Closed   BreakerState = "closed"
	Open     BreakerState = "open"
	HalfOpen BreakerState = "half_open"
)

// Outcome is what became of an action, as far as breakers care.
type Outcome int

// The outcomes. NotKnown is neither a success nor a failure; a probe that ends so opens the breaker again.
const (
	NotKnown Outcome = iota
	Success
	Failure
)

// BreakerStatus is where one breaker stands for one subject. The action may go on if the state is Closed or Probe is set.
type BreakerStatus struct {
	Name     string
	Key      string // what it guards: the values of its scope, joined by a slash
	State    BreakerState
	Failures int64     // in a row
	RetryAt  time.Time // when a probe is admitted at the latest; zero if closed, or if it is admitted now
	Probe    bool      // this action is the probe
}

// BreakerChange is a breaker that came to another state.
type BreakerChange struct {
	Name, Key string
	State     BreakerState
	Failures  int64
	RetryAt   time.Time
}

// Check looks at all breakers that apply to an action. Where some are half open and none holds the action back, the
// action becomes the probe of each; it must then be followed by Record, or by Release if it is not allowed after all.
// ErrStateFull says that a failure of this action could not be counted, so that it must not run.
func (b *Breakers) Check(_ context.Context, defs []BreakerDefinition, who Subject, decisionID string) ([]BreakerStatus, error) {
	if decisionID == "" || len(decisionID) > maxIDBytes {
		return nil, fmt.Errorf("%w: a decision id has 1 to %d bytes", ErrInvalid, maxIDBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		return nil, err
	}
	now := b.clock.now()
	list, err := b.applying(defs, &who)
	if err != nil {
		return nil, err
	}
	held := false
	for _, g := range list {
		if g.breaker == nil && b.quota.full(holder{who.Tenant, who.Agent}, 1) {
			return nil, fmt.Errorf("%w: too many breakers are not closed", ErrStateFull)
		}
		held = held || g.breaker.holds(now, decisionID)
	}
	if err := b.room(len(list)); err != nil {
		return nil, err
	}
	out := make([]BreakerStatus, len(list))
	for i, g := range list {
		if !held && g.breaker != nil && g.breaker.state != Closed && g.breaker.probe != decisionID {
			b.probe(g.breaker, decisionID, now+g.def.coolDown())
		}
		out[i] = g.status(now, decisionID)
	}
	return out, nil
}

// Peek is Check that changes nothing: no action becomes a probe.
func (b *Breakers) Peek(_ context.Context, defs []BreakerDefinition, who Subject) ([]BreakerStatus, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, err := b.applying(defs, &who)
	if err != nil {
		return nil, err
	}
	now := b.clock.now()
	out := make([]BreakerStatus, len(list))
	for i, g := range list {
		out[i] = g.status(now, "")
	}
	return out, nil
}

// Release says that a probe did not run. The next action may be one at once.
func (b *Breakers) Release(_ context.Context, decisionID string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := b.probes[decisionID]
	if len(keys) == 0 {
		return nil
	}
	if err := b.usable(); err != nil {
		return err
	}
	now := b.clock.now()
	for _, key := range slices.Clone(keys) {
		b.reopen(b.all[key], now, now)
	}
	b.wake()
	return nil
}

// Record counts the outcome of an action, once: the caller sees to that. It returns the breakers that changed state.
// What an action reports that began before a breaker opened changes nothing any more: only its probe speaks.
func (b *Breakers) Record(
	_ context.Context, defs []BreakerDefinition, who Subject, decisionID string, outcome Outcome,
) ([]BreakerChange, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		return nil, err
	}
	list, err := b.applying(defs, &who)
	if err != nil {
		return nil, err
	}
	if err := b.admit(list, &who, outcome); err != nil {
		return nil, err
	}
	now := b.clock.now()
	var changes []BreakerChange
	for _, g := range list {
		if b.record(&g, &who, decisionID, outcome, now) {
			s := g.status(now, "")
			changes = append(changes, BreakerChange{Name: s.Name, Key: s.Key, State: s.State, Failures: s.Failures, RetryAt: s.RetryAt})
		}
	}
	b.wake()
	return changes, nil
}

// admit books places for the breakers that a failure makes, all or none.
func (b *Breakers) admit(list []guard, who *Subject, outcome Outcome) error {
	if err := b.room(len(list)); err != nil {
		return err
	}
	fresh := 0
	for _, g := range list {
		if g.breaker == nil && outcome == Failure {
			fresh++
		}
	}
	if !b.quota.take(holder{who.Tenant, who.Agent}, fresh, 2) {
		return fmt.Errorf("%w: too many breakers are not closed", ErrStateFull)
	}
	return nil
}

// record applies an outcome to one breaker and says whether its state changed.
func (b *Breakers) record(g *guard, who *Subject, decisionID string, outcome Outcome, now int64) (changed bool) {
	one := g.breaker
	probing := one != nil && one.probe != "" && one.probe == decisionID
	switch {
	case outcome == Success && probing:
		b.remove(one)
		g.breaker = nil
		return true
	case outcome == Success && one != nil && one.state == Closed:
		b.remove(one)
		g.breaker = nil
	case outcome == Failure && probing:
		b.touch(one)
		one.failures = add(one.failures, 1)
		b.reopen(one, now, now+g.def.coolDown())
		return true
	case outcome == NotKnown && probing:
		b.reopen(one, now, now+g.def.coolDown())
		return true
	case outcome == Failure && (one == nil || one.state == Closed):
		if one == nil {
			one = b.create(g, who.Agent)
			g.breaker = one
		}
		b.touch(one)
		one.failures, one.touched = add(one.failures, 1), now
		if one.failures >= g.def.threshold() {
			b.reopen(one, now, now+g.def.coolDown())
			return true
		}
	}
	return false
}

// Reset closes breakers of a tenant, of one agent and one tool; an empty name is all. It is durable when it returns, and
// says how many were not closed. Failures that had been counted are forgotten too.
func (b *Breakers) Reset(ctx context.Context, tenant, agent, tool string) (int, error) {
	n, err := b.reset(tenant, agent, tool)
	if err != nil {
		return 0, err
	}
	return n, b.Flush(ctx)
}

func (b *Breakers) reset(tenant, agent, tool string) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		return 0, err
	}
	for _, one := range b.all {
		p := &one.parsed
		if p.who.Tenant != tenant || agent != "" && p.scope&agentBit != 0 && p.who.Agent != agent ||
			tool != "" && p.scope&toolBit != 0 && p.who.Tool != tool {
			continue
		}
		if one.state != Closed {
			n++
		}
		b.remove(one)
	}
	return n, nil
}

// List returns at most so many breakers of a tenant that are not closed, by name and key.
func (b *Breakers) List(tenant string, most int) []BreakerStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	var out []BreakerStatus
	for _, one := range b.all {
		if one.parsed.who.Tenant == tenant && one.state != Closed {
			out = append(out, one.status(now, ""))
		}
	}
	slices.SortFunc(out, func(x, y BreakerStatus) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Key, y.Key))
	})
	return out[:min(len(out), max(most, 0))]
}
