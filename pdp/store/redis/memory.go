package redis

import "sync"

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
	asked      bool // the Memory was
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
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.all[tenant]
	if known == nil || !known.asked {
		epoch, err := t.memory.Known(tenant)
		if err != nil {
			return seen{}, 0, err
		}
		if known == nil {
			known = &seen{}
			t.all[tenant] = known
		}
		known.epoch, known.asked = max(known.epoch, epoch), true
	}
	return *known, t.cells - known.cells, nil
}

// told takes in what a script said. lost says that the tenant has lost its memory since it was last asked about.
func (t *tenants) told(tenant string, now seen) (lost bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.all[tenant]
	switch {
	case now.epoch < known.epoch:
		return false, nil // overtaken by a later answer
	case now.epoch > known.epoch:
		if err := t.memory.Remember(tenant, now.epoch); err != nil {
			return false, err
		}
		lost = now.lost > 0
	case now.seq < known.seq:
		return false, nil
	default:
		lost = now.lost > 0 && known.lost == 0
	}
	t.cells += now.cells - known.cells
	t.held += now.held - known.held
	now.asked = true
	*known = now
	return lost, nil
}

// known lists tenants of which an epoch was told.
func (t *tenants) known() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range t.all {
		if s.epoch > 0 {
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
