package limit

import "sync"

type holder struct{ tenant, agent string }

// quota counts live records, so that one agent or one tenant cannot use up the room of the others. It is rebuilt from
// the ledger at start. A leaf lock: nothing else is locked under it.
type quota struct {
	all, perTenant, perAgent int

	mu      sync.Mutex
	total   int
	tenants map[string]int
	agents  map[holder]int
}

func newQuota(all, perTenant, perAgent int) *quota {
	return &quota{all: all, perTenant: perTenant, perAgent: perAgent, tenants: map[string]int{}, agents: map[holder]int{}}
}

// take books n records if there is room for all of them. A debt or a failure that has happened may overdraw: times is 2
// then, and 1 for what can still be refused.
func (q *quota) take(h holder, n, times int) bool {
	if n == 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total+n > times*q.all || q.tenants[h.tenant]+n > times*q.perTenant || q.agents[h]+n > times*q.perAgent {
		return false
	}
	q.book(h, n)
	return true
}

func (q *quota) book(h holder, n int) {
	q.total += n
	q.tenants[h.tenant] += n
	q.agents[h] += n
}

// load books what the ledger holds, bounds or not.
func (q *quota) load(h holder) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.book(h, 1)
}

// give returns one.
func (q *quota) give(h holder) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.book(h, -1)
	if q.tenants[h.tenant] <= 0 {
		delete(q.tenants, h.tenant)
	}
	if q.agents[h] <= 0 {
		delete(q.agents, h)
	}
}

// full says whether there is no room for one more, overdrawn (times is 2) or not.
func (q *quota) full(h holder, times int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total >= times*q.all || q.tenants[h.tenant] >= times*q.perTenant || q.agents[h] >= times*q.perAgent
}

func (q *quota) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}
