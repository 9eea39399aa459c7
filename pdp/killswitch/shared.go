package killswitch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Records keeps small records that several processes share, changed by compare-and-set: the store of breakers does it.
type Records interface {
	// Records may be a second old.
	Records(ctx context.Context, tenant string) (map[string][]byte, error)
	Swap(ctx context.Context, tenant, key string, old, record []byte, forgetAfter int64) (current []byte, swapped bool, err error)
}

const (
	// scope stands where others have a tenant. No tenant is called so.
	scope = "\x00killswitch"
	// keptFor is how long a record is kept, microseconds: of a switch that is on for longer, any replica puts it back; that one
	// was let go is forgotten after a shorter time, as such records would pile up.
	keptFor    = int64(365 * 24 * time.Hour / time.Microsecond)
	keptForOff = int64(30 * 24 * time.Hour / time.Microsecond)
	// refreshEvery is how often a replica looks at what others have set.
	refreshEvery = 500 * time.Millisecond
	// mostTries bounds how often a record is tried that others change at once.
	mostTries = 16
)

// shared is a switch as replicas share it. One that was let go stays as such: a record that is missing was lost, and every
// replica that remembers the switch puts it back. N orders what happened to it:
// it grows, and is not less than the time in microseconds, so that it grows even after all was lost.
type shared struct {
	Switch Switch
	On     bool
	N      int64
}

// Share makes the board one of several: what is set here is set everywhere, and the other way round, within two seconds.
// Call it before the board is used, and Follow beside it.
func (b *Board) Share(records Records) {
	b.records, b.seen = records, map[string]int64{}
}

// Follow takes over what other replicas set, until ctx ends. While the records cannot be read everything stays as it is.
func (b *Board) Follow(ctx context.Context, log *slog.Logger) {
	if b.records == nil {
		return
	}
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	failing := false
	for {
		err := b.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			log.Error("kill switches of other replicas are not heard of; those that are known hold", "error", err.Error())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Refresh takes over what other replicas have set, and puts back what was lost.
func (b *Board) Refresh(ctx context.Context) error {
	all, err := b.records.Records(ctx, scope)
	if err != nil {
		return fmt.Errorf("read the shared kill switches: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list, changed := slices.Clone(*b.list.Load()), false
	for key, raw := range all {
		var s shared
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("read a shared kill switch: %w", err)
		}
		if s.N > b.seen[key] {
			b.seen[key] = s.N
			list, changed = s.apply(list), true
		}
	}
	for _, s := range list {
		if _, there := all[recordKey(s)]; there {
			continue
		}
		now, err := b.publish(ctx, s, true, false)
		if err != nil {
			return err
		}
		if !now.On { // what was read was old: it has been let go
			list, changed = now.apply(list), true
		}
	}
	if !changed {
		return nil
	}
	sortSwitches(list)
	b.list.Store(&list)
	if err := b.store.SaveSwitches(ctx, list); err != nil {
		return fmt.Errorf("save kill switches: %w", err)
	}
	return nil
}

func (s shared) apply(list []Switch) []Switch {
	list = slices.DeleteFunc(list, func(o Switch) bool { return o.key() == s.Switch.key() })
	if s.On {
		list = append(list, s.Switch)
	}
	return list
}

// publish tells the others, and returns what stands then. Without force it changes nothing that is there already.
func (b *Board) publish(ctx context.Context, s Switch, on, force bool) (shared, error) {
	key := recordKey(s)
	var old []byte
	for range mostTries {
		is := shared{N: b.seen[key]}
		if old != nil {
			if err := json.Unmarshal(old, &is); err != nil {
				return shared{}, fmt.Errorf("read a shared kill switch: %w", err)
			}
			if !force {
				b.seen[key] = max(b.seen[key], is.N)
				return is, nil
			}
		}
		next := shared{Switch: s, On: on, N: max(is.N+1, b.seen[key]+1, b.now().UnixMicro())}
		raw, err := json.Marshal(next)
		if err != nil {
			return shared{}, err
		}
		kept := keptFor
		if !on {
			kept = keptForOff
		}
		current, swapped, err := b.records.Swap(ctx, scope, key, old, raw, kept)
		if err != nil {
			return shared{}, fmt.Errorf("share the kill switch with other replicas: %w", err)
		}
		if swapped {
			b.seen[key] = next.N
			return next, nil
		}
		old = current
	}
	return shared{}, errors.New("share the kill switch with other replicas: too many change it at once")
}

// recordKey is a bounded name of a switch.
func recordKey(s Switch) string {
	sum := sha256.Sum256([]byte(s.key()))
	return hex.EncodeToString(sum[:])
}

func sortSwitches(list []Switch) {
	slices.SortFunc(list, func(x, y Switch) int { return strings.Compare(x.key(), y.key()) })
}
