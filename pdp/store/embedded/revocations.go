package embedded

import (
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/delegation"
)

var revocationsBucket = []byte("delegation")

func revocationKey(r delegation.Revocation) []byte {
	return fmt.Appendf(nil, "%d:%s%s", len(r.Tenant), r.Tenant, r.ID)
}

// LoadRevocations returns the delegations that were revoked.
func (s *Store) LoadRevocations(context.Context) ([]delegation.Revocation, error) {
	var list []delegation.Revocation
	err := s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(revocationsBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, raw []byte) error {
			var r delegation.Revocation
			if err := json.Unmarshal(raw, &r); err != nil {
				return err
			}
			list = append(list, r)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read revoked delegations: %w", err)
	}
	return list, nil
}

// SaveRevocation adds one and drops those that no token needs any more. It is on disk when this returns.
func (s *Store) SaveRevocation(_ context.Context, add delegation.Revocation, drop []delegation.Revocation) error {
	raw, err := json.Marshal(add)
	if err != nil {
		return fmt.Errorf("encode revoked delegation: %w", err)
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(revocationsBucket)
		if err != nil {
			return fmt.Errorf("create bucket: %w", err)
		}
		for _, r := range drop {
			if err := b.Delete(revocationKey(r)); err != nil {
				return err
			}
		}
		return b.Put(revocationKey(add), raw)
	})
}
