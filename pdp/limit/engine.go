package limit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// Engine counts. It is safe for concurrent use: a call locks the shards of all keys that it needs, in order, and so sees
// and changes them all at once.
type Engine struct {
	cfg    Config
	ledger Ledger
	clock  *clock
	seed   maphash.Seed
	hot    *ristretto.Cache[uint64, *cell] // by seeded hash; the cell's own key is compared
	shards [shards]*shard

	keys, reservations *quota
	pending            atomic.Int64 // records that wait for a commit
	trouble            atomic.Pointer[error]
	flushing           sync.Mutex
	committer          *committer
	scratch            sync.Pool
	sweeping           sync.Mutex
	sweepAt            [2][]byte // where the next sweep of cells and reservations goes on; under sweeping

	shut    atomic.Bool
	closing sync.Once
	closed  error
}

var clockKey = []byte("clock")

// sweepEvery is how often a part of the ledger is looked through for records that are over.
const sweepEvery = time.Second

// New opens an engine on a ledger, which it counts through once. Close it before the ledger.
func New(cfg Config, ledger Ledger, now func() time.Time) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	e, err := open(cfg.withDefaults(), ledger, now)
	if err != nil {
		return nil, err
	}
	e.committer = startCommitter(e.cfg.FlushEvery, sweepEvery, e.Flush, e.sweepSome)
	return e, nil
}

// open makes an engine that flushes only when it is told to.
func open(cfg Config, ledger Ledger, now func() time.Time) (*Engine, error) {
	ctx := context.Background()
	seen, err := ledger.Load(ctx, MetaSpace, clockKey)
	if err != nil {
		return nil, fmt.Errorf("limits: read the ledger: %w", err)
	}
	var latest int64
	if len(seen) == 8 {
		latest = int64(binary.BigEndian.Uint64(seen))
	}
	e := &Engine{
		cfg: cfg, ledger: ledger, clock: newClock(now, latest), seed: maphash.MakeSeed(),
		keys:         newQuota(cfg.MaxKeys, cfg.MaxKeysPerTenant, cfg.MaxKeysPerTenantAgent),
		reservations: newQuota(cfg.MaxReservations, cfg.MaxReservations, cfg.MaxReservationsPerTenantAgent),
	}
	e.scratch.New = func() any { return new(scratch) }
	if err := e.count(ctx); err != nil {
		return nil, fmt.Errorf("limits: count the ledger: %w", err)
	}
	for i := range e.shards {
		e.shards[i] = newShard(max(cfg.RecentReservations/shards, 1))
	}
	e.hot, err = ristretto.NewCache(&ristretto.Config[uint64, *cell]{
		NumCounters: 10 * int64(cfg.HotCells), MaxCost: int64(cfg.HotCells), BufferItems: 64,
		IgnoreInternalCost: true, // else an item costs 57 and the cache holds a 57th
		Metrics:            true,
		KeyToHash:          func(h uint64) (uint64, uint64) { return h, 0 }, // seeded already
	})
	if err != nil {
		return nil, fmt.Errorf("limits: make the cache of hot cells: %w", err)
	}
	return e, nil
}

