package server

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// admission caps what goes on at once, as a whole and by tenant, so that one busy tenant leaves room for the others
// (threat C7). It refuses rather than queues: an agent that waits in a queue holds its memory and its deadline. It is
// safe for concurrent use. Tenants come from credentials, so the map has as many keys as there are tenants; a key
// goes with its last call.
type admission struct {
	max, maxTenant int
	what           string

	mu      sync.Mutex
	total   int
	tenants map[string]int
}

func newAdmission(what string, maxAll, maxTenant int) *admission {
	return &admission{what: what, max: maxAll, maxTenant: maxTenant, tenants: map[string]int{}}
}

// enter takes one of the places of the whole server.
func (a *admission) enter() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.max {
		return overCap("the server has too many " + a.what + " at once")
	}
	a.total++
	return nil
}

func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
}

// enterTenant takes one of the places of a tenant.
func (a *admission) enterTenant(tenant string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenants[tenant] >= a.maxTenant {
		return overCap("the tenant has too many " + a.what + " at once")
	}
	a.tenants[tenant]++
	return nil
}

func (a *admission) leaveTenant(tenant string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenants[tenant]--; a.tenants[tenant] == 0 {
		delete(a.tenants, tenant)
	}
}

func overCap(message string) *fault {
	return &fault{code: codes.ResourceExhausted, reason: "ADMISSION", message: message, retry: time.Second}
}
