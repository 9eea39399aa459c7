package breaker

import "sync"

// census knows how many breakers each agent of a crowded tenant has. Only there it has to be counted: where a tenant has
// fewer than one agent may have, nobody is at a bound. It counts again when the number of records has changed, and ten
// times a second. Safe for concurrent use.
type census struct {
	mu      sync.Mutex
	tenants map[string]*heads
}

// heads of one tenant.
type heads struct {
	records int
	at      int64
	agents  map[string]int
}

const countEvery = second / 10

// full says whether an agent, or its tenant, may have no more; times is 2 for a failure that has happened and can't be
// refused, and 1 for an action that can.
func (c *census) full(v *view, agent string, cfg Config, times int) bool {
	if len(v.records) < times*cfg.MaxPerTenantAgent {
		return false
	}
	if len(v.records) >= times*cfg.MaxPerTenant {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.tenants[v.tenant]
	if h == nil || h.records != len(v.records) || v.now.latest-h.at >= countEvery {
		h = v.heads()
		if c.tenants == nil || len(c.tenants) >= maxCensuses {
			c.tenants = map[string]*heads{}
		}
		c.tenants[v.tenant] = h
	}
	return h.agents[agent] >= times*cfg.MaxPerTenantAgent
}

// maxCensuses bounds the memory of tenants that were crowded once.
const maxCensuses = 1_000

func (v *view) heads() *heads {
	h := &heads{records: len(v.records), at: v.now.latest, agents: map[string]int{}}
	for _, raw := range v.records {
		if r, err := decode(raw); err == nil {
			h.agents[r.owner]++
		}
	}
	return h
}
