package limit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// BreakerConfig bounds Breakers. Zero fields take the defaults.
type BreakerConfig struct {
	MaxBreakers               int           // that have counted a failure; 100,000
	MaxBreakersPerTenantAgent int           // of them by one tenant and agent; 2,000
	FlushEvery                time.Duration // how long a change may wait; 5 ms
}

func (c BreakerConfig) withDefaults() BreakerConfig {
	if c.MaxBreakers == 0 {
		c.MaxBreakers = 100_000
	}
	if c.MaxBreakersPerTenantAgent == 0 {
		c.MaxBreakersPerTenantAgent = min(2_000, c.MaxBreakers)
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = 5 * time.Millisecond
	}
	return c
}

// Validate refuses a configuration that is not bounded.
func (c BreakerConfig) Validate() error {
	c = c.withDefaults()
	if c.MaxBreakers < 1 || c.MaxBreakersPerTenantAgent < 1 || c.MaxBreakers > 10_000_000 {
		return fmt.Errorf("max breakers are 1 to 10,000,000, not %d and %d for one agent", c.MaxBreakers, c.MaxBreakersPerTenantAgent)
	}
	if c.FlushEvery < time.Millisecond || c.FlushEvery > 100*time.Millisecond {
		return fmt.Errorf("flush every is 1 ms to 100 ms, not %s", c.FlushEvery)
	}
	return nil
}

// forgetAfter is how long a breaker that nobody calls keeps its failures. Without an end, keys that never come back would
// fill the table.
const forgetAfter = int64(24 * time.Hour)

// breaker is one that has counted a failure; the others are not kept.
type breaker struct {
	mark
	key      string
	parsed   parsedKey
	owner    string // agent whose failure made it
	state    BreakerState
	failures int64
	until    int64  // open: when a probe is admitted; half open: when the probe's time is over
	touched  int64  // last failure
	probe    string // half open: the decision that is the probe
	dead     bool
}

// Breakers hold back what keeps failing. They are few, so all of them stay in memory, pinned; the ledger has them for the
// next start. One mutex guards them, for the work under it is a look into a map. Safe for concurrent use.
type Breakers struct {
	cfg    BreakerConfig
	ledger Ledger
	clock  *clock
	quota  *quota

	mu      sync.Mutex
	all     map[string]*breaker
	probes  map[string][]string // decision → keys of the breakers that it probes
	changed table[*breaker]
	waiting int64
	shut    bool

	trouble   atomic.Pointer[error]
	flushing  sync.Mutex
	committer *committer
	closing   sync.Once
	closed    error
}

// NewBreakers reads the breakers of a ledger. Close them before the ledger.
func NewBreakers(cfg BreakerConfig, ledger Ledger, now func() time.Time) (*Breakers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("breakers: %w", err)
	}
	cfg = cfg.withDefaults()
	b := &Breakers{
		cfg: cfg, ledger: ledger, quota: newQuota(cfg.MaxBreakers, cfg.MaxBreakers, cfg.MaxBreakersPerTenantAgent),
		all: map[string]*breaker{}, probes: map[string][]string{}, changed: newTable[*breaker](),
	}
	latest, bad := int64(0), 0
	err := scanAll(context.Background(), ledger, BreakerSpace, func(key, value []byte) {
		one, ok := decodeBreaker(key, value)
		if !ok {
			bad++
			return
		}
		b.all[one.key] = one
		b.quota.load(holder{one.parsed.who.Tenant, one.owner})
		if one.probe != "" {
			b.probes[one.probe] = append(b.probes[one.probe], one.key)
		}
		latest = max(latest, one.touched)
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d records cannot be read: were they written by a later version?", bad)
	}
	if err != nil {
		return nil, fmt.Errorf("breakers: read the ledger: %w", err)
	}
	b.clock = newClock(now, latest)
	b.committer = startCommitter(cfg.FlushEvery, time.Minute, b.Flush, func(context.Context) { b.forget() })
	return b, nil
}

// guard is a breaker that applies to an action; breaker is nil where nothing has failed.
type guard struct {
	def     *BreakerDefinition
	key     []byte
	breaker *breaker
}

func (b *Breakers) applying(defs []BreakerDefinition, who *Subject) ([]guard, error) {
	if err := who.validate(); err != nil {
		return nil, err
	}
	if len(defs) > MaxDefinitions {
		return nil, fmt.Errorf("%w: %d definitions, at most %d", ErrInvalid, len(defs), MaxDefinitions)
	}
	var list []guard
	for i := range defs {
		d := &defs[i]
		if scope := d.scope(); who.fits(scope, d.Tools, d.Kinds) {
			key := appendKey(nil, d.Name, 0, scope, who)
			list = append(list, guard{def: d, key: key, breaker: b.all[string(key)]})
		}
	}
	return list, nil
}

func (g *guard) status(now int64, decisionID string) BreakerStatus {
	if g.breaker == nil {
		p, _ := parseKey(g.key)
		return BreakerStatus{Name: g.def.Name, Key: p.label(), State: Closed}
	}
	return g.breaker.status(now, decisionID)
}

