package ledgertest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Bounds are how many records a ledger under test may have. Zero: as many as it likes.
type Bounds struct{ PerTenant, PerOwner, ReservationsPerOwner int }

// Model is a ledger in a map: what ledger.Carry says, and nothing clever. It exists to be compared with. Its time is what the
// test sets, so that it can follow another ledger's. Safe for concurrent use, one call at a time.
type Model struct {
	mu      sync.Mutex
	bounds  Bounds
	now     int64
	epoch   int64
	order   int64
	cells   map[place]*ledger.Counter
	held    map[place]ledger.Reservation
	records map[string]map[string][]byte
	// amnesia is when a tenant's epoch was lost.
	amnesia map[string]int64
}

type place struct{ tenant, key string }

var (
	_ ledger.Ledger  = (*Model)(nil)
	_ ledger.Records = (*Model)(nil)
)

// NewModel is an empty ledger.
func NewModel(b Bounds, now, epoch int64) *Model {
	return &Model{
		bounds: b, now: now, epoch: epoch, cells: map[place]*ledger.Counter{}, held: map[place]ledger.Reservation{},
		records: map[string]map[string][]byte{}, amnesia: map[string]int64{},
	}
}

// Set moves the model's time, and its epoch. What had expired by then is gone.
func (m *Model) Set(now, epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.epoch = now, epoch
	maps.DeleteFunc(m.cells, func(_ place, c *ledger.Counter) bool { c.Advance(now); return c.Idle(now) })
	maps.DeleteFunc(m.held, func(_ place, r ledger.Reservation) bool { return r.ExpiresAt <= now })
}

// Now is exact.
func (m *Model) Now() (earliest, latest int64, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, m.now, true
}

// Shared says yes, so that engines in one test may share a model.
func (m *Model) Shared() bool { return true }

// Do carries out a batch.
func (m *Model) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	current := make([][]byte, len(b.Reservations))
	conflict := false
	for i, r := range b.Reservations {
		held, there := m.held[place{b.Tenant, r.ID}]
		if there {
			current[i] = held.New
		}
		conflict = conflict || there != (r.Old != nil) || !bytes.Equal(held.New, r.Old)
	}
	if conflict {
		return &ledger.Receipt{Now: m.now, Epoch: m.epoch, Current: current}, ledger.ErrConflict
	}
	cells := make([]*ledger.Counter, len(b.Lines))
	for i, l := range b.Lines {
		c := m.cells[place{b.Tenant, string(l.Key)}]
		if c == nil {
			continue
		}
		if c.Advance(m.now); c.Stale(b.Holder, b.Seq) {
			return nil, ledger.ErrStale
		}
		cells[i] = &ledger.Counter{Owner: c.Owner, Period: c.Period, Buckets: slices.Clone(c.Buckets), Blocks: slices.Clone(c.Blocks)}
	}
	r := ledger.Carry(b, cells, ledger.Terms{Now: m.now, Epoch: m.epoch, Amnesia: m.forgotten(b.Tenant), Room: m.room(b)})
	for i, c := range cells {
		// What only looked, or was denied, changes nothing, a new width neither.
		if c == nil || !r.Lines[i].Charged && len(b.Lines[i].Refunds) == 0 && !c.Knows(b.Holder) {
			continue
		}
		at := place{b.Tenant, string(b.Lines[i].Key)}
		if c.Idle(m.now) {
			delete(m.cells, at)
		} else {
			m.cells[at] = c
		}
	}
	m.order++
	r.Current, r.Order = current, m.order
	for i, v := range b.Reservations {
		r.Dropped = m.swap(b.Tenant, v, &r.Current[i]) || r.Dropped
	}
	return r, nil
}

// room counts the cells that there are.
func (m *Model) room(b *ledger.Batch) func(fresh map[string]int) bool {
	return func(fresh map[string]int) bool {
		times, all, owners := 1, 0, map[string]int{}
		if b.Overdraw {
			times = 2
		}
		for at, c := range m.cells {
			if at.tenant == b.Tenant && !c.Idle(m.now) {
				all++
				owners[c.Owner]++
			}
		}
		for owner, n := range fresh {
			all += n
			if m.bounds.PerOwner > 0 && owners[owner]+n > times*m.bounds.PerOwner {
				return false
			}
		}
		return m.bounds.PerTenant == 0 || all <= times*m.bounds.PerTenant
	}
}

func (m *Model) swap(tenant string, r ledger.Reservation, current *[]byte) (dropped bool) {
	at := place{tenant, r.ID}
	if r.New == nil {
		delete(m.held, at)
		*current = nil
		return false
	}
	before, there := m.held[at]
	if there {
		r.Owner = before.Owner // who made it pays for it
	} else if m.bounds.ReservationsPerOwner > 0 {
		n := 0
		for other, held := range m.held {
			if other.tenant == tenant && held.Owner == r.Owner {
				n++
			}
		}
		if n >= m.bounds.ReservationsPerOwner {
			return true
		}
	}
	r.New = append([]byte{}, r.New...)
	m.held[at] = r
	*current = r.New
	return false
}

// Forget is what happens to a ledger that is restarted empty.
func (m *Model) Forget(epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at := range m.cells {
		m.amnesia[at.tenant] = m.now
	}
	clear(m.cells)
	clear(m.held)
	m.epoch = epoch
}

// forgotten is which cells count as full.
func (m *Model) forgotten(tenant string) func(l *ledger.Line) (bool, int64) {
	lost, there := m.amnesia[tenant]
	if !there {
		return nil
	}
	return func(l *ledger.Line) (bool, int64) { return l.Period.LostAt(lost, l.Lease, m.now) }
}

// Reservation reads one.
func (m *Model) Reservation(_ context.Context, tenant, id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held[place{tenant, id}].New, nil
}

// Cells visits what counts.
func (m *Model) Cells(_ context.Context, tenant string, most int, visit func(ledger.Cell) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, c := range m.cells {
		if at.tenant != tenant {
			continue
		}
		if c.Advance(m.now); c.Used() == 0 {
			continue
		}
		if most--; most < 0 {
			return nil
		}
		if !visit(ledger.Cell{
			Key: []byte(at.key), Owner: c.Owner, Period: c.Period, Used: c.Used(), Blocks: c.Booked(), ResetsAt: c.ResetsAt(),
		}) {
			return nil
		}
	}
	return nil
}

// Recover ends the amnesia of a tenant.
func (m *Model) Recover(_ context.Context, tenant string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.amnesia[tenant]
	delete(m.amnesia, tenant)
	return there, nil
}

// Status is always well.
func (m *Model) Status() ledger.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return ledger.Status{Cells: int64(len(m.cells)), Reservations: int64(len(m.held))}
}

// Records returns a tenant's records.
func (m *Model) Records(_ context.Context, tenant string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.records[tenant]), nil
}

// Swap sets a record by compare-and-set. The model never forgets one.
func (m *Model) Swap(_ context.Context, tenant, key string, old, record []byte, _ int64) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current, there := m.records[tenant][key]
	if there != (old != nil) || !bytes.Equal(current, old) {
		return current, false, nil
	}
	if record == nil {
		delete(m.records[tenant], key)
		return nil, true, nil
	}
	if m.records[tenant] == nil {
		m.records[tenant] = map[string][]byte{}
	}
	m.records[tenant][key] = append([]byte{}, record...)
	return m.records[tenant][key], true, nil
}
