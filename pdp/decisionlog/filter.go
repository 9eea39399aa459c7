package decisionlog

import "time"

// Filter chooses entries. Empty fields choose all; an entry that has no such field is not chosen by it.
type Filter struct {
	// Since and Until bound the time: from Since, before Until.
	Since, Until time.Time
	// AfterSeq chooses lines after this one.
	AfterSeq uint64

	Type       Type
	Effect     string
	Tenant     string
	Agent      string
	Session    string
	Tool       string
	DecisionID string
	ApprovalID string

	// Limit ends the reading after so many entries; 0 is all.
	Limit int
	// Newest makes Limit mean the last ones, still oldest first. Query only.
	Newest bool
	// FromStart makes Follow begin with the oldest line. Without it, and without AfterSeq, it begins at the end.
	FromStart bool
}

// facts are what a filter can ask of any type of line.
type facts struct {
	principal              Principal
	tool, effect           string
	decisionID, approvalID string
}

func factsOf(e Entry) facts {
	switch {
	case e.Decision != nil:
		d := e.Decision
		f := facts{principal: d.Principal, tool: d.Action.Tool, effect: d.Effect, decisionID: d.DecisionID}
		if d.Approval != nil {
			f.approvalID = d.Approval.ID
		}
		return f
	case e.Verdict != nil:
		v := e.Verdict
		return facts{principal: v.Principal, tool: v.Tool, decisionID: v.DecisionID, approvalID: v.ApprovalID}
	case e.Outcome != nil:
		o := e.Outcome
		return facts{principal: o.Principal, tool: o.Tool, decisionID: o.DecisionID}
	case e.Approval != nil:
		a := e.Approval
		return facts{principal: a.Principal, tool: a.Tool, decisionID: a.DecisionID, approvalID: a.ApprovalID}
	case e.Observation != nil:
		return facts{principal: e.Observation.Principal}
	case e.Admin != nil:
		t := e.Admin.Target
		return facts{principal: Principal{Tenant: t.Tenant, Agent: t.Agent, Session: t.Session}, tool: t.Tool}
	}
	return facts{}
}

func (f Filter) matches(e Entry) bool {
	if e.Seq <= f.AfterSeq || (!f.Since.IsZero() && e.Time.Before(f.Since)) || (!f.Until.IsZero() && !e.Time.Before(f.Until)) {
		return false
	}
	is := factsOf(e)
	for _, c := range [...]struct{ want, have string }{
		{string(f.Type), string(e.Type)},
		{f.Effect, is.effect},
		{f.Tenant, is.principal.Tenant},
		{f.Agent, is.principal.Agent},
		{f.Session, is.principal.Session},
		{f.Tool, is.tool},
		{f.DecisionID, is.decisionID},
		{f.ApprovalID, is.approvalID},
	} {
		if c.want != "" && c.want != c.have {
			return false
		}
	}
	return true
}
