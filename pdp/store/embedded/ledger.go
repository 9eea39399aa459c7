package embedded

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// Ledger keeps counters, reservations and breakers, a bucket for each space. It writes through: a commit is one
// transaction and one sync of the disk. Who commits often groups what it commits, as pdp/limit does.
type Ledger struct {
	db *bbolt.DB
}

var _ limit.Ledger = (*Ledger)(nil)

// ledgerBuckets are the names of the spaces' buckets.
var ledgerBuckets = func() map[limit.Space][]byte {
	names := map[limit.Space][]byte{}
	for _, space := range limit.Spaces {
		names[space] = fmt.Appendf(nil, "limit.%d", space)
	}
	return names
}()

// OpenLedger opens the ledger of limits.
func (s *Store) OpenLedger() (*Ledger, error) {
	var names [][]byte
	for _, space := range limit.Spaces {
		names = append(names, ledgerBuckets[space])
	}
	if err := s.buckets(names...); err != nil {
		return nil, err
	}
	return &Ledger{db: s.db}, nil
}

// Load returns a copy of the record, or nil if there is none.
func (l *Ledger) Load(ctx context.Context, space limit.Space, key []byte) (out []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = l.db.View(func(tx *bbolt.Tx) error {
		b, err := bucketOf(tx, space)
		if err != nil {
			return err
		}
		if v := b.Get(key); v != nil {
			out = append([]byte{}, v...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return out, nil
}

// Commit writes all of the changes or none; they are on the disk when it returns nil.
func (l *Ledger) Commit(ctx context.Context, changes []limit.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.db.Update(func(tx *bbolt.Tx) error {
		for _, c := range changes {
			b, err := bucketOf(tx, c.Space)
			if err != nil {
				return err
			}
			if c.Value == nil {
				err = b.Delete(c.Key)
			} else {
				err = b.Put(c.Key, c.Value)
			}
			if err != nil {
				return fmt.Errorf("write the ledger: %w", err)
			}
		}
		return nil
	})
}

// Scan visits records in the order of their keys, in one read transaction.
func (l *Ledger) Scan(
	ctx context.Context, space limit.Space, prefix, after []byte, most int, visit func(key, value []byte) bool,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.db.View(func(tx *bbolt.Tx) error {
		b, err := bucketOf(tx, space)
		if err != nil {
			return err
		}
		c := b.Cursor()
		start := prefix
		if bytes.Compare(after, prefix) > 0 {
			start = after
		}
		k, v := c.Seek(start)
		if after != nil && bytes.Equal(k, after) {
			k, v = c.Next()
		}
		for n := 0; n < most && k != nil && bytes.HasPrefix(k, prefix); n++ {
			if !visit(k, v) {
				return nil
			}
			k, v = c.Next()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan the ledger: %w", err)
	}
	return nil
}

func bucketOf(tx *bbolt.Tx, space limit.Space) (*bbolt.Bucket, error) {
	b := tx.Bucket(ledgerBuckets[space])
	if b == nil {
		return nil, fmt.Errorf("the ledger has no space %d", space)
	}
	return b, nil
}
