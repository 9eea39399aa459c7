package delegation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// MaxRevoked is how many tokens may be revoked at once. Beyond it, a kill switch on an agent of the chain is the answer.
const MaxRevoked = 10_000

// keepRevoked is how long a revocation is kept: longer than any token holds.
const keepRevoked = maxAhead + maxLifetime + time.Hour

// ErrTooManyRevoked refuses a revocation beyond MaxRevoked.
var ErrTooManyRevoked = errors.New("too many delegations are revoked: stop an agent of the chain instead")

// Revocation is a token that holds no more.
type Revocation struct {
	Tenant, ID string
	At         time.Time
}

func (r Revocation) key() [2]string { return [2]string{r.Tenant, r.ID} }

// RevocationStore keeps revocations. SaveRevocation adds one and drops others; it is durable when it returns.
type RevocationStore interface {
	LoadRevocations(ctx context.Context) ([]Revocation, error)
	SaveRevocation(ctx context.Context, add Revocation, drop []Revocation) error
}

// Revocations is the list of tokens that hold no more. It is safe for concurrent use: readers take the pointer, writers
// hold mu for the time of one durable write. An entry is forgotten once no token of its age can hold.
type Revocations struct {
	store RevocationStore
	now   func() time.Time

	mu   sync.Mutex
	list atomic.Pointer[map[[2]string]time.Time]
}

// OpenRevocations reads what was revoked.
func OpenRevocations(ctx context.Context, store RevocationStore, now func() time.Time) (*Revocations, error) {
	stored, err := store.LoadRevocations(ctx)
	if err != nil {
		return nil, fmt.Errorf("load revoked delegations: %w", err)
	}
	list := make(map[[2]string]time.Time, len(stored))
	for _, r := range stored {
		list[r.key()] = r.At
	}
	out := &Revocations{store: store, now: now}
	out.list.Store(&list)
	return out, nil
}

// Revoked says whether a token of a tenant holds no more.
func (r *Revocations) Revoked(tenant, id string) bool {
	_, there := (*r.list.Load())[[2]string{tenant, id}]
	return there
}

// Count is how many are revoked of a tenant.
func (r *Revocations) Count(tenant string) int {
	n := 0
	for key := range *r.list.Load() {
		if key[0] == tenant {
			n++
		}
	}
	return n
}

// Revoke ends a token. It works at once, also where the disk fails; the error then says that it will not survive a
// restart. It says whether the token was not revoked before.
func (r *Revocations) Revoke(ctx context.Context, tenant, id string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now().UTC()
	list := maps.Clone(*r.list.Load())
	var old []Revocation
	for key, at := range list {
		if now.Sub(at) > keepRevoked {
			old = append(old, Revocation{Tenant: key[0], ID: key[1], At: at})
			delete(list, key)
		}
	}
	fresh := Revocation{Tenant: tenant, ID: id, At: now}
	_, before := list[fresh.key()]
	if !before && len(list) >= MaxRevoked {
		return false, ErrTooManyRevoked
	}
	list[fresh.key()] = now
	r.list.Store(&list)
	if err := r.store.SaveRevocation(ctx, fresh, old); err != nil {
		return !before, fmt.Errorf("save the revocation: %w", err)
	}
	return !before, nil
}
