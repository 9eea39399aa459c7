package ledger

import (
	"bytes"
	"fmt"
	"time"
)

// Bounds on what a batch may carry, so that every store can keep it and count it exactly.
const (
	MaxName         = 8192 // bytes of a key, of an owner
	MaxTenant       = 1024 // bytes
	MaxLines        = 256  // of a batch
	MaxReservations = 64   // of a batch
	MaxStamps       = 1024 // spent or refunded in one line
	MaxRecord       = 64 << 10
)

// maxSpan bounds widths, leases and expiries from now on: at 65 widths, every time computed from them is far below
// MaxUnits, where stores stop to count exactly.
const maxSpan = int64(366 * 24 * time.Hour / time.Microsecond)

// Validate refuses a batch that no ledger could carry out. Its reasons name no content.
func (b *Batch) Validate() error {
	switch {
	case b.Tenant == "" || len(b.Tenant) > MaxTenant:
		return fmt.Errorf("a tenant has 1 to %d bytes, not %d", MaxTenant, len(b.Tenant))
	case b.Holder == "" || len(b.Holder) > 128:
		return fmt.Errorf("a holder has 1 to 128 bytes, not %d", len(b.Holder))
	case outside(b.Seq):
		return fmt.Errorf("batches are numbered 0 to %d, not %d", MaxUnits, b.Seq)
	case len(b.Lines) > MaxLines || len(b.Reservations) > MaxReservations:
		return fmt.Errorf("%d lines and %d reservations: a batch has at most %d and %d", len(b.Lines), len(b.Reservations), MaxLines, MaxReservations)
	}
	for i := range b.Lines {
		if err := b.Lines[i].validate(); err != nil {
			return fmt.Errorf("line %d: %w", i, err)
		}
		for j := range i {
			if bytes.Equal(b.Lines[j].Key, b.Lines[i].Key) {
				return fmt.Errorf("line %d: the same cell as line %d", i, j)
			}
		}
	}
	for i := range b.Reservations {
		r := &b.Reservations[i]
		switch {
		case r.ID == "" || len(r.ID) > 128 || len(r.Owner) > MaxName:
			return fmt.Errorf("reservation %d: an id has 1 to 128 bytes, an owner at most %d", i, MaxName)
		case max(len(r.Old), len(r.New)) > MaxRecord || outside(r.ExpiresAt):
			return fmt.Errorf("reservation %d: a record has at most %d bytes, and its expiry is a time", i, MaxRecord)
		}
		for j := range i {
			if b.Reservations[j].ID == r.ID {
				return fmt.Errorf("reservation %d: the same as %d", i, j)
			}
		}
	}
	return nil
}

func (l *Line) validate() error {
	if len(l.Key) == 0 || len(l.Key) > MaxName || len(l.Owner) > MaxName {
		return fmt.Errorf("a key has 1 to %d bytes, an owner at most as many", MaxName)
	}
	if err := l.Period.Validate(); err != nil {
		return err
	}
	if l.Class > Soft {
		return fmt.Errorf("class %d is none", l.Class)
	}
	for _, units := range []int64{l.Held, l.Epoch, l.Returned, l.Want, l.Need, l.Block} {
		if outside(units) {
			return fmt.Errorf("an amount is 0 to %d, not %d", MaxUnits, units)
		}
	}
	if l.Max < -1 || l.Max > MaxUnits {
		return fmt.Errorf("max is -1 to %d, not %d", MaxUnits, l.Max)
	}
	if l.Lease < 0 || l.Lease > maxSpan {
		return fmt.Errorf("a lease is 0 to %d microseconds, not %d", maxSpan, l.Lease)
	}
	if len(l.Spent) > MaxStamps || len(l.Refunds) > MaxStamps {
		return fmt.Errorf("%d spent and %d refunded stamps: a line has at most %d", len(l.Spent), len(l.Refunds), MaxStamps)
	}
	for _, stamps := range [][]Stamp{l.Spent, l.Refunds} {
		for _, s := range stamps {
			if outside(s.Index) || outside(s.Units) {
				return fmt.Errorf("a stamp is 0 to %d, not %d in %d", MaxUnits, s.Units, s.Index)
			}
		}
	}
	return nil
}

func outside(n int64) bool { return n < 0 || n > MaxUnits }
