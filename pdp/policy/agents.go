package policy

import (
	"errors"
	"fmt"
	"slices"
)

// agentsTable is the table `agents`.
type agentsTable struct {
	DefaultProfile string `json:"default_profile"`
	// MaxDelegations is how many tokens a chain may have; 4 if it is left out.
	MaxDelegations *int       `json:"max_delegations,omitempty"`
	Agents         []agentRow `json:"agents"`
}

type agentRow struct {
	Agent   string `json:"agent"`
	Tenant  string `json:"tenant"`
	Profile string `json:"profile"`
	Trust   string `json:"trust,omitempty"` // one of trusts; low if it is left out
	Acts    string `json:"acts,omitempty"`  // actsDelegated, or empty
}

type profileRow struct {
	Name            string   `json:"name"`
	Tools           []string `json:"tools"`
	ExemptFromBlock []string `json:"exempt_from_block"`
}

type riskTable struct {
	Levels []struct {
		Name string `json:"name"`
		Rank *int64 `json:"rank"`
	} `json:"levels"`
	DefaultLevel string `json:"default_level"`
}

// trusts are the levels of trust in an agent, lowest first.
var trusts = []string{"low", "medium", "high"}

// actsDelegated is an agent that acts for others only.
const actsDelegated = "delegated"

const (
	defaultMaxDelegations = 4
	mostDelegations       = 8 // what the contract takes
)

func (t *Tables) agentRow(tenant, agent string) (agentRow, bool) {
	for _, row := range t.agents.Agents {
		if row.Agent == agent && (row.Tenant == "" || row.Tenant == tenant) {
			return row, true
		}
	}
	return agentRow{}, false
}

// Profile is the profile of an agent, and whether the table names it. An unknown agent gets the default, which the
// bundle sets to the strictest.
func (t *Tables) Profile(tenant, agent string) (profile string, known bool) {
	if row, known := t.agentRow(tenant, agent); known {
		return row.Profile, true
	}
	return t.agents.DefaultProfile, false
}

// Trust is how far an agent is trusted: low, medium or high.
func (t *Tables) Trust(tenant, agent string) string {
	if row, known := t.agentRow(tenant, agent); known && row.Trust != "" {
		return row.Trust
	}
	return trusts[0]
}

// ActsDelegated says whether an agent may act for others only.
func (t *Tables) ActsDelegated(tenant, agent string) bool {
	row, _ := t.agentRow(tenant, agent)
	return row.Acts == actsDelegated
}

// MaxDelegations is how many tokens a chain may have.
func (t *Tables) MaxDelegations() int {
	if t.agents.MaxDelegations == nil {
		return defaultMaxDelegations
	}
	return *t.agents.MaxDelegations
}

// MayUse says whether the profile of an agent lists a tool, and no block stands against it.
func (t *Tables) MayUse(tenant, agent, tool string) bool {
	name, _ := t.Profile(tenant, agent)
	p := t.profiles[name]
	return slices.Contains(p.Tools, tool) && (!t.blocked[tool] || slices.Contains(p.ExemptFromBlock, tool))
}

// RiskRank is the rank of a risk level, by which levels are compared; false if the table has none of that name.
func (t *Tables) RiskRank(level string) (int64, bool) {
	for _, l := range t.risk.Levels {
		if l.Name == level && l.Rank != nil {
			return *l.Rank, true
		}
	}
	return 0, false
}

// ToolRank is the rank of a tool's risk level; false if it has none that the table knows.
func (t *Tables) ToolRank(tool string) (int64, bool) {
	level := t.toolRisk[tool]
	if level == "" {
		level = t.risk.DefaultLevel
	}
	return t.RiskRank(level)
}

func (t *Tables) checkAgents() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("tables/agents: "+format, args...)) }
	if _, there := t.profiles[t.agents.DefaultProfile]; !there {
		bad("default_profile %s is no profile", t.agents.DefaultProfile)
	}
	if n := t.MaxDelegations(); n < 1 || n > mostDelegations {
		bad("max_delegations is 1 to %d, not %d", mostDelegations, n)
	}
	for _, row := range t.agents.Agents {
		if _, there := t.profiles[row.Profile]; !there {
			bad("agent %s has the profile %s, which is none", row.Agent, row.Profile)
		}
		if row.Trust != "" && !slices.Contains(trusts, row.Trust) {
			bad("agent %s: trust %q is none of low, medium, high", row.Agent, row.Trust)
		}
		if row.Acts != "" && row.Acts != actsDelegated {
			bad("agent %s: acts is left out, or %q, not %q", row.Agent, actsDelegated, row.Acts)
		}
	}
	return errors.Join(errs...)
}
