package decision

import (
	"context"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/review"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// What is not known about where values came from.
const (
	noUserRequest        = "no_user_request"       // nobody observed one
	provenanceLost       = "provenance_lost"       // what was observed went with a restart, or to make room
	provenanceIncomplete = "provenance_incomplete" // not all of it fitted
)

// How the sinks of an action stand, all together.
const (
	sinksNone     = "none"
	sinksProven   = "proven"
	sinksTainted  = "tainted"
	sinksUnproven = "unproven"
)

// traced is where one value of the action came from.
type traced struct {
	origin.Traced
	sink bool
}

// trace finds out where the values of a call came from. It is for what acts: what arrives is a source itself.
func (e *Engine) trace(_ context.Context, j *judgement) error {
	a := &j.req.Action
	if a.Kind != action.KindToolCall && a.Kind != action.KindHTTPRequest {
		return nil
	}
	values, arguments, all := argumentsOf(a, j.facts)
	if !all {
		j.degrade(provenanceIncomplete)
	}
	tool, known := e.described(j, a.Server, j.tool(), a.SchemaDigest)
	sinks := j.snapshot.Tables.Roles.Sinks(tool, arguments)
	j.role = j.roleOf(tool, known, arguments)
	if a.Kind == action.KindHTTPRequest {
		for i, v := range values {
			sinks[i] = v.Pointer == "/http/url"
		}
	}
	whole := len(values)
	for _, link := range linksIn(values, sinks, j.role.Writes) {
		values, sinks = append(values, link), append(sinks, true)
	}
	origins, state := e.Origins.Trace(j.sessionID(), a.Server, values)
	for i, t := range origins {
		t.Pointer = j.hide(t.Pointer)
		if i >= whole {
			t.Pointer += linkSuffix
		}
		j.traced = append(j.traced, traced{t, sinks[i]})
	}
	j.sinks = sinksTogether(j.traced, "agent:"+j.req.Principal.Agent)
	j.steers = j.steering(arguments)
	if (j.role.Writes || j.role.fetches) && j.sinks != sinksNone {
		e.degradeProvenance(j, state)
	}
	return nil
}

// linkSuffix ends the pointer of a link in a text: that the user gave the link says nothing of the text.
const linkSuffix = "#link"

// maxLinks is how many links in texts are looked up; with more, the text itself is the sink.
const maxLinks = 64

// linksIn are the addresses in texts that go out, in every reading of them: who follows one, or has a picture loaded from
// it, goes where it leads (threat A10). Each is a sink of its own.
func linksIn(values []origin.Value, sinks []bool, writes bool) (links []origin.Value) {
	if !writes {
		return nil
	}
	for i, v := range values {
		if sinks[i] || len(v.Text) < 4 {
			continue
		}
		views, _ := scan.Views([]scan.Text{{Value: v.Text}}, scan.Budget{MaxViews: 64})
		seen := map[string]bool{}
		for _, view := range views {
			for _, link := range origin.Links(view.Text) {
				if seen[link] {
					continue
				}
				if seen[link] = true; len(links) == maxLinks {
					return append(links, origin.Value{Pointer: v.Pointer, Text: v.Text})
				}
				links = append(links, origin.Value{Pointer: v.Pointer, Text: link})
			}
		}
	}
	return links
}

// degradeProvenance says what is not known, of an action where it matters.
func (e *Engine) degradeProvenance(j *judgement, state origin.State) {
	asked := slices.Contains(j.session.Labels, labelUser)
	if !asked {
		j.degrade(noUserRequest)
	}
	switch {
	case !state.Known && anythingSeen(j.session.Labels):
		j.degrade(provenanceLost)
	case state.Partial:
		j.degrade(provenanceIncomplete)
	}
}

// maxTraced is how many values of one action are looked up one by one.
const maxTraced = 256

// argumentsOf are the values of the arguments, the names of fields that are addresses themselves, and of a request its URL and body:
// each with what it is called. Beyond maxTraced
// nothing is known, so that all of it counts as one more value that nobody vouches for.
func argumentsOf(a *action.Action, facts []action.Fact) (values []origin.Value, arguments []toolrole.Argument, all bool) {
	address := map[string]bool{}
	for _, f := range facts {
		if (f.Type == "url" || f.Type == "address") && f.Host != "" {
			address[f.Pointer] = true
		}
	}
	for _, t := range a.Texts() {
		place, isKey := strings.CutSuffix(t.Pointer, action.KeySuffix)
		isArgument := strings.HasPrefix(t.Pointer, "/arguments/") && (!isKey || origin.Addressed(t.Value))
		if !isArgument && t.Pointer != "/http/url" && t.Pointer != "/http/body" {
			continue
		}
		if len(values) == maxTraced {
			values = append(values, origin.Value{Pointer: "/arguments"})
			arguments = append(arguments, toolrole.Argument{Name: "id", Text: "more"})
			return values, arguments, false
		}
		values = append(values, origin.Value{Pointer: t.Pointer, Text: t.Value})
		if isKey { // `{"to": {"bob@example.com": "Bob"}}`
			above := place[:strings.LastIndexByte(place, '/')]
			arguments = append(arguments, toolrole.Argument{Name: argumentName(above), Text: t.Value, Address: true})
			continue
		}
		arguments = append(arguments, toolrole.Argument{
			Name: argumentName(t.Pointer), Text: t.Value, Address: address[t.Pointer] && !strings.ContainsAny(strings.TrimSpace(t.Value), " \n\t"),
		})
	}
	return values, arguments, true
}

// Sinks are the pointers to the values of an action that decide who is affected, as far as that can be said without a session:
// from the tables and from names. Empty for an action that is not one of a tool.
func Sinks(t *policy.Tables, a *action.Action, facts []action.Fact) []string {
	out := []string{}
	if a.Kind != action.KindToolCall && a.Kind != action.KindHTTPRequest {
		return out
	}
	values, arguments, _ := argumentsOf(a, facts)
	tool := toolrole.Tool{Name: a.Tool}
	if a.Kind == action.KindHTTPRequest {
		tool.Name = httpTool
	}
	for i, sink := range t.Roles.Sinks(tool, arguments) {
		if sink && a.Kind != action.KindHTTPRequest || values[i].Pointer == "/http/url" {
			out = append(out, values[i].Pointer)
		}
	}
	return out
}

// maxShown is of how many values a reviewer is told where they came from.
const maxShown = 64

// shownOrigins are the origins for a reviewer, sinks first.
func (j *judgement) shownOrigins() []review.Origin {
	var out []review.Origin
	for _, sink := range []bool{true, false} {
		for _, t := range j.traced {
			if t.sink == sink && len(out) < maxShown {
				out = append(out, review.Origin{Pointer: t.Pointer, Sink: t.sink, Origins: t.Origins})
			}
		}
	}
	return out
}

// argumentName is the nearest key above a value: an item of `recipients` is called `recipients`.
func argumentName(pointer string) string {
	names := strings.Split(pointer, "/")
	for _, name := range slices.Backward(names) {
		if strings.Trim(name, "0123456789") != "" {
			return strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		}
	}
	return ""
}

// sinksTogether sums up. What the agent said itself is no proof, and no taint either.
func sinksTogether(values []traced, self string) string {
	all := sinksNone
	for _, v := range values {
		if !v.sink || v.Proven() && all != sinksNone {
			continue
		}
		switch tainted := slices.ContainsFunc(v.Origins, func(o string) bool { return o != origin.Nowhere && o != self }); {
		case v.Proven():
			all = sinksProven
		case tainted:
			return sinksTainted
		default:
			all = sinksUnproven
		}
	}
	return all
}
