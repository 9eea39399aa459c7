package limit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Usage is one counter and whom it counts. Fields of Subject that the scope does not name are empty.
type Usage struct {
	Status  Status
	Booked  int64 // units of Used that are leased ahead by somebody, and not spent as far as is known
	Subject Subject
}

// UsageFilter narrows a listing. Empty fields narrow nothing. A counter whose scope does not name the agent or session
// is not shown to a filter by it.
type UsageFilter struct {
	Agent, Session, Limit string
	MaxRows               int // 1 to 1,000; 0 is 100
}

const (
	defaultUsageRows = 100
	maxUsageRows     = 1_000
	usageScan        = 250_000 // counters looked at
)

// Usage lists counters of a tenant that are not empty, fullest first, for the limits of a table. Truncated says that there
// are more than were shown or looked at. Where one process has the ledger to itself the numbers are exact; else what
// another has leased ahead counts as used.
func (e *Engine) Usage(ctx context.Context, tenant string, set *Set, f UsageFilter) (rows []Usage, truncated bool, err error) {
	// What is on its way to the ledger is neither here nor there: what is to be told soon is told first, and where batches
	// went out meanwhile it is listed again. Under load the numbers are those of about now.
	for range 3 {
		if err = e.report(ctx, false, false); err == nil {
			err = e.landed(ctx, tenant)
		}
		if err != nil {
			return nil, false, err
		}
		before := e.stats.batches.Load()
		rows, truncated, err = e.list(ctx, tenant, set, f)
		if err != nil || e.stats.batches.Load() == before {
			break
		}
	}
	return rows, truncated, err
}

// landed waits until no cell of a tenant is under way any more that is now.
func (e *Engine) landed(ctx context.Context, tenant string) error {
	for i := range e.shards {
		s := &e.shards[i]
		var under []*flight
		s.mu.Lock()
		for _, c := range s.cells {
			if c.flight != nil && c.tenant == tenant {
				under = append(under, c.flight)
			}
		}
		s.mu.Unlock()
		for _, f := range under {
			if err := e.wait(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) list(ctx context.Context, tenant string, set *Set, f UsageFilter) (rows []Usage, truncated bool, err error) {
	most := min(cmp.Or(max(f.MaxRows, 0), defaultUsageRows), maxUsageRows)
	seen := 0
	err = e.ledger.Cells(ctx, tenant, usageScan, func(cell ledger.Cell) bool {
		seen++
		p, ok := parseKey(cell.Key)
		if !ok || !f.shows(&p) {
			return true
		}
		r := set.of(string(cell.Key))
		if r == nil {
			return true
		}
		if row, ok := e.usage(r, &cell, p.who); ok {
			rows = append(rows, row)
		}
		if len(rows) >= 2*most { // keep memory to what is shown
			slices.SortFunc(rows, fuller)
			rows, truncated = slices.Delete(rows, most, len(rows)), true
		}
		return true
	})
	if err != nil {
		return nil, false, fmt.Errorf("%w: list counters: %w", ErrUnavailable, err)
	}
	slices.SortFunc(rows, fuller)
	if len(rows) > most {
		rows, truncated = slices.Delete(rows, most, len(rows)), true
	}
	return rows, truncated || seen >= usageScan, nil
}

// usage is one row: what the ledger says, and what this engine has not told it yet.
func (e *Engine) usage(r *rule, cell *ledger.Cell, who Subject) (Usage, bool) {
	used, booked := cell.Used, cell.Blocks
	hash := maphash.Bytes(e.seed, cell.Key)
	s := e.shard(hash)
	s.mu.Lock()
	if c := s.cells[hash]; c != nil && c.key == string(cell.Key) {
		booked = max(booked-c.left-sumOf(c.spent), 0)
		used = ledger.Add(max(used-c.left-sumOf(c.refunds), 0), c.owed)
	}
	s.mu.Unlock()
	if used == 0 {
		return Usage{}, false
	}
	d := r.def
	status := Status{
		Name: d.Name, Measure: d.Measure, Scope: d.Scope, Used: used, Remaining: max(d.Max-used, 0), Max: d.Max,
		WindowSeconds: d.WindowSeconds, Period: d.Forgets(), Exceeded: used > r.most, OnExceed: d.onExceed(),
	}
	if cell.ResetsAt > 0 {
		status.ResetsAt = instant(cell.ResetsAt)
	}
	return Usage{Status: status, Booked: booked, Subject: who}, true
}

func (f *UsageFilter) shows(p *parsedKey) bool {
	return (f.Limit == "" || f.Limit == p.name) && (f.Agent == "" || f.Agent == p.who.Agent) &&
		(f.Session == "" || f.Session == p.who.Session)
}

// fuller orders by how full a counter is, then by name and subject, so that a listing is stable.
func fuller(a, b Usage) int {
	share := func(s Status) float64 { return float64(s.Used) / float64(max(s.Max, 1)) }
	return cmp.Or(
		cmp.Compare(share(b.Status), share(a.Status)), cmp.Compare(a.Status.Name, b.Status.Name),
		cmp.Compare(a.Subject.Agent, b.Subject.Agent), cmp.Compare(a.Subject.Session, b.Subject.Session),
		cmp.Compare(a.Subject.User, b.Subject.User), cmp.Compare(a.Subject.Tool, b.Subject.Tool),
	)
}
