package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// itemsGrace is how much longer than it must Redis keeps what agents remember: its clock and the replicas' may differ.
const itemsGrace = 24 * time.Hour

// MemoryItems are the records of what agents remember, of several processes in one Redis. Each change is one script, a
// compare-and-set. What Redis forgets although it was acknowledged is not noticed here as it is for limits: an item that is gone is
// not read, but where an older state comes back, so do the versions that were current in it. docs/memory.md says what that costs.
// Safe for concurrent use.
type MemoryItems struct {
	l      *Ledger
	prefix string
}

var _ memory.Store = (*MemoryItems)(nil)

// OpenMemoryItems returns the records in this Redis.
func (l *Ledger) OpenMemoryItems() *MemoryItems { return &MemoryItems{l: l, prefix: l.cfg.Prefix} }

// key is in a slot of its own for each owner.
func (m *MemoryItems) key(of memory.Owner) string {
	return m.prefix + ":memory:{" + name(part(of.Tenant)+part(of.Agent)) + "}"
}

// Get returns a head and a record.
func (m *MemoryItems) Get(ctx context.Context, of memory.Owner, item string) (head, record []byte, err error) {
	result, err := m.l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hmget().Key(m.key(of)).Field("h", "i"+item).Build())
	})
	if err != nil {
		return nil, nil, err
	}
	answer, err := result.ToArray()
	if err != nil || len(answer) != 2 {
		return nil, nil, fmt.Errorf("%w: read memory items: %d answers, %w", ledger.ErrUnavailable, len(answer), err)
	}
	for i, into := range []*[]byte{&head, &record} {
		if answer[i].IsNil() {
			continue
		}
		if *into, err = answer[i].AsBytes(); err != nil {
			return nil, nil, fmt.Errorf("%w: read memory items: %w", ledger.ErrUnavailable, err)
		}
	}
	return head, record, nil
}

// All returns a head and all records.
func (m *MemoryItems) All(ctx context.Context, of memory.Owner) (head []byte, records map[string][]byte, err error) {
	result, err := m.l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hgetall().Key(m.key(of)).Build())
	})
	if err != nil {
		return nil, nil, err
	}
	fields, err := result.AsStrMap()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: read memory items: %w", ledger.ErrUnavailable, err)
	}
	records = make(map[string][]byte, len(fields))
	for field, value := range fields {
		if field == "h" {
			head = []byte(value)
		} else {
			records[field[1:]] = []byte(value)
		}
	}
	return head, records, nil
}

// Swap sets a head and records if the head is still what it was.
func (m *MemoryItems) Swap(ctx context.Context, of memory.Owner, old, head []byte, records map[string][]byte, ends time.Time) (bool, error) {
	args := []string{optional(old), string(head), digits(ends.Add(itemsGrace).UnixMilli())}
	for _, item := range slices.Sorted(maps.Keys(records)) {
		args = append(args, item, optional(records[item]))
	}
	answer, err := m.l.run(ctx, m.l.scripts.memory, []string{m.key(of)}, args)
	if err != nil {
		return false, err
	}
	in := reader{rest: answer}
	swapped := in.int() == 1
	return swapped, in.err
}

// Sweep does nothing: Redis forgets by itself.
func (m *MemoryItems) Sweep(context.Context, time.Time) error { return nil }

// optional tells nothing from what is empty.
func optional(value []byte) string {
	if value == nil {
		return "-"
	}
	return "+" + string(value)
}
