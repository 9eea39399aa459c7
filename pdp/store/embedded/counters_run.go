package embedded

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// run carries out what waits, all of it in one transaction, until the ledger is closed; what waits then is finished.
func (c *Counters) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(sweepPause)
	defer tick.Stop()
	group := make([]*errand, 0, mostErrands)
	for {
		select {
		case e := <-c.queue:
			group = c.gather(append(group[:0], e))
			c.carryOut(group)
			clear(group)
		case <-tick.C:
			c.sweep()
		case <-ctx.Done():
			for group = c.gather(group[:0]); len(group) > 0; group = c.gather(group[:0]) {
				c.carryOut(group)
			}
			return
		}
	}
}

// gather takes what waits already.
func (c *Counters) gather(group []*errand) []*errand {
	for len(group) < mostErrands {
		select {
		case e := <-c.queue:
			group = append(group, e)
		default:
			return group
		}
	}
	return group
}

// carryOut does a group. If the disk fails, none of it has happened.
func (c *Counters) carryOut(group []*errand) {
	c.busy.start()
	defer c.busy.stop()
	w := work{c: c}
	err := w.begin()
	if err == nil {
		waiting := group[:0]
		for _, e := range group {
			before := w.written
			if e.receipt, e.err = w.do(e.batch); w.broken == nil && w.written == before {
				close(e.done) // what only looked, or was denied, need not wait for the disk: it promised nothing
				continue
			}
			waiting = append(waiting, e)
		}
		group = waiting
		err = w.end()
	}
	c.report(err)
	for _, e := range group {
		if err != nil {
			e.receipt, e.err = nil, fmt.Errorf("%w: write the ledger: %w", ledger.ErrUnavailable, err)
		}
		close(e.done)
	}
}

func (c *Counters) report(err error) {
	if err == nil {
		c.trouble.Store(nil)
		return
	}
	c.trouble.Store(&err)
}

// work is one transaction.
type work struct {
	c       *Counters
	tx      *bbolt.Tx
	now     int64
	written int      // records
	undo    []func() // of what was booked in memory
	broken  error
}

func (w *work) begin() (err error) {
	w.tx, err = w.c.db.Begin(true)
	w.now = w.c.clock.Now()
	return err
}

// end commits, or takes everything back.
func (w *work) end() error {
	err := w.broken
	if err == nil && w.written > 0 {
		if err = w.tx.Bucket(countersMeta).Put(clockKey, w.c.clock.Mark()); err == nil {
			err = w.tx.Commit()
		}
	}
	if err != nil || w.written == 0 {
		_ = w.tx.Rollback() // after a commit that failed it says that there is nothing to roll back
	}
	if err != nil {
		for _, undo := range w.undo {
			undo()
		}
	}
	return err
}

// do carries out one batch. An error refuses this batch only; broken is an error of the database, which refuses all.
func (w *work) do(b *ledger.Batch) (*ledger.Receipt, error) {
	if w.broken != nil {
		return nil, w.broken // of the whole group
	}
	w.c.holders[b.Holder] = true
	current, err := w.compare(b)
	if err != nil {
		return &ledger.Receipt{Now: w.now, Epoch: w.c.epoch, Current: current}, err
	}
	cells, before := make([]*ledger.Counter, len(b.Lines)), make([][]byte, len(b.Lines))
	for i := range b.Lines {
		before[i] = w.tx.Bucket(cellBucket).Get(joinKey(b.Tenant, b.Lines[i].Key))
		if before[i] == nil {
			continue
		}
		if cells[i], err = decodeCounter(before[i]); err != nil {
			return nil, fmt.Errorf("%w: a counter cannot be read: %w", ledger.ErrUnavailable, err)
		}
		if cells[i].Stale(b.Holder, b.Seq) {
			return nil, ledger.ErrStale
		}
		w.c.disown(cells[i])
	}
	times := 1
	if b.Overdraw {
		times = 2
	}
	receipt := ledger.Carry(b, cells, ledger.Terms{
		Now: w.now, Epoch: w.c.epoch,
		Room: func(fresh map[string]int) bool { return w.c.cells.room(b.Tenant, fresh, times) },
	})
	for i := range b.Lines {
		// What only looked, or was denied, is not written: a flood of denials must not wear out the disk.
		if l := &b.Lines[i]; receipt.Lines[i].Charged || len(l.Refunds) > 0 || cells[i] != nil && cells[i].Knows(b.Holder) {
			w.keep(b.Tenant, l.Key, before[i], cells[i])
		}
	}
	for i := range b.Reservations {
		dropped := w.swap(b, &b.Reservations[i], current[i])
		receipt.Dropped = receipt.Dropped || dropped
		if !dropped {
			current[i] = b.Reservations[i].New
		}
	}
	w.c.order++
	receipt.Current, receipt.Order = current, w.c.order
	return receipt, nil
}

