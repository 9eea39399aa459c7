package embedded

import "sync"

// quota counts records, so that one owner or one tenant cannot use up the room of the others. It is rebuilt from the
// database at start. A leaf lock: nothing else is locked under it.
type quota struct {
	all, perTenant, perOwner int

	mu      sync.Mutex
	total   int
	tenants map[string]int
	owners  map[owner]int
}

type owner struct{ tenant, name string }

func newQuota(all, perTenant, perOwner int) *quota {
	return &quota{all: all, perTenant: perTenant, perOwner: perOwner, tenants: map[string]int{}, owners: map[owner]int{}}
}

// room says whether there is room for all of so many records. What has happened already may overdraw: times is 2 then,
// and 1 for what can still be refused.
func (q *quota) room(tenant string, fresh map[string]int, times int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for name, more := range fresh {
		n += more
		if q.owners[owner{tenant, name}]+more > times*q.perOwner {
			return false
		}
	}
	return q.total+n <= times*q.all && q.tenants[tenant]+n <= times*q.perTenant
}

// book counts n more records, or fewer, bounds or not.
func (q *quota) book(tenant, name string, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := owner{tenant, name}
	q.total += n
	q.tenants[tenant] += n
	q.owners[o] += n
	if q.tenants[tenant] <= 0 {
		delete(q.tenants, tenant)
	}
	if q.owners[o] <= 0 {
		delete(q.owners, o)
	}
}

func (q *quota) load(tenant, name string) { q.book(tenant, name, 1) }

func (q *quota) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}