func (one *breaker) status(now int64, decisionID string) BreakerStatus {
	s := BreakerStatus{Name: one.parsed.name, Key: one.parsed.label(), State: one.state, Failures: one.failures}
	if one.state == Closed {
		return s
	}
	s.Probe = decisionID != "" && one.probe == decisionID
	if now >= one.until {
		s.State = HalfOpen
	} else if !s.Probe {
		s.RetryAt = instant(one.until)
	}
	return s
}

// holds says whether the breaker keeps an action back: it is open, or another probe is under way.
func (one *breaker) holds(now int64, decisionID string) bool {
	return one != nil && one.state != Closed && now < one.until && one.probe != decisionID
}

func (b *Breakers) create(g *guard, owner string) *breaker {
	p, _ := parseKey(g.key)
	one, deleted := b.changed.get(g.key)
	if deleted { // its record is being deleted
		b.touch(one)
		*one = breaker{mark: one.mark, key: one.key}
	} else {
		one = &breaker{key: string(g.key)}
	}
	one.parsed, one.owner, one.state = p, owner, Closed
	b.all[one.key] = one
	return one
}

// touch must be called before a breaker changes.
func (b *Breakers) touch(one *breaker) { b.waiting += b.changed.touch(one.key, one) }

func (b *Breakers) probe(one *breaker, decisionID string, until int64) {
	b.touch(one)
	b.unprobe(one)
	one.state, one.probe, one.until = HalfOpen, decisionID, until
	b.probes[decisionID] = append(b.probes[decisionID], one.key)
	b.wake()
}

func (b *Breakers) unprobe(one *breaker) {
	if one.probe == "" {
		return
	}
	if b.probes[one.probe] = without(b.probes[one.probe], one.key); len(b.probes[one.probe]) == 0 {
		delete(b.probes, one.probe)
	}
	one.probe = ""
}

func without(list []string, gone string) []string {
	out := list[:0]
	for _, s := range list {
		if s != gone {
			out = append(out, s)
		}
	}
	return out
}

func (b *Breakers) reopen(one *breaker, now, until int64) {
	b.touch(one)
	b.unprobe(one)
	one.state, one.until, one.touched = Open, until, now
}

// remove closes a breaker and forgets it.
func (b *Breakers) remove(one *breaker) {
	b.touch(one)
	b.unprobe(one)
	one.dead = true
	delete(b.all, one.key)
	b.quota.give(holder{one.parsed.who.Tenant, one.owner})
}

// forget drops those that nobody has called for a day.
func (b *Breakers) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.usable() != nil {
		return
	}
	now := b.clock.now()
	for _, one := range b.all {
		if now-max(one.touched, one.until) > forgetAfter {
			b.remove(one)
		}
	}
	b.wake()
}

// room bounds what waits for the disk. Every breaker waits at most twice: in the commit under way and for the next.
func (b *Breakers) room(n int) error {
	if b.waiting+int64(n) > 4*int64(b.cfg.MaxBreakers)+MaxDefinitions {
		return fmt.Errorf("%w: too many changes wait for the disk", ErrStateFull)
	}
	return nil
}

func (b *Breakers) wake() {
	if b.waiting > 0 {
		b.committer.changed()
	}
}

// Health says what keeps breakers from being kept, or nil.
func (b *Breakers) Health() error {
	if err := b.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

func (b *Breakers) usable() error {
	if b.shut {
		return fmt.Errorf("%w: %w", ErrUnavailable, errClosed)
	}
	if err := b.Health(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Flush commits what has changed. It is durable when it returns nil.
func (b *Breakers) Flush(ctx context.Context) error {
	b.flushing.Lock()
	defer b.flushing.Unlock()
	b.mu.Lock()
	b.changed.freeze()
	changes := b.changed.collect(BreakerSpace, nil)
	b.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	err := b.ledger.Commit(context.WithoutCancel(ctx), changes)
	if err != nil {
		err = fmt.Errorf("commit %d changed breakers: %w", len(changes), err)
		b.trouble.Store(&err)
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	} else {
		b.trouble.Store(nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting -= b.changed.thaw(err == nil)
	if err != nil {
		b.wake()
	}
	return err
}

// Close refuses further calls, commits what is pending and stops. A second call returns what the first did.
func (b *Breakers) Close(ctx context.Context) error {
	b.closing.Do(func() {
		b.committer.close()
		b.mu.Lock()
		b.shut = true
		b.mu.Unlock()
		b.closed = b.Flush(ctx)
	})
	return b.closed
}

// stateCodes are what records hold. Never change them.
var stateCodes = map[BreakerState]byte{Closed: 1, Open: 2, HalfOpen: 3}

func (one *breaker) encode() []byte {
	if one.dead {
		return nil
	}
	to := appendPart([]byte{format, stateCodes[one.state]}, one.owner)
	to = appendPart(to, one.probe)
	return appendInt(appendInt(appendInt(to, one.failures), one.until), one.touched)
}

func decodeBreaker(key, value []byte) (*breaker, bool) {
	p, ok := parseKey(key)
	in := reader{rest: value}
	in.bad = in.byte() != format
	one := &breaker{key: string(key), parsed: p}
	code := in.byte()
	for state, c := range stateCodes {
		if c == code {
			one.state = state
		}
	}
	one.owner, one.probe = in.string(), in.string()
	one.failures, one.until, one.touched = in.positive(), in.positive(), in.positive()
	return one, ok && in.done() && one.state != ""
}
