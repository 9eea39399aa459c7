package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Ledger is the ledger of limits and of breakers in a Redis that several processes share. What it holds itself are hints: the
// connection, bounds of the time, how far each tenant was. Safe for concurrent use.
type Ledger struct {
	cfg     Config
	scripts scripts
	source  ledger.Source
	clock   clock
	tenants tenants
	link    link
	pages   pages
	trips   atomic.Uint64
	// approvals are those in this Redis; nil if they were not opened.
	approvals atomic.Pointer[Approvals]
	waited    bool          // the probe's own: it was told to wait for somebody who knows the time
	until     time.Duration // the probe's own: for so long
	suspect   bool          // the probe's own: Redis may have been emptied
}

var (
	_ ledger.Ledger  = (*Ledger)(nil)
	_ ledger.Records = (*Ledger)(nil)
)

// Open begins to connect, and returns at once: a Redis that is down now is not available until it is up. Close it.
func Open(cfg Config) (*Ledger, error) {
	return open(cfg, ledger.System(), func(text string) string { return text })
}

func open(cfg Config, source ledger.Source, adapt func(string) string) (*Ledger, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	cfg = cfg.withDefaults()
	options, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	l := &Ledger{cfg: cfg, scripts: newScripts(adapt), source: source}
	l.clock.source = source
	l.clock.wake()
	l.tenants = tenants{memory: cfg.Memory, all: map[string]*seen{}}
	l.pages.all = map[string]*page{}
	l.link = link{options: options, timeout: cfg.Timeout, probe: l.probe, back: l.touch, log: cfg.Log}
	l.link.start()
	return l, nil
}

// Close ends the connection. Calls that are under way may fail.
func (l *Ledger) Close() error {
	l.link.close()
	return nil
}

// Now bounds the ledger's time by the monotonic clock, since Redis was last asked.
func (l *Ledger) Now() (earliest, latest int64, known bool) {
	earliest, latest, known = l.clock.bounds()
	if !known {
		return 0, 0, false
	}
	return max(earliest-slack, 0), latest + slack, true
}

// Shared says yes: that is what it is for.
func (l *Ledger) Shared() bool { return true }

// Do carries out a batch in one script.
func (l *Ledger) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	known, elsewhere, err := l.tenants.of(b.Tenant)
	if err != nil {
		return nil, unsent(fmt.Errorf("read what this process knew: %w", err))
	}
	asked := l.clock.elapsed()
	keys, args := l.encode(b, l.caller(known), elsewhere)
	answer, err := l.run(ctx, l.scripts.batch, keys, args)
	if err != nil {
		return nil, err
	}
	r, state, err := decode(b, answer)
	if err != nil && r == nil {
		return nil, err
	}
	l.clock.learn(r.Now, asked, l.clock.elapsed())
	if told := l.told(b.Tenant, state); told != nil {
		return nil, told
	}
	return r, err
}

// caller is what each script on a tenant is told first.
func (l *Ledger) caller(known seen) []string {
	earliest, latest, ok := l.clock.bounds()
	if ok {
		// A script may wait for as long as its caller does.
		latest += slack + l.cfg.Timeout.Microseconds()
	}
	salt := rand.Int64N(1_000_000) //nolint:gosec // nobody gains by guessing it: it makes accidents differ
	return []string{digits(earliest), digits(latest), digits(known.epoch), digits(known.seq), flag(l.cfg.Durable), digits(salt)}
}

// told remembers what a script said of a tenant, before anybody acts on it.
func (l *Ledger) told(tenant string, state seen) error {
	lost, err := l.tenants.told(tenant, state)
	if err != nil {
		return fmt.Errorf("%w: remember the epoch: %w", ledger.ErrUnavailable, err)
	}
	if lost {
		l.cfg.Log.Error("redis has lost counters, or may have: their windows count as full until what was lost would have ended, "+
			"budgets without a window until an operator says `portcullis limits recover`", "tenant", tenant, "epoch", state.epoch)
	}
	return nil
}

