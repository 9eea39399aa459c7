package scan

import (
	"regexp/syntax"
	"sync"
)

// planned remembers the plans of regexes that were compiled lately, for the life of the process: to find a plan is most
// of the work of loading a table, a new revision of a bundle differs from the last in a few rows, and a plan depends on
// the regex alone and never changes. It is bounded by forgetting everything once it is full.
var planned = planMemory{plans: make(map[string]planning)}

const maxPlanned = 8192

type planMemory struct {
	mu    sync.Mutex
	plans map[string]planning
}

// planning is what planFor said.
type planning struct {
	plans  []plan
	detail string
}

// planFor gives the plans of a regex, made anew where they are not remembered.
func (m *planMemory) planFor(expr string, tree *syntax.Regexp, pl *planner) ([]plan, string) {
	m.mu.Lock()
	p, known := m.plans[expr]
	m.mu.Unlock()
	if known {
		return p.plans, p.detail
	}
	p.plans, p.detail = pl.planFor(tree)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.plans) >= maxPlanned {
		clear(m.plans)
	}
	m.plans[expr] = p
	return p.plans, p.detail
}
