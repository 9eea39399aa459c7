package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// CountersConfig bounds Counters. Zero fields take the defaults.
type CountersConfig struct {
	// Distinct cells that count something: of all, of one tenant, of one owner in it. 1,000,000, a quarter, a twentieth.
	MaxCells, MaxCellsPerTenant, MaxCellsPerOwner int
	// Reservations that have not expired: of all, of one owner. 1,000,000, a tenth.
	MaxReservations, MaxReservationsPerOwner int
	// Timeout ends the wait for a disk that hangs; 5 s. What was asked for may still be carried out then.
	Timeout time.Duration
}

func (c CountersConfig) withDefaults() CountersConfig {
	count := func(field *int, value int) {
		if *field == 0 {
			*field = max(value, 1)
		}
	}
	count(&c.MaxCells, 1_000_000)
	count(&c.MaxCellsPerTenant, c.MaxCells/4)
	count(&c.MaxCellsPerOwner, c.MaxCells/20)
	count(&c.MaxReservations, 1_000_000)
	count(&c.MaxReservationsPerOwner, c.MaxReservations/10)
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// Validate refuses a configuration that is not bounded.
func (c CountersConfig) Validate() error {
	c = c.withDefaults()
	for name, n := range map[string]int{
		"max cells": c.MaxCells, "max cells per tenant": c.MaxCellsPerTenant, "max cells per owner": c.MaxCellsPerOwner,
		"max reservations": c.MaxReservations, "max reservations per owner": c.MaxReservationsPerOwner,
	} {
		if n < 1 || n > 50_000_000 {
			return fmt.Errorf("%s is 1 to 50,000,000, not %d", name, n)
		}
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > time.Minute {
		return fmt.Errorf("the time-out of the disk is 10 ms to a minute, not %s", c.Timeout)
	}
	return nil
}

// Buckets of the database. countersMeta holds the clock's mark.
var (
	cellBucket        = []byte("counters.cells")
	reservationBucket = []byte("counters.reservations")
	countersMeta      = []byte("counters.meta")
	clockKey          = []byte("clock")
)

// Counters is the ledger of limits of a single process. One goroutine carries out all batches: what has come in while the
// last commit went to the disk is one transaction and one sync, so that many callers cost as much as one. What only looks
// or is denied writes nothing. A block that a former process held is over from the start: whoever it was, it is gone.
// Safe for concurrent use.
type Counters struct {
	db    *bbolt.DB
	cfg   CountersConfig
	clock *ledger.Clock
	epoch int64 // one for the whole life of the database: it forgets nothing
	cells *quota
	held  *quota

	order   int64           // of the last batch; the goroutine's own
	opened  int64           // the time when this process took over
	holders map[string]bool // that have sent something since; the goroutine's own
	queue   chan *errand
	stop    context.CancelFunc
	done    chan struct{}
	trouble atomic.Pointer[error]
	busy    commitWatch
	sweepAt [2][]byte
}

// errand is a call that waits for the goroutine.
type errand struct {
	batch   *ledger.Batch
	receipt *ledger.Receipt
	err     error
	done    chan struct{}
}

var (
	_ ledger.Ledger = (*Counters)(nil)

	errClosed = errors.New("the ledger is closed")
)

const (
	// mostErrands is how many batches one transaction takes.
	mostErrands = 1024
	sweepPause  = time.Second
)

// OpenCounters opens the ledger of limits and counts through it once. Close it before the store.
func (s *Store) OpenCounters(cfg CountersConfig, source ledger.Source) (*Counters, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	if err := s.buckets(cellBucket, reservationBucket, countersMeta); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Counters{
		db: s.db, cfg: cfg, epoch: 1,
		cells:   newQuota(cfg.MaxCells, cfg.MaxCellsPerTenant, cfg.MaxCellsPerOwner),
		held:    newQuota(cfg.MaxReservations, cfg.MaxReservations, cfg.MaxReservationsPerOwner),
		holders: map[string]bool{}, queue: make(chan *errand, 4*mostErrands), done: make(chan struct{}),
	}
	if err := c.db.View(func(tx *bbolt.Tx) error { return c.load(tx, source) }); err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	c.opened = c.clock.Now()
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.run(ctx)
	return c, nil
}

// load reads the clock, and books what there is.
func (c *Counters) load(tx *bbolt.Tx, source ledger.Source) (err error) {
	if c.clock, err = ledger.NewClock(source, tx.Bucket(countersMeta).Get(clockKey)); err != nil {
		return err
	}
	bad := 0
	err = tx.Bucket(cellBucket).ForEach(func(k, v []byte) error {
		tenant, _, ok := splitKey(k)
		if counter, err := decodeCounter(v); ok && err == nil {
			c.cells.load(tenant, counter.Owner)
		} else {
			bad++
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = tx.Bucket(reservationBucket).ForEach(func(k, v []byte) error {
		tenant, _, ok := splitKey(k)
		if held, err := decodeReservation(v); ok && err == nil {
			c.held.load(tenant, held.owner)
		} else {
			bad++
		}
		return nil
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d records cannot be read: were they written by a later version, or is the disk failing?", bad)
	}
	return err
}

// Now is exact: the ledger is here.
func (c *Counters) Now() (earliest, latest int64, known bool) {
	now := c.clock.Now()
	return now, now, true
}

// Shared says no: the database is one process's.
func (c *Counters) Shared() bool { return false }

// Do carries out a batch. What it changed is on the disk when it returns without an error.
func (c *Counters) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	e := &errand{batch: b, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	select {
	case c.queue <- e:
	case <-c.done:
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
	}
	select {
	case <-e.done:
		return e.receipt, e.err
	case <-c.done:
	case <-ctx.Done():
	}
	select { // it may be done all the same
	case <-e.done:
		return e.receipt, e.err
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
	}
	return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errClosed)
}
