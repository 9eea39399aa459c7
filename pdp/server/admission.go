package server

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// admission caps what goes on at once: as a whole; by tenant, so that one busy tenant leaves room for the others (threat
// C7); by account, so that one credential, perhaps a stolen one, leaves room for the rest of its tenant (threat C2). It refuses rather than queues: an agent that waits in a queue holds its memory and its deadline. It is
// safe for concurrent use. Tenants and accounts come from credentials, so the maps have no more keys than there are
// calls; a key goes with its last call.
type admission struct {
	max, maxTenant, maxAccount int
	what                       string

	mu       sync.Mutex
	total    int
	tenants  map[string]int
	accounts map[account]int
}

// account is who calls, by whichever of their credentials.
type account struct{ tenant, subject string }

func newAdmission(what string, maxAll, maxTenant, maxAccount int) *admission {
	return &admission{
		what: what, max: maxAll, maxTenant: maxTenant, maxAccount: maxAccount, tenants: map[string]int{}, accounts: map[account]int{},
	}
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

// enterAccount takes one of the places of a tenant, and one of the account's.
func (a *admission) enterAccount(who account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenants[who.tenant] >= a.maxTenant {
		return overCap("the tenant has too many " + a.what + " at once")
	}
	if a.accounts[who] >= a.maxAccount {
		return overCap("the account has too many " + a.what + " at once")
	}
	a.tenants[who.tenant]++
	a.accounts[who]++
	return nil
}

func (a *admission) leaveAccount(who account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenants[who.tenant]--; a.tenants[who.tenant] == 0 {
		delete(a.tenants, who.tenant)
	}
	if a.accounts[who]--; a.accounts[who] == 0 {
		delete(a.accounts, who)
	}
}

func overCap(message string) *fault {
	return &fault{code: codes.ResourceExhausted, reason: "ADMISSION", message: message, retry: time.Second}
}
