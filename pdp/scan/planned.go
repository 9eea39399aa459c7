package scan

import (
	"regexp/syntax"
	"sync"
)

// planned remembers the plans of the table that was compiled last: to find a plan is most of the work of loading a table, a
// new revision of a bundle differs from the last in a few rows, and a plan depends on the regex alone and never changes. It
// also has those of tables that were refused since, and is bounded by forgetting everything once it is full.
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

// keep forgets all plans but those of a table.
func (m *planMemory) keep(patterns []Pattern) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := make(map[string]planning, len(patterns))
	for _, p := range patterns {
		if known, there := m.plans[p.Regex]; there {
			kept[p.Regex] = known
		}
	}
	m.plans = kept
}
