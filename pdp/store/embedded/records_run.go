package embedded

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

const (
	// recordsSweep is how often records that are over leave memory and disk.
	recordsSweep = time.Minute
	// recordsRetry is how often the disk is tried again after it failed.
	recordsRetry = 250 * time.Millisecond
)

// run carries out what waits, all of it in one transaction, until Close; what waits then is finished.
func (r *Records) run(ctx context.Context) {
	defer close(r.done)
	sweep, retry := time.NewTicker(recordsSweep), time.NewTicker(recordsRetry)
	defer sweep.Stop()
	defer retry.Stop()
	for {
		select {
		case s := <-r.queue:
			r.carryOut(r.gather([]*swap{s}))
		case <-sweep.C:
			r.carryOut(r.over())
		case <-retry.C:
			if r.trouble.Load() != nil {
				r.carryOut(nil)
			}
		case <-ctx.Done():
			for group := r.gather(nil); len(group) > 0; group = r.gather(nil) {
				r.carryOut(group)
			}
			return
		}
	}
}

// gather takes what waits already.
func (r *Records) gather(group []*swap) []*swap {
	for len(group) < mostSwaps {
		select {
		case s := <-r.queue:
			group = append(group, s)
		default:
			return group
		}
	}
	return group
}

// over are swaps that delete what is over.
func (r *Records) over() []*swap {
	now := r.clock.Now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	var group []*swap
	for tenant, s := range r.tenants {
		for key, k := range s.records {
			if k.until <= now && len(group) < mostSwaps {
				group = append(group, &swap{tenant: tenant, key: key, done: make(chan struct{})}) // from none to none
			}
		}
	}
	return group
}

// carryOut does a group. If the disk fails, none of it has happened, as far as anybody can tell: memory is not read until
// the disk works again.
func (r *Records) carryOut(group []*swap) {
	r.busy.start()
	defer r.busy.stop()
	wrote, err := r.write(group)
	if err == nil && r.trouble.Load() != nil {
		err = r.load() // what the failed commit left behind
	} else if err == nil {
		r.apply(wrote)
	}
	if err != nil {
		err = fmt.Errorf("write records: %w", err)
		r.trouble.Store(&err)
	} else {
		r.trouble.Store(nil)
	}
	for _, s := range group {
		if err != nil {
			s.current, s.swapped, s.err = nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
		}
		close(s.done)
	}
}

// wrote is one record as it is on the disk now.
type wrote struct {
	tenant, key string
	kept        kept // without a value: it is gone
}

// write compares and writes in one transaction. Where nothing changes the disk is left alone, unless it failed before.
func (r *Records) write(group []*swap) (list []wrote, err error) {
	tx, err := r.db.Begin(true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	b, now, size := tx.Bucket(recordsBucket), r.clock.Now(), r.size
	for _, s := range group {
		name := joinKey(s.tenant, []byte(s.key))
		raw := b.Get(name)
		current := kept{until: now + 1}
		if raw != nil {
			var ok bool
			if current, ok = decodeKept(raw); !ok {
				return nil, errRecord
			}
		}
		dead := current.until <= now
		if dead {
			current.value = nil
		}
		s.current = current.value
		if !same(current.value, s.old) {
			continue
		}
		if s.swapped = true; s.new == nil && raw == nil {
			continue
		}
		s.current = s.new
		change := wrote{tenant: s.tenant, key: s.key}
		if s.new == nil {
			err = b.Delete(name)
			size--
		} else {
			if raw == nil {
				if size++; size > mostRecords {
					s.swapped, s.current, s.err = false, nil, fmt.Errorf("%w: %d records are kept", ledger.ErrUnavailable, mostRecords)
					size--
					continue
				}
			}
			change.kept = kept{value: s.new, until: add(now, s.keep)}
			err = b.Put(name, encodeKept(change.kept))
		}
		if err != nil {
			return nil, err
		}
		list = append(list, change)
	}
	if len(list) == 0 && r.trouble.Load() == nil {
		return nil, nil
	}
	if err := tx.Bucket(recordsMeta).Put(clockKey, r.clock.Mark()); err != nil {
		return nil, err
	}
	return list, r.commit(tx)
}

// same tells none from a record without bytes.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func add(a, b int64) int64 {
	const most = int64(1) << 62
	if a > most-b {
		return most
	}
	return a + b
}

// apply makes memory what was written.
func (r *Records) apply(list []wrote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range list {
		s := r.tenants[w.tenant]
		if s == nil {
			s = &shelf{records: map[string]kept{}}
			r.tenants[w.tenant] = s
		}
		before := len(s.records)
		if w.kept.value == nil {
			delete(s.records, w.key)
		} else {
			s.records[w.key] = w.kept
		}
		r.size += len(s.records) - before
		if s.shown = nil; len(s.records) == 0 {
			delete(r.tenants, w.tenant)
		}
	}
}
