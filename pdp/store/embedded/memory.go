package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// memoryBucket has the last epoch of each tenant's shared ledger, under the tenant's name.
var memoryBucket = []byte("shared.epochs")

// Memory is what this data directory knows of a ledger of limits that several processes share: the last epoch of each tenant
// that this process was told of. It exists so that a shared store which was emptied while every process was down does not
// look like a new one, and so that a server which is started without it notices. Safe for concurrent use.
type Memory struct{ db *bbolt.DB }

// OpenMemory opens it. Counters of this directory's own, if there are any, are part of what is known: see Known.
func (s *Store) OpenMemory() (*Memory, error) {
	if err := s.buckets(memoryBucket, cellBucket); err != nil {
		return nil, err
	}
	return &Memory{s.db}, nil
}

// Known returns the last epoch of a tenant that was remembered. Where there is none, but this directory has counters of the
// tenant, from when it counted alone, it is 1, which is before any epoch: the shared ledger never heard of what they hold,
// and has to be as careful as if it had lost it. Else it is 0.
func (m *Memory) Known(tenant string) (epoch int64, err error) {
	err = m.db.View(func(tx *bbolt.Tx) error {
		if value := tx.Bucket(memoryBucket).Get(joinKey(tenant, nil)); value != nil {
			if len(value) != 8 {
				return fmt.Errorf("an epoch has 8 bytes, not %d", len(value))
			}
			epoch = int64(binary.BigEndian.Uint64(value))
			return nil
		}
		prefix := joinKey(tenant, nil)
		if k, _ := tx.Bucket(cellBucket).Cursor().Seek(prefix); bytes.HasPrefix(k, prefix) {
			epoch = 1
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read what is known of the shared ledger: %w", err)
	}
	return epoch, nil
}

// Remember notes an epoch, unless a later one is known. It is on the disk when it returns nil.
func (m *Memory) Remember(tenant string, epoch int64) error {
	err := m.db.Update(func(tx *bbolt.Tx) error {
		b, key := tx.Bucket(memoryBucket), joinKey(tenant, nil)
		if value := b.Get(key); len(value) == 8 && int64(binary.BigEndian.Uint64(value)) >= epoch {
			return nil
		}
		return b.Put(key, binary.BigEndian.AppendUint64(nil, uint64(max(epoch, 0))))
	})
	if err != nil {
		return fmt.Errorf("remember the epoch of the shared ledger: %w", err)
	}
	return nil
}

// Shared says whether the limits of this directory were counted in a shared ledger when it was used last.
func (m *Memory) Shared() (shared bool, err error) {
	err = m.db.View(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(memoryBucket).Cursor().First()
		shared = k != nil
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read what is known of the shared ledger: %w", err)
	}
	return shared, nil
}

// Forget drops all of it: this directory counts alone from now on.
func (m *Memory) Forget() error {
	err := m.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket(memoryBucket); err != nil {
			return err
		}
		_, err := tx.CreateBucket(memoryBucket)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget the shared ledger: %w", err)
	}
	return nil
}
