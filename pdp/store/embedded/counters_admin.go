package embedded

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Reservation reads one.
func (c *Counters) Reservation(ctx context.Context, tenant, id string) (record []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	err = c.db.View(func(tx *bbolt.Tx) error {
		v := tx.Bucket(reservationBucket).Get(joinKey(tenant, []byte(id)))
		if v == nil {
			return nil
		}
		held, err := decodeReservation(v)
		record = bytes.Clone(held.record)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: read a reservation: %w", ledger.ErrUnavailable, err)
	}
	return record, nil
}

// Cells visits a tenant's cells in the order of their keys, in one read transaction.
func (c *Counters) Cells(ctx context.Context, tenant string, most int, visit func(ledger.Cell) bool) error {
	now := c.clock.Now()
	err := c.db.View(func(tx *bbolt.Tx) error {
		prefix := joinKey(tenant, nil)
		cursor := tx.Bucket(cellBucket).Cursor()
		for k, v := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			counter, err := decodeCounter(v)
			if err != nil {
				return err
			}
			counter.Advance(now)
			used := counter.Used()
			if used == 0 {
				continue
			}
			if most--; most < 0 {
				return nil
			}
			cell := ledger.Cell{
				Key: k[len(prefix):], Owner: counter.Owner, Period: counter.Period,
				Used: used, Blocks: counter.Booked(), ResetsAt: counter.ResetsAt(),
			}
			if !visit(cell) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: list the counters: %w", ledger.ErrUnavailable, err)
	}
	return nil
}

// Recover has nothing to do: this ledger forgets nothing.
func (c *Counters) Recover(context.Context, string) (bool, error) { return false, nil }

// Status says what keeps batches from being carried out.
func (c *Counters) Status() ledger.Status {
	s := ledger.Status{
		Cells: int64(c.cells.size()), Reservations: int64(c.held.size()), ClockBehind: c.clock.Behind(),
	}
	if err := c.trouble.Load(); err != nil {
		s.Err = *err
	}
	if c.busy.hangs(c.cfg.Timeout) {
		s.Err = errHangs
	}
	select {
	case <-c.done:
		s.Err = errClosed
	default:
	}
	return s
}

// Close finishes what waits, and stops.
func (c *Counters) Close() error {
	c.stop()
	<-c.done
	return c.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(countersMeta).Put(clockKey, c.clock.Mark()) })
}

// sweepPage is how many records of each kind one sweep looks at.
const sweepPage = 5_000

// sweep looks at the next part of the database and deletes what is over: cells that count nothing, and reservations that
// have expired and so stay charged in full. A failure shows in the next batch.
func (c *Counters) sweep() {
	w := work{c: c}
	if w.begin() != nil {
		return
	}
	w.page(cellBucket, &c.sweepAt[0], func(tenant string, name, value []byte) {
		counter, err := decodeCounter(value)
		if err != nil {
			return
		}
		c.disown(counter)
		if counter.Advance(w.now); counter.Idle(w.now) {
			w.put(cellBucket, name, nil)
			w.book(c.cells, tenant, counter.Owner, -1)
		}
	})
	w.page(reservationBucket, &c.sweepAt[1], func(tenant string, name, value []byte) {
		if held, err := decodeReservation(value); err == nil && held.expiresAt <= w.now {
			w.put(reservationBucket, name, nil)
			w.book(c.held, tenant, held.owner, -1)
		}
	})
	c.report(w.end())
}

// page visits the records behind a key, and moves it on.
func (w *work) page(bucket []byte, after *[]byte, visit func(tenant string, name, value []byte)) {
	var names, values [][]byte
	cursor := w.tx.Bucket(bucket).Cursor()
	k, v := cursor.Seek(*after)
	for ; k != nil && len(names) < sweepPage; k, v = cursor.Next() {
		names, values = append(names, bytes.Clone(k)), append(values, bytes.Clone(v))
	}
	*after = bytes.Clone(k) // nil: from the first again
	for i, name := range names {
		if tenant, _, ok := splitKey(name); ok {
			visit(tenant, name, values[i])
		}
	}
}
