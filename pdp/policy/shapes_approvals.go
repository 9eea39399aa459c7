package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// The most that one row of the table approvals can have.
const (
	maxApprovalStages = 4 // and the fallback
	maxApprovalNames  = 20
	maxTTLSeconds     = 86_400
)

// approvals checks the table that says who may approve: a slip here would let others approve, or nobody.
func (s *shapes) approvals() {
	var t approvalsShape
	if !s.table("approvals", &t) {
		return
	}
	if t.Default.TTLSeconds == nil || t.Default.Quorum == nil {
		s.bad("approvals", "default: ttl_seconds and quorum must be given")
	}
	s.approvalTerms("default", t.Default)
	var names []string
	for _, l := range t.Levels {
		names = append(names, l.Name)
		s.approvalTerms(l.Name, l.approvalTerms)
		s.oneOf("approvals", l.Name, "level", l.Name, s.known()...)
	}
	s.once("approvals", names)
	names = nil
	for _, row := range t.Rows {
		names = append(names, row.Name)
		s.approvalRow(row)
	}
	s.once("approvals", names)
	if f := t.Fallback; f != nil {
		s.approvalStage("fallback", *f)
		if f.AfterSeconds == nil || *f.AfterSeconds < 1 || len(f.Groups)+len(f.Roles) == 0 {
			s.bad("approvals", "fallback: after_seconds, from 1, and groups or roles must be given")
		}
	}
}

func (s *shapes) approvalTerms(row string, a approvalTerms) {
	if a.TTLSeconds != nil && (*a.TTLSeconds < 1 || *a.TTLSeconds > maxTTLSeconds) {
		s.bad("approvals", "%s: ttl_seconds is 1 to %d, not %d", row, maxTTLSeconds, *a.TTLSeconds)
	}
	s.approvalQuorum(row, a.Quorum)
}

func (s *shapes) approvalQuorum(row string, quorum *int64) {
	if quorum != nil && (*quorum < 1 || *quorum > 10) {
		s.bad("approvals", "%s: quorum is 1 to 10, not %d", row, *quorum)
	}
}

func (s *shapes) approvalRow(row approvalRow) {
	s.approvalTerms(row.Name, row.approvalTerms)
	s.kinds("approvals", row.Name, row.Kinds)
	for _, tool := range row.Tools {
		if !s.knowsTool(tool) {
			s.bad("approvals", "%s: no profile or table knows the tool %s: is it misspelt?", row.Name, tool)
		}
	}
	for _, risk := range row.Risks {
		s.oneOf("approvals", row.Name, "risk", risk, s.known()...)
	}
	// An empty list would never fit, which says nothing; a row that means everybody leaves it out.
	for field, list := range map[string][]string{
		"tools": row.Tools, "risks": row.Risks, "kinds": row.Kinds, "tenants": row.Tenants, "agents": row.Agents, "rules": row.Rules,
	} {
		if list != nil && len(list) == 0 {
			s.bad("approvals", "%s: %s is empty, so the row would never fit", row.Name, field)
		}
	}
	for field, n := range map[string]*int64{"amount_at_least": row.AmountAtLeast, "cost_micro_usd_at_least": row.CostMicroUSDAtLeast} {
		if n != nil && *n < 0 {
			s.bad("approvals", "%s: %s is negative", row.Name, field)
		}
	}
	s.approvers(row.Name, row.Groups, row.Roles)
	if row.Stages == nil {
		return
	}
	if len(row.Stages) < 1 || len(row.Stages) > maxApprovalStages || len(row.Groups)+len(row.Roles) > 0 {
		s.bad("approvals", "%s: 1 to %d stages, and groups and roles in each of them, not beside them", row.Name, maxApprovalStages)
	}
	var last int64
	for i, stage := range row.Stages {
		at := fmt.Sprintf("%s, stage %d", row.Name, i)
		s.approvalStage(at, stage)
		var after int64
		if stage.AfterSeconds != nil {
			after = *stage.AfterSeconds
		}
		if i == 0 && after != 0 || i > 0 && after <= last {
			s.bad("approvals", "%s: the first stage opens at once, each other one later than the one before", at)
		}
		last = after
	}
}

func (s *shapes) approvalStage(row string, stage approvalStage) {
	s.approvalQuorum(row, stage.Quorum)
	if stage.AfterSeconds != nil && (*stage.AfterSeconds < 0 || *stage.AfterSeconds > maxTTLSeconds) {
		s.bad("approvals", "%s: after_seconds is 0 to %d, not %d", row, maxTTLSeconds, *stage.AfterSeconds)
	}
	s.approvers(row, stage.Groups, stage.Roles)
}

// approvers refuses lists that name nobody: left out they mean everybody.
func (s *shapes) approvers(row string, groups, roles []string) {
	for field, list := range map[string][]string{"groups": groups, "roles": roles} {
		if list != nil && len(list) == 0 || len(list) > maxApprovalNames || slices.Contains(list, "") {
			s.bad("approvals", "%s: %s has 1 to %d names, none of them empty", row, field, maxApprovalNames)
		}
	}
	for _, role := range roles {
		s.oneOf("approvals", row, "role", role, string(identity.RoleApprover), string(identity.RoleAdmin), string(identity.RoleAuditor))
	}
}

// knowsTool says whether any profile or table names a tool, as for limits: a row for another would never fit.
func (s *shapes) knowsTool(tool string) bool {
	var profiles struct{ Profiles []profileRow }
	var tools struct{ Tools []struct{ Tool string } }
	var blocked struct{ Tools []string }
	if errors.Join(loose(s.tree, "profiles", &profiles), loose(s.tree, "tools", &tools), loose(s.tree, "blocked", &blocked)) != nil {
		return true // said where the tables are read
	}
	return tool == "http_request" || slices.Contains(blocked.Tools, tool) ||
		slices.ContainsFunc(tools.Tools, func(row struct{ Tool string }) bool { return row.Tool == tool }) ||
		slices.ContainsFunc(profiles.Profiles, func(row profileRow) bool { return slices.Contains(row.Tools, tool) })
}
