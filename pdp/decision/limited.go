package decision

import "github.com/portcullis-pdp/portcullis/pdp/limit"

// LimitOutcome is what a limit said to one action.
type LimitOutcome string

// The outcomes.
const (
	LimitCharged     LimitOutcome = "charged"
	LimitExceeded    LimitOutcome = "exceeded" // a hard limit denied
	LimitAsked       LimitOutcome = "asked"    // a soft limit wants a person
	LimitPassed      LimitOutcome = "passed"   // a soft limit, and a person had said yes
	LimitAlerted     LimitOutcome = "alerted"
	LimitUnavailable LimitOutcome = "unavailable" // nobody could say
)

// observeLimits counts what each limit said. Where a hard limit denied, nothing was charged to the others, and they said
// nothing. A request that is answered again was counted the first time.
func (e *Engine) observeLimits(j *judgement, failed error) {
	if j.charged != "" {
		return
	}
	if failed != nil {
		who := j.subject()
		for _, d := range j.snapshot.Tables.Limits {
			row := limit.Row{Name: d.Name, Scope: d.Scope, Tools: d.Tools, Kinds: d.Kinds}
			if _, about := row.Key(&who); about {
				e.Observer.Limited(d.Name, LimitUnavailable)
			}
		}
		return
	}
	for _, s := range j.limits {
		switch {
		case s.Exceeded && s.OnExceed == limit.Deny:
			e.Observer.Limited(s.Name, LimitExceeded)
		case !j.reserved:
		case s.Exceeded && s.OnExceed == limit.RequireApproval && j.softNo:
			e.Observer.Limited(s.Name, LimitAsked)
		case s.Exceeded && s.OnExceed == limit.RequireApproval:
			e.Observer.Limited(s.Name, LimitPassed)
		case s.Exceeded:
			e.Observer.Limited(s.Name, LimitAlerted)
		default:
			e.Observer.Limited(s.Name, LimitCharged)
		}
	}
}
