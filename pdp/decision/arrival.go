package decision

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
)

// arrival is what an allowed action brought, of one source.
type arrival struct {
	from  origin.Source
	texts []string
}

// arrive sees what an action brings to the session. Its origin is that of the PDP's own record: of a result, the tool
// that this session was allowed to call.
func (e *Engine) arrive(j *judgement) {
	if !arrives(j.req.Action.Kind) {
		return
	}
	a := &j.req.Action
	if j.effective != nil { // that is what the model sees
		a = j.effective
	}
	texts := []string{a.Content}
	for _, t := range a.Texts() {
		if strings.HasPrefix(t.Pointer, "/arguments/") {
			texts = append(texts, t.Value)
		}
	}
	from := origin.Source{Kind: origin.Untrusted, Name: "unknown"}
	switch a.Kind {
	case action.KindToolResult:
		if r := j.repliedTo; r != nil {
			from.Name = r.Tool
			vouching, fields, trusted := e.vouchers(j, r.Server, r.Tool)
			trusted = trusted && j.believed()
			switch {
			case trusted && len(fields) == 0:
				from = vouching
			case trusted:
				if values := fieldValues(a.Content, fields); len(values) > 0 {
					j.arrived = append(j.arrived, arrival{vouching, values})
				}
			}
		}
	case action.KindMemoryRead:
		from = origin.Source{Kind: origin.Memory}
	case action.KindMessage:
		from = origin.Source{Kind: origin.Agent, Name: j.sender()}
	default:
	}
	j.arrived = append(j.arrived, arrival{from, texts})
	j.untrusted = from.Kind == origin.Untrusted || from.Kind == origin.Agent
}

// believed says whether the caller's word is taken for what a tool returned, so that it can vouch. With a credential of its
// own an agent could make a call that is allowed and write the answer itself (invariant I8).
func (j *judgement) believed() bool {
	return j.caller.Has(identity.RoleGateway) || j.caller.ObserveAsUser
}

// absorb adds what arrived to what the session has seen.
func (e *Engine) absorb(j *judgement) {
	if j.effect != Allow {
		return
	}
	for _, a := range j.arrived {
		e.Origins.Observe(j.sessionID(), a.from, a.texts, anythingSeen(j.session.Labels))
	}
}

// The bounds of a result of which single fields vouch. One beyond them has none.
const (
	maxStructuredBytes = 256 << 10
	maxFieldValues     = 4_096
	maxStructuredDepth = 32
)

// fieldValues are the values under the given names in a text that is JSON or YAML throughout. A text that is neither, or names
// a thing twice, has none: who writes into one value of it must not be able to write another.
func fieldValues(text string, names []string) (out []string) {
	if len(text) > maxStructuredBytes {
		return nil
	}
	var root yaml.Node // JSON is YAML too; nodes keep aliases as they are, so that none multiplies
	dec := yaml.NewDecoder(strings.NewReader(text))
	if dec.Decode(&root) != nil || dec.Decode(new(yaml.Node)) == nil {
		return nil
	}
	if !collect(&root, "", names, 0, &out) || len(out) > maxFieldValues {
		return nil
	}
	return out
}

func collect(n *yaml.Node, under string, names []string, depth int, out *[]string) bool {
	if depth > maxStructuredDepth || n.Kind == yaml.AliasNode {
		return false
	}
	switch n.Kind {
	case yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, key) }); at >= 0 {
				key = names[at] // `Sender` beside `sender` is the same thing twice
			}
			if seen[key] || !collect(n.Content[i+1], key, names, depth+1, out) {
				return false
			}
			seen[key] = true
		}
	case yaml.ScalarNode:
		vouches := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, under) })
		if vouches && !strings.ContainsAny(n.Value, "\n\r") {
			*out = append(*out, n.Value)
		}
	default:
		for _, c := range n.Content {
			if !collect(c, under, names, depth+1, out) {
				return false
			}
		}
	}
	return true
}