// count books what the ledger holds.
func (e *Engine) count(ctx context.Context) error {
	bad := 0
	err := scanAll(ctx, e.ledger, CellSpace, func(key, value []byte) {
		p, ok := parseKey(key)
		r := reader{rest: value}
		if !ok || r.byte() != format {
			bad++
			return
		}
		e.keys.load(holder{p.who.Tenant, r.string()})
	})
	if err != nil {
		return err
	}
	err = scanAll(ctx, e.ledger, ReservationSpace, func(_, value []byte) {
		tenant, agent, _, ok := decodeHolder(value)
		if !ok {
			bad++
			return
		}
		e.reservations.load(holder{tenant, agent})
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d records cannot be read: were they written by a later version?", bad)
	}
	return err
}

// scanAll visits a whole space, page by page, so that no read holds up the store for long.
func scanAll(ctx context.Context, l Ledger, space Space, visit func(key, value []byte)) error {
	const page = 10_000
	var after []byte
	for {
		n := 0
		err := l.Scan(ctx, space, nil, after, page, func(key, value []byte) bool {
			n++
			after = append(after[:0], key...)
			visit(key, value)
			return true
		})
		if err != nil || n < page {
			return err
		}
	}
}

// Health says what keeps limits from being charged, or nil.
func (e *Engine) Health() error {
	if e.shut.Load() {
		return errClosed
	}
	if err := e.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// usable must be called under the shard locks: what begins after it said nil is part of the last flush of Close.
func (e *Engine) usable() error {
	if err := e.Health(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// Flush commits what has changed. All changes that were made before it began are durable when it returns nil; if it
// fails they stay in memory and further charges are denied until a commit succeeds.
func (e *Engine) Flush(ctx context.Context) error {
	e.flushing.Lock()
	defer e.flushing.Unlock()
	if e.pending.Load() == 0 {
		return nil
	}
	e.everyShard((*shard).freeze)
	var changes []Change
	for _, s := range e.shards {
		s.mu.Lock()
		changes = s.cells.collect(CellSpace, changes)
		changes = s.held.collect(ReservationSpace, changes)
		s.mu.Unlock()
	}
	latest := binary.BigEndian.AppendUint64(nil, uint64(e.clock.latest.Load()))
	changes = append(changes, Change{Space: MetaSpace, Key: clockKey, Value: latest})
	err := e.commit(ctx, changes)
	for _, s := range e.shards {
		s.mu.Lock()
		e.pending.Add(-s.cells.thaw(err == nil) - s.held.thaw(err == nil))
		s.mu.Unlock()
	}
	if err != nil {
		e.wake() // nothing is charged until a commit succeeds, so somebody must try
	}
	return err
}

// freeze sets apart what has changed so far.
func (s *shard) freeze() {
	s.cells.freeze()
	s.held.freeze()
}

// everyShard does something under all locks at once, in time that must not depend on how much a shard holds.
func (e *Engine) everyShard(do func(*shard)) {
	for _, s := range e.shards {
		s.mu.Lock()
	}
	for _, s := range e.shards {
		do(s)
		s.mu.Unlock()
	}
}

var errStalled = errors.New("a commit to the ledger hangs: look at the disk")

// commit writes, and keeps the health. A store that hangs is as bad as one that fails.
func (e *Engine) commit(ctx context.Context, changes []Change) error {
	fired := make(chan struct{})
	watch := time.AfterFunc(e.cfg.StallAfter, func() {
		e.trouble.CompareAndSwap(nil, &errStalled)
		close(fired)
	})
	err := e.ledger.Commit(context.WithoutCancel(ctx), changes) // a caller who leaves must not make the ledger look broken
	if !watch.Stop() {
		<-fired // so that it says nothing after the commit has ended
	}
	if err != nil {
		err = fmt.Errorf("commit %d changed limits: %w", len(changes), err)
		e.trouble.Store(&err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e.trouble.Store(nil)
	return nil
}

var errClosed = errors.New("limits are shut down")

// Close refuses further calls, commits exact values and stops. A second call returns what the first did.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Do(func() {
		if e.committer != nil {
			e.committer.close()
		}
		e.closed = e.shutDown(ctx)
	})
	return e.closed
}

func (e *Engine) shutDown(ctx context.Context) error {
	// Calls look at shut under their locks: after this round through all locks nothing more is charged.
	e.everyShard(func(*shard) { e.shut.Store(true) })
	err := e.Flush(ctx)
	e.hot.Close()
	return err
}

// Stats are for metrics. None has labels.
type Stats struct {
	Keys, Reservations, Pending    int64
	HotHits, HotMisses, HotDropped uint64
	HotEvicted, HotRejected        uint64
	ClockBehind                    time.Duration // how far the wall clock is behind the latest time seen
}

// Stats says how full the tables are and what the cache does.
func (e *Engine) Stats() Stats {
	m := e.hot.Metrics
	return Stats{
		Keys: int64(e.keys.size()), Reservations: int64(e.reservations.size()), Pending: e.pending.Load(),
		HotHits: m.Hits(), HotMisses: m.Misses(), HotDropped: m.SetsDropped(),
		HotEvicted: m.KeysEvicted(), HotRejected: m.SetsRejected(), ClockBehind: e.clock.behind(),
	}
}
