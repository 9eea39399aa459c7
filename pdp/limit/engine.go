package limit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Engine counts. It is safe for concurrent use: a call locks the shards of all keys that it needs, in order, and so sees
// and changes them all at once; it holds no lock while it waits for the ledger.
type Engine struct {
	cfg    Config
	ledger ledger.Ledger
	holder string // this run of this engine
	seq    atomic.Int64
	seed   maphash.Seed
	// hot are cells that the ledger need not hear of, kept for what it said last. Losing one costs a look into the ledger.
	hot     *ristretto.Cache[uint64, *cell] // by seeded hash; the cell's own key is compared
	shards  [shards]shard
	pending atomic.Int64 // cells and reservations in the shards' tables
	alone   bool         // nobody else charges the same cells
	down    atomic.Bool  // the ledger did not answer the last batch
	epoch   atomic.Int64 // the latest that it spoke of, to report everything when it changes
	stats   counters

	refill   chan *cell
	flushing sync.Mutex
	wake     chan struct{}
	woken    atomic.Bool
	stop     context.CancelFunc
	working  sync.WaitGroup
	shut     atomic.Bool
	closing  sync.Once
	closed   error
}

// counters are for metrics.
type counters struct {
	batches, refills, failures, local atomic.Uint64
}

// New makes an engine on a ledger. holder names this run of it, and must not have been used before: a random id. Close the
// engine before the ledger.
func New(cfg Config, l ledger.Ledger, holder string) (*Engine, error) {
	e, err := open(cfg, l, holder)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.working.Go(func() { e.keepReporting(ctx) })
	e.working.Go(func() { e.keepRefilling(ctx) })
	return e, nil
}

// open makes an engine that reports and draws only when it is told to.
func open(cfg Config, l ledger.Ledger, holder string) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	if holder == "" || len(holder) > maxIDBytes {
		return nil, fmt.Errorf("limits: a holder's name has 1 to %d bytes", maxIDBytes)
	}
	e := &Engine{
		cfg: cfg.withDefaults(), ledger: l, alone: !l.Shared(), holder: holder, seed: maphash.MakeSeed(),
		refill: make(chan *cell, 1024), wake: make(chan struct{}, 1), stop: func() {},
	}
	for i := range e.shards {
		e.shards[i].cells, e.shards[i].held = map[uint64]*cell{}, map[string]*reservation{}
	}
	var err error
	e.hot, err = ristretto.NewCache(&ristretto.Config[uint64, *cell]{
		NumCounters: 10 * int64(e.cfg.HotCells), MaxCost: int64(e.cfg.HotCells), BufferItems: 64,
		IgnoreInternalCost: true, // else an item costs 57 and the cache holds a 57th
		Metrics:            true,
		KeyToHash:          func(h uint64) (uint64, uint64) { return h, 0 }, // seeded already
	})
	if err != nil {
		return nil, fmt.Errorf("limits: make the cache of hot cells: %w", err)
	}
	return e, nil
}

// find returns the cell of a key, or a new one: then nobody has asked the ledger yet. Call it under the shard's lock.
func (e *Engine) find(key []byte, hash uint64, tenant, owner string) (*cell, error) {
	s := e.shard(hash)
	if c, ok := s.cells[hash]; ok {
		if c.key != string(key) {
			return nil, fmt.Errorf("%w: two counters have one hash", ErrStateFull)
		}
		return c, nil
	}
	if c, ok := e.hot.Get(hash); ok && c.key == string(key) {
		return c, nil
	}
	return &cell{key: string(key), hash: hash, tenant: tenant, owner: owner}, nil
}

// pin holds a cell in its shard's table, where it stays until the ledger has heard of all that it owes.
func (e *Engine) pin(c *cell) {
	if c.pinned {
		return
	}
	c.pinned = true
	e.shard(c.hash).cells[c.hash] = c
	e.pending.Add(1)
}

// unpin leaves a cell to the cache if it owes nothing.
func (e *Engine) unpin(c *cell) {
	if !c.pinned || c.flight != nil || c.owes() || c.waiting > 0 {
		return
	}
	c.pinned = false
	delete(e.shard(c.hash).cells, c.hash)
	e.pending.Add(-1)
	if !e.shut.Load() {
		// A set waits in a queue. Who looked before it is done would make the cell anew, and find this one again later, with
		// what was known of the counter before.
		if is, _ := e.hot.Get(c.hash); is != c {
			e.hot.Set(c.hash, c, 1)
			e.hot.Wait()
		}
	}
}

// room says whether n more cells and reservations may wait for the ledger.
func (e *Engine) room(n int) error {
	if e.pending.Load()+int64(n) > int64(e.cfg.MaxPending) {
		return fmt.Errorf("%w: %d of them wait for the ledger", ErrStateFull, e.cfg.MaxPending)
	}
	return nil
}

// send carries out a batch, and keeps note of how the ledger does. A caller who gives up does not take it along: others have
// their units in it. The ledger's own time-out bounds it.
func (e *Engine) send(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	e.stats.batches.Add(1)
	r, err := e.ledger.Do(context.WithoutCancel(ctx), b)
	switch {
	case err == nil, errors.Is(err, ledger.ErrConflict):
		e.down.Store(false)
	default:
		e.stats.failures.Add(1)
		e.down.Store(true)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if before := e.epoch.Swap(r.Epoch); before != 0 && before != r.Epoch {
		e.soon() // the ledger has lost what it knew: all that is held here is reported anew
	}
	return r, err
}

// certain says that a batch which failed has not been carried out, and will not be.
func certain(err error) bool {
	return errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrStale) || errors.Is(err, ledger.ErrUnsent)
}

// Health says what keeps limits from being charged, or nil.
func (e *Engine) Health() error {
	if e.shut.Load() {
		return errClosed
	}
	return e.ledger.Status().Err
}

var errClosed = errors.New("limits are shut down")

// usable must be called under the shard locks: what begins after it said nil is part of the last report of Close.
func (e *Engine) usable() error {
	if e.shut.Load() {
		return fmt.Errorf("%w: %w", ErrUnavailable, errClosed)
	}
	return nil
}

// Close refuses further calls, tells the ledger exactly what was spent, gives all blocks back, and stops. A second call
// returns what the first did.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Do(func() {
		for i := range e.shards {
			e.shards[i].mu.Lock()
		}
		e.shut.Store(true)
		for i := range e.shards {
			e.shards[i].mu.Unlock()
		}
		e.stop()
		e.working.Wait()
		e.closed = e.reportAll(ctx, true)
		e.hot.Close()
	})
	return e.closed
}

// Stats are for metrics. None has labels.
type Stats struct {
	Pending                        int64 // cells and reservations that the ledger must hear of
	Down                           bool  // the ledger did not answer the last batch
	Batches, Refills, Failures     uint64
	Local                          uint64 // charges that went on without the ledger
	HotHits, HotMisses, HotDropped uint64
	HotEvicted, HotRejected        uint64
}

// Stats says how full the tables are and what the cache does.
func (e *Engine) Stats() Stats {
	m := e.hot.Metrics
	return Stats{
		Pending: e.pending.Load(), Down: e.down.Load(),
		Batches: e.stats.batches.Load(), Refills: e.stats.refills.Load(), Failures: e.stats.failures.Load(), Local: e.stats.local.Load(),
		HotHits: m.Hits(), HotMisses: m.Misses(), HotDropped: m.SetsDropped(), HotEvicted: m.KeysEvicted(), HotRejected: m.SetsRejected(),
	}
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }

func instant(micro int64) time.Time { return time.UnixMicro(micro).UTC() }