// disown ends the blocks of processes that are gone.
func (c *Counters) disown(counter *ledger.Counter) {
	for i := range counter.Blocks {
		if b := &counter.Blocks[i]; !c.holders[b.Holder] {
			b.ExpiresAt = min(b.ExpiresAt, c.opened)
		}
	}
}

// compare reads the reservations of a batch and refuses it where one is not what the batch takes it for.
func (w *work) compare(b *ledger.Batch) ([][]byte, error) {
	current := make([][]byte, len(b.Reservations))
	var err error
	for i := range b.Reservations {
		r := &b.Reservations[i]
		if v := w.tx.Bucket(reservationBucket).Get(joinKey(b.Tenant, []byte(r.ID))); v != nil {
			held, bad := decodeReservation(v)
			if bad != nil {
				return nil, fmt.Errorf("%w: a reservation cannot be read: %w", ledger.ErrUnavailable, bad)
			}
			current[i] = bytes.Clone(held.record)
		}
		if (current[i] == nil) != (r.Old == nil) || !bytes.Equal(current[i], r.Old) {
			err = ledger.ErrConflict
		}
	}
	return current, err
}

// keep writes a counter as it is now, if that is not what it was. One that counts nothing any more is dropped.
func (w *work) keep(tenant string, key, before []byte, counter *ledger.Counter) {
	if counter == nil {
		return
	}
	name := joinKey(tenant, key)
	if counter.Idle(w.now) {
		if before != nil {
			w.put(cellBucket, name, nil)
			w.book(w.c.cells, tenant, counter.Owner, -1)
		}
		return
	}
	after := encodeCounter(counter)
	if bytes.Equal(before, after) {
		return
	}
	w.put(cellBucket, name, after)
	if before == nil {
		w.book(w.c.cells, tenant, counter.Owner, 1)
	}
}

// swap writes a reservation. It says whether a new one found no room.
func (w *work) swap(b *ledger.Batch, r *ledger.Reservation, current []byte) (dropped bool) {
	name := joinKey(b.Tenant, []byte(r.ID))
	switch {
	case r.New == nil && current == nil:
		return false
	case r.New == nil:
		w.put(reservationBucket, name, nil)
		w.book(w.c.held, b.Tenant, r.Owner, -1)
		return false
	case current == nil && !w.c.held.room(b.Tenant, map[string]int{r.Owner: 1}, 1):
		return true
	case current == nil:
		w.book(w.c.held, b.Tenant, r.Owner, 1)
	}
	w.put(reservationBucket, name, encodeReservation(heldRecord{r.Owner, r.ExpiresAt, r.New}))
	return false
}

func (w *work) put(bucket, key, value []byte) {
	if w.broken != nil {
		return
	}
	w.written++
	if value == nil {
		w.broken = w.tx.Bucket(bucket).Delete(key)
		return
	}
	w.broken = w.tx.Bucket(bucket).Put(key, value)
}

func (w *work) book(q *quota, tenant, owner string, n int) {
	q.book(tenant, owner, n)
	w.undo = append(w.undo, func() { q.book(tenant, owner, -n) })
}
