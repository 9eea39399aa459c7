package decision

import (
	"context"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// inherit adds to the session what the agent has been tainted with in its other sessions, where it is the agent that says
// when a session begins. A gateway is believed about that.
func (e *Engine) inherit(ctx context.Context, j *judgement) error {
	if j.caller.Has(identity.RoleGateway) {
		return nil
	}
	labels, err := e.Sessions.Inherited(ctx, j.sessionID())
	if err != nil || len(labels) == 0 {
		return err
	}
	j.session.Labels = slices.Concat(j.session.Labels, labels)
	slices.Sort(j.session.Labels)
	j.session.Labels = slices.Compact(j.session.Labels)
	return nil
}

// bequeath keeps what this session was tainted with for the agent's next one.
func (e *Engine) bequeath(ctx context.Context, j *judgement, labels []string) error {
	if j.caller.Has(identity.RoleGateway) {
		return nil
	}
	return e.Sessions.Bequeath(ctx, j.sessionID(), tainting(labels))
}

// tainting are the labels that can only tighten in another session. What says that something was observed is of this
// session alone: it would vouch, or make the other's index look as if it had lost something.
func tainting(labels []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool {
		return l == seenResult || strings.HasPrefix(l, observedPrefix)
	})
}
