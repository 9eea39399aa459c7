package redis

import (
	"strings"
	"sync"
)

// Memory is what this process's data directory knows of the ledger: which epoch of a tenant it was told of. It is asked once a
// tenant, and told once an epoch, before anything of that epoch is handed on. Safe for concurrent use.
type Memory interface {
	// Known returns the last epoch of a tenant that was remembered, or 0.
	Known(tenant string) (epoch int64, err error)
	Remember(tenant string, epoch int64) error
}

type noMemory struct{}

func (noMemory) Known(string) (int64, error)  { return 0, nil }
func (noMemory) Remember(string, int64) error { return nil }

// seen is how far a tenant's ledger has been, as this process was told.
type seen struct {
	epoch, seq int64
	lost       int64 // when its memory was lost; 0: it was not
	cells      int64
	held       int64
}

// tenants is what this process knows of each tenant. There are as many as credentials name. Safe for concurrent use.
type tenants struct {
	memory Memory
	mu     sync.Mutex
	all    map[string]*seen
	cells  int64 // the sum over all
	held   int64
}

// of returns what is known of a tenant, and how many cells others have.
func (t *tenants) of(tenant string) (s seen, elsewhere int64, err error) {
	if s, elsewhere, ok := t.look(tenant); ok {
		return s, elsewhere, nil
	}
	// Not under the lock: a disk may be slow, and other tenants' calls need it no more.
	epoch, err := t.memory.Known(tenant)
	if err != nil {
		return seen{}, 0, err
	}
	t.mu.Lock()
	if t.all[tenant] == nil {
		t.all[tenant] = &seen{epoch: epoch}
	}
	t.mu.Unlock()
	s, elsewhere, _ = t.look(tenant)
	return s, elsewhere, nil
}

func (t *tenants) look(tenant string) (s seen, elsewhere int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.all[tenant]
	if known == nil {
		return seen{}, 0, false
	}
	return *known, t.cells - known.cells, true
}

// told takes in what a script said. lost says that the tenant has lost its memory since it was last asked about.
func (t *tenants) told(tenant string, now seen) (lost bool, err error) {
	if known, _, _ := t.look(tenant); now.epoch > known.epoch {
		if err := t.memory.Remember(tenant, now.epoch); err != nil {
			return false, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.all[tenant]
	if now.epoch < known.epoch || now.epoch == known.epoch && now.seq < known.seq {
		return false, nil // overtaken by a later answer
	}
	lost = now.lost > 0 && (now.epoch > known.epoch || known.lost == 0)
	t.cells += now.cells - known.cells
	t.held += now.held - known.held
	*known = now
	return lost, nil
}

// known lists tenants of which an epoch was told. What begins with NUL is no tenant.
func (t *tenants) known() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range t.all {
		if s.epoch > 0 && !strings.HasPrefix(name, "\x00") {
			names = append(names, name)
		}
	}
	return names
}

// forgotten lists tenants that have lost their memory.
func (t *tenants) forgotten() (names []string, cells, held int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range t.all {
		if s.lost > 0 {
			names = append(names, name)
		}
	}
	return names, t.cells, t.held
}
