package decision

import (
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// labelPrivate is on a session that has read something that not everybody may see. It is durable.
const labelPrivate = "read:private"

// How the texts stand that a tool would keep, all together.
const (
	steeringNone    = "none"
	steeringOwn     = "own"
	steeringTainted = "tainted"
)

// role is what the tool of an action is.
type role struct {
	toolrole.Role
	fetches     bool
	external    bool
	description string
}

// described is the tool of a call and what its server says of it.
func (e *Engine) described(j *judgement, server, name, digest string) (toolrole.Tool, toolrole.Known) {
	known := e.Tools.Find(j.registryKey(), server, name, digest)
	return toolrole.Tool{Name: name, Said: known.Said, Trusted: known.Vouched && j.snapshot.Tables.Server(server).Trusted}, known
}

// registryKey names a session in the registry of descriptions.
func (j *judgement) registryKey() string {
	id := j.sessionID()
	return joined(id.Tenant, id.Agent, id.Session)
}

// roleOf says what the tool of a call does.
func (j *judgement) roleOf(t toolrole.Tool, known toolrole.Known, arguments []toolrole.Argument) role {
	tables := &j.snapshot.Tables
	r := role{Role: tables.Roles.Role(t), fetches: tables.Roles.Fetches(arguments), description: known.State}
	if j.req.Action.Kind == action.KindHTTPRequest {
		r.Writes, r.description = true, toolrole.Undescribed
	}
	if !r.Writes && tables.Lookup(j.req.Action.Server, t.Name).Trusted {
		r.Private = true // what an organisation keeps for itself
	}
	r.external = r.fetches || r.Writes && (r.Open == nil || *r.Open)
	if !tables.External(t.Name) {
		r.external = false
	}
	return r
}

// vouchers says how far the result of a call vouches: by the table of look-ups, or because a server that a table trusts says
// of the tool that it only looks up what is the server's own.
func (e *Engine) vouchers(j *judgement, server, tool string) (from origin.Source, fields []string, trusted bool) {
	from = origin.Source{Kind: origin.Trusted, Name: tool}
	tables := &j.snapshot.Tables
	if l := tables.Lookup(server, tool); l.Trusted {
		return from, l.Fields, true
	}
	row := tables.Server(server)
	if !row.Trusted {
		return from, nil, false
	}
	t, known := e.described(j, server, tool, "")
	if t.Trusted && known.State == toolrole.Described && known.Said.LooksUp() {
		return from, nil, true
	}
	from.Bound, from.Server = true, server
	return from, row.Fields, len(row.Fields) > 0 && !tables.Roles.Role(t).Writes
}

// steeringWords is how many words a text needs to say what to do.
const steeringWords = 4

// steering says whether a text by which a kept thing is found again, such as the title of an event, is like something that
// others wrote: who reads it next week takes it for the user's own. Sinks are asked about in any case.
func (j *judgement) steering(arguments []toolrole.Argument) string {
	if !j.role.Persists {
		return steeringNone
	}
	self := "agent:" + j.req.Principal.Agent
	for i, a := range arguments {
		t := j.traced[i]
		if t.sink || !j.snapshot.Tables.Roles.Title(a.Name) || len(strings.Fields(a.Text)) < steeringWords || t.Proven() {
			continue
		}
		if slices.ContainsFunc(t.Origins, func(o string) bool { return o != origin.Nowhere && o != self }) {
			return steeringTainted
		}
	}
	return steeringOwn
}
