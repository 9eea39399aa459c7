package decision

import (
	"context"
	"strconv"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// Span is a text that entered a session without a decision. Only origin.User, origin.Untrusted and origin.Agent may be
// said by a caller; Name is what a document is called.
type Span struct {
	Origin origin.Kind
	Name   string
	Text   string
}

// Observation is what entered a session, and the tools that its agent was offered.
type Observation struct {
	Principal Principal
	Spans     []Span
	Tools     []toolrole.Description
}

// Observed is what became of an observation.
type Observed struct {
	// Whole is false if a bound of the session was met.
	Whole bool
	// SchemaDigests are those of the tools, in order.
	SchemaDigests []string
}

// labelUser is on a session in which a user's request was observed. It is durable, what was said is not: a session with
// the label and no index has lost it.
const labelUser = observedPrefix + "user"

// labelOther is on a session in which anything else was observed, or has come in as a result, an item or a message.
const labelOther = observedPrefix + "other"

const observedPrefix = "observed:"

// maxObservedBytes is how much one call may bring.
const maxObservedBytes = 1 << 20

// Observe takes in what entered a session without a decision. Only a credential that may observe as the user can say what
// the user said: it is what vouches (invariant I8).
func (e *Engine) Observe(ctx context.Context, caller identity.Caller, o Observation) (observed Observed, err error) {
	p := o.Principal
	if p.Tenant, err = caller.Bind(p.Tenant, p.Agent); err != nil {
		return Observed{}, err
	}
	if len(p.Delegation) > 0 {
		snapshot, err := e.Policies.Active()
		if err != nil {
			return Observed{}, &Error{Problem: Unavailable, Reason: "NO_BUNDLE", Detail: "no policy bundle is active"}
		}
		if _, err := e.verify(caller, p, &snapshot.Tables); err != nil {
			return Observed{}, invalidChain()
		}
	}
	if err := checkSpans(caller, o.Spans); err != nil {
		return Observed{}, err
	}
	ctx, cancel := timely(ctx)
	defer cancel()
	id := provenance.ID{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session}
	facts, err := e.Sessions.Facts(ctx, id, "")
	if err != nil {
		return Observed{}, e.notObserved(err)
	}
	if facts.Ended {
		return Observed{}, &Error{Problem: FailedPrecondition, Reason: "SESSION_ENDED", Field: "principal.session", Detail: "the session has ended"}
	}
	observed.Whole = true
	var labels []string
	for _, s := range o.Spans {
		from := origin.Source{Kind: s.Origin}
		label := labelOther
		switch s.Origin {
		case origin.User:
			label = labelUser
		case origin.Agent:
			from.Name = p.Agent
		default:
			from = origin.Source{Kind: origin.Untrusted, Name: nonEmpty(s.Name, "document")}
			labels = append(labels, memory.LabelUntrusted)
		}
		labels = append(labels, label)
		observed.Whole = e.Origins.Observe(id, from, []string{s.Text}, anythingSeen(facts.Labels)) && observed.Whole
	}
	// The label comes after the index has it: with the label and without the text, a value would seem lost.
	if err := e.Sessions.Record(ctx, id, provenance.Step{Labels: labels}); err != nil {
		return Observed{}, e.notObserved(err)
	}
	if !caller.Has(identity.RoleGateway) {
		if err := e.Sessions.Bequeath(ctx, id, tainting(labels)); err != nil {
			return Observed{}, e.notObserved(err)
		}
	}
	if len(o.Tools) > 0 {
		var fitted bool
		observed.SchemaDigests, fitted = e.Tools.Register(joined(id.Tenant, id.Agent, id.Session), o.Tools, caller.ObserveAsUser)
		observed.Whole = observed.Whole && fitted
	}
	if err := e.Log.Append(ctx, observationEntry(e.Now().UTC(), caller, p, &o, observed.Whole)); err != nil {
		return Observed{}, e.notObserved(err)
	}
	return observed, nil
}

func checkSpans(caller identity.Caller, spans []Span) error {
	total := 0
	for i, s := range spans {
		at := "spans[" + strconv.Itoa(i) + "]"
		switch s.Origin {
		case origin.User:
			if !caller.ObserveAsUser {
				return &Error{
					Problem: PermissionDenied, Reason: "OBSERVE_AS_USER_NOT_ALLOWED", Field: at + ".origin",
					Detail: "the credential may not say what the user said",
				}
			}
		case origin.Untrusted, origin.Agent:
		default:
			return &Error{Problem: Invalid, Reason: "ORIGIN_NOT_OBSERVABLE", Field: at + ".origin", Detail: "is not for a caller to say"}
		}
		if total += len(s.Text); total > maxObservedBytes {
			return &Error{Problem: Invalid, Reason: "TOO_LARGE", Field: "spans", Detail: "have more than 1 MiB together"}
		}
	}
	return nil
}

func (e *Engine) notObserved(err error) error {
	e.Logger.Error("observation not recorded", "error", err.Error())
	return &Error{Problem: Unavailable, Reason: "STATE_UNAVAILABLE", Detail: "the observation could not be recorded; send it again"}
}

func nonEmpty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// anythingSeen says whether anything that could be lost was in the session before.
func anythingSeen(labels []string) bool {
	for _, l := range labels {
		if l == labelUser || l == labelOther || l == seenResult {
			return true
		}
	}
	return false
}