// run sends a script, once, and waits no longer than the time-out.
func (l *Ledger) run(ctx context.Context, script *rueidis.Lua, keys, args []string) ([]rueidis.RedisMessage, error) {
	result, err := l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return script.Exec(ctx, c, keys, args)
	})
	if err != nil {
		return nil, err
	}
	answer, err := result.ToArray()
	if err != nil {
		return nil, fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
	}
	return answer, nil
}

func (l *Ledger) call(ctx context.Context, do func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	var none rueidis.RedisResult
	if err := ctx.Err(); err != nil {
		return none, unsent(err)
	}
	c, err := l.link.use()
	if err != nil {
		return none, unsent(err)
	}
	timed, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	l.trips.Add(1)
	result := do(timed, c)
	err = result.Error()
	if err == nil || rueidis.IsRedisNil(err) {
		l.link.report(nil)
		return result, nil
	}
	// Only silence opens the breaker: what Redis refuses it refuses at once, perhaps only for one tenant, and if it is unfit as a
	// whole the probe finds out. Nor where the caller gave up, or one node of several may be silent for its own tenants.
	if _, refused := rueidis.IsRedisErr(err); !refused && ctx.Err() == nil && !l.cfg.Cluster {
		l.link.report(err)
	}
	return none, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
}

// unsent is an error before anything was sent: a sender who knows need not take what it holds for spent.
func unsent(err error) error {
	return fmt.Errorf("%w: %w: %w", ledger.ErrUnavailable, ledger.ErrUnsent, err)
}

// probe asks for the time, and whether this Redis is fit to keep limits.
func (l *Ledger) probe(ctx context.Context, c rueidis.Client) error {
	l.clock.wake()
	earliest, latest, known := l.clock.bounds()
	asked := l.clock.elapsed()
	if known {
		latest += slack + l.cfg.Timeout.Microseconds()
	}
	patient := l.waited && asked >= l.until
	l.trips.Add(1)
	key := l.cfg.Prefix + ":{clock}"
	answer, err := l.scripts.clock.Exec(ctx, c, []string{key}, []string{digits(earliest), digits(latest), flag(patient)}).ToArray()
	if unfit := fit(ctx, c, l.cfg.Timeout); unfit != nil {
		return unfit // it may be why
	}
	if err != nil {
		return fmt.Errorf("ask redis for the time: %w", err)
	}
	in := reader{rest: answer}
	now, was := in.int(), in.int() == 1
	if in.err != nil {
		return in.err
	}
	if now < 0 {
		if !l.waited {
			l.waited, l.until = true, asked+2*heartbeat
		}
		return errors.New("the clock of redis has moved while nobody looked: waiting for a replica that knows the time")
	}
	l.suspect = l.suspect || known && !was
	l.clock.learn(now, asked, l.clock.elapsed())
	return nil
}

// touch looks at all tenants that this process knows, when Redis has come back or was emptied. It exists because a loss shows in
// what replicas remember: one that was started since remembers nothing, and would take what is left for all there ever was.
func (l *Ledger) touch(ctx context.Context, back bool) {
	if l.suspect = l.suspect || back; !l.suspect {
		return
	}
	for _, tenant := range l.tenants.known() {
		if _, err := l.Do(ctx, &ledger.Batch{Tenant: tenant, Holder: "nobody"}); err != nil {
			return // it is suspect still, or down again
		}
	}
	if a := l.approvals.Load(); a != nil && a.touch(ctx) != nil {
		return
	}
	l.suspect = false
}

// Status says how the connection is, and which tenants have lost their memory.
func (l *Ledger) Status() ledger.Status {
	names, cells, held := l.tenants.forgotten()
	slices.Sort(names)
	s := ledger.Status{
		Err: l.link.err(), Amnesia: names[:min(len(names), 100)], Cells: cells, Reservations: held, RoundTrips: l.trips.Load(),
	}
	if earliest, _, known := l.clock.bounds(); known {
		s.ClockBehind = earliest - l.source.Wall().UnixMicro()
	}
	return s
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
