package embedded

import (
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
)

var (
	switchesBucket = []byte("killswitch")
	switchesKey    = []byte("list")
)

// LoadSwitches returns the kill switches that were on.
func (s *Store) LoadSwitches(context.Context) ([]killswitch.Switch, error) {
	var list []killswitch.Switch
	err := s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(switchesBucket)
		if b == nil {
			return nil
		}
		raw := b.Get(switchesKey)
		if raw == nil {
			return nil
		}
		return json.Unmarshal(raw, &list)
	})
	if err != nil {
		return nil, fmt.Errorf("read kill switches: %w", err)
	}
	return list, nil
}

// SaveSwitches replaces the list. It is on disk when this returns.
func (s *Store) SaveSwitches(_ context.Context, list []killswitch.Switch) error {
	raw, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode kill switches: %w", err)
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(switchesBucket)
		if err != nil {
			return fmt.Errorf("create bucket: %w", err)
		}
		return b.Put(switchesKey, raw)
	})
}
