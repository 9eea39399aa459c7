package limit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Usage is one counter and whom it counts. Fields of Subject that the scope does not name are empty.
type Usage struct {
	Status  Status
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

// Usage lists counters of a tenant that are not empty, fullest first, for the limits in defs. Truncated says that there
// are more than were shown or looked at. It commits what is pending first, and so is exact.
func (e *Engine) Usage(ctx context.Context, tenant string, defs []Definition, f UsageFilter) (rows []Usage, truncated bool, err error) {
	most := min(cmp.Or(max(f.MaxRows, 0), defaultUsageRows), maxUsageRows)
	if err := e.Flush(ctx); err != nil {
		return nil, false, err
	}
	byName := make(map[string]*Definition, len(defs))
	for i := range defs {
		byName[defs[i].Name] = &defs[i]
	}
	now, seen := e.clock.now(), 0
	err = e.ledger.Scan(ctx, CellSpace, appendPart(nil, tenant), nil, usageScan, func(key, value []byte) bool {
		seen++
		p, ok := parseKey(key)
		d := byName[p.name]
		if !ok || d == nil || measureCode(d.Measure) != p.kind || scopeOf(d.Scope)|tenantBit != p.scope || !f.shows(&p) {
			return true
		}
		_, w, ok := decodeCell(value)
		if !ok {
			return true
		}
		w.resize(widthOf(d.WindowSeconds), now)
		w.advance(now)
		if w.sum == 0 {
			return true
		}
		it := item{def: d, cell: &cell{window: w}, exceeded: d.exceeded(w.sum, 0)}
		rows = append(rows, Usage{Status: it.status(), Subject: p.who})
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
