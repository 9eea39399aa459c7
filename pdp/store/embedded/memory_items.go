package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// itemsBucket has a bucket for each owner, under tenant and agent.
var (
	itemsBucket = []byte("memory.items")
	itemsHead   = []byte("h")
	itemsEnds   = []byte("e") // Unix seconds, 8 bytes
	itemsPrefix = []byte("i")
)

// MemoryItems are the records of what agents remember. Each change is one synced transaction: what is acknowledged is on the disk.
// Safe for concurrent use.
type MemoryItems struct{ db *bbolt.DB }

var _ memory.Store = (*MemoryItems)(nil)

// OpenMemoryItems opens them.
func (s *Store) OpenMemoryItems() (*MemoryItems, error) {
	if err := s.buckets(itemsBucket); err != nil {
		return nil, err
	}
	return &MemoryItems{s.db}, nil
}

func ownerKey(of memory.Owner) []byte { return joinKey(of.Tenant, []byte(of.Agent)) }

// itemKey is never empty, which bbolt would refuse, and never longer than bbolt takes: the contract's bounds see to that.
func itemKey(item string) []byte { return append(bytes.Clone(itemsPrefix), item...) }

// Get returns a head and a record.
func (m *MemoryItems) Get(_ context.Context, of memory.Owner, item string) (head, record []byte, err error) {
	err = m.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(itemsBucket).Bucket(ownerKey(of)); b != nil {
			head, record = bytes.Clone(b.Get(itemsHead)), bytes.Clone(b.Get(itemKey(item)))
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read memory items: %w", err)
	}
	return head, record, nil
}

// All returns a head and all records.
func (m *MemoryItems) All(_ context.Context, of memory.Owner) (head []byte, records map[string][]byte, err error) {
	records = map[string][]byte{}
	err = m.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(itemsBucket).Bucket(ownerKey(of))
		if b == nil {
			return nil
		}
		head = bytes.Clone(b.Get(itemsHead))
		c := b.Cursor()
		for k, v := c.Seek(itemsPrefix); bytes.HasPrefix(k, itemsPrefix); k, v = c.Next() {
			records[string(k[len(itemsPrefix):])] = bytes.Clone(v)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read memory items: %w", err)
	}
	return head, records, nil
}

// Swap sets a head and records if the head is still what it was.
func (m *MemoryItems) Swap(_ context.Context, of memory.Owner, old, head []byte, records map[string][]byte, ends time.Time) (swapped bool, err error) {
	err = m.db.Update(func(tx *bbolt.Tx) error {
		owners, key := tx.Bucket(itemsBucket), ownerKey(of)
		b := owners.Bucket(key)
		if b == nil && old != nil {
			return nil
		}
		if b != nil {
			if is := b.Get(itemsHead); !bytes.Equal(is, old) || (is == nil) != (old == nil) {
				return nil
			}
		} else if b, err = owners.CreateBucket(key); err != nil {
			return err
		}
		for item, record := range records {
			var err error
			if record == nil {
				err = b.Delete(itemKey(item))
			} else {
				err = b.Put(itemKey(item), record)
			}
			if err != nil {
				return err
			}
		}
		if err := b.Put(itemsEnds, binary.BigEndian.AppendUint64(nil, uint64(max(ends.Unix(), 0)))); err != nil {
			return err
		}
		if err := b.Put(itemsHead, head); err != nil {
			return err
		}
		swapped = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("write memory items: %w", err)
	}
	return swapped, nil
}

// mostSwept is how many owners one Sweep looks at and forgets at most, so that it holds the one writer for a short time only.
const mostSwept = 10_000

// Sweep forgets owners that ended before now.
func (m *MemoryItems) Sweep(_ context.Context, now time.Time) error {
	err := m.db.Update(func(tx *bbolt.Tx) error {
		owners := tx.Bucket(itemsBucket)
		var over [][]byte
		c := owners.Cursor()
		for k, _ := c.First(); k != nil && len(over) < mostSwept; k, _ = c.Next() {
			ends := owners.Bucket(k).Get(itemsEnds)
			if len(ends) == 8 && int64(binary.BigEndian.Uint64(ends)) < now.Unix() {
				over = append(over, bytes.Clone(k))
			}
		}
		for _, k := range over {
			if err := owners.DeleteBucket(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sweep memory items: %w", err)
	}
	return nil
}
