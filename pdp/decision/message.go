package decision

import "github.com/portcullis-pdp/portcullis/pdp/identity"

// labelMessage begins the labels of a session that another agent has sent a message, each with the sender's name. Names
// that the bundle lacks are one, so that there are no more labels than it has agents.
const labelMessage = "message:"

// unknownSender is whoever nobody who is believed has named.
const unknownSender = "(unknown)" // no agent can be called so

// sender is who has sent a message. Only a gateway is believed about that: with a credential of its own, an agent could
// name one that is trusted. Nor is a message from the agent itself: its own words come without one.
func (j *judgement) sender() string {
	from := j.req.Action.FromAgent
	if !j.caller.Has(identity.RoleGateway) || from == "" || from == j.req.Principal.Agent {
		return unknownSender
	}
	return from
}

// knownSender is sender, if the bundle knows it.
func (j *judgement) knownSender() string {
	from := j.sender()
	if _, known := j.snapshot.Tables.Profile(j.req.Principal.Tenant, from); !known {
		return unknownSender
	}
	return from
}
