package toolrole

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Description is a tool as its server describes it.
type Description struct {
	Server, Name string
	Text         string
	// Schema is the JSON schema of the arguments; empty if there is none.
	Schema string
	// The hints of MCP. Nil says nothing.
	ReadOnly, Destructive, Idempotent, Open *bool
}

// Digest is the SHA-256 of all that the description says, in hexadecimal.
func (d *Description) Digest() string {
	h := sha256.New()
	for _, part := range []string{"portcullis tool 1", d.Server, d.Name, d.Text, d.Schema} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		_, _ = h.Write([]byte(part))
	}
	for _, hint := range []*bool{d.ReadOnly, d.Destructive, d.Idempotent, d.Open} {
		said := byte(0)
		if hint != nil {
			said = 1
			if *hint {
				said = 2
			}
		}
		_, _ = h.Write([]byte{said})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Said is what is kept of a description: hints, and of the arguments what can make a sink of them. Of texts only words are
// kept, and only those that a table could list.
type Said struct {
	ReadOnly, Destructive, Open *bool
	// arguments by name.
	arguments map[string]argument
}

type argument struct {
	address bool     // by its format
	words   []string // of its title and description, sorted
}

// The bounds of what is read of a schema.
const (
	maxArguments = 128
	maxWords     = 64 // of one argument
	maxDepth     = 8
)

// addressFormats are the formats of JSON schema whose values name somebody, or a place to go to.
var addressFormats = []string{
	"uri", "uri-reference", "iri", "iri-reference", "uri-template", "url", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "iban", "phone",
}

// Said reads a description. A schema that cannot be read says nothing.
func (d *Description) Said() *Said {
	out := &Said{ReadOnly: d.ReadOnly, Destructive: d.Destructive, Open: d.Open, arguments: map[string]argument{}}
	var schema map[string]any
	if json.Unmarshal([]byte(d.Schema), &schema) == nil {
		out.properties(schema, 0)
	}
	return out
}

func (s *Said) properties(schema map[string]any, depth int) {
	if depth > maxDepth {
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p, ok := properties[name].(map[string]any); ok {
			s.property(name, p, depth)
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := schema[key].([]any)
		for _, item := range list {
			if sub, ok := item.(map[string]any); ok {
				s.properties(sub, depth+1)
			}
		}
	}
}

// property adds an argument, and those inside it: an item of a list is called as the list.
func (s *Said) property(name string, p map[string]any, depth int) {
	a, known := s.arguments[name]
	if depth > maxDepth || !known && len(s.arguments) >= maxArguments {
		return
	}
	format, _ := p["format"].(string)
	a.address = a.address || slices.Contains(addressFormats, strings.ToLower(format))
	for _, key := range []string{"title", "description"} {
		text, _ := p[key].(string)
		a.words = append(a.words, nameWords(text[:min(len(text), 1024)])...)
	}
	slices.Sort(a.words)
	a.words = slices.Compact(a.words)
	a.words = a.words[:min(len(a.words), maxWords)]
	s.arguments[name] = a
	if items, ok := p["items"].(map[string]any); ok {
		s.property(name, items, depth+1)
	}
	s.properties(p, depth+1)
}

// has says whether the tool has an argument of that name. One whose schema says of none may have any.
func (s *Said) has(name string) bool {
	_, known := s.arguments[name]
	return known || len(s.arguments) == 0 || len(s.arguments) >= maxArguments
}

// sink says whether the description makes a sink of an argument. It never makes one not a sink.
func (s *Said) sink(l *Lexicon, name string) bool {
	a := s.arguments[name]
	return a.address || slices.ContainsFunc(a.words, func(w string) bool { return l.has("described", w) })
}

// amend applies the hints. What speaks against the tool counts whoever says it.
func (s *Said) amend(r *Role, trusted bool) {
	yes := func(hint *bool) bool { return hint != nil && *hint }
	no := func(hint *bool) bool { return hint != nil && !*hint }
	before := *r
	if no(s.ReadOnly) || yes(s.ReadOnly) && trusted {
		r.Writes = no(s.ReadOnly)
	}
	if yes(s.Destructive) {
		r.Writes, r.Irreversible = true, true
	}
	if trusted && (no(s.Destructive) || !r.Writes) {
		r.Irreversible = false
	}
	if !r.Writes && trusted {
		r.Sends = false
	}
	if yes(s.Open) || no(s.Open) && trusted {
		r.Open = s.Open
	}
	if *r != before {
		r.Source = FromSchema
	}
}

// LooksUp says whether the server says that the tool only looks something up in what is its own. It says nothing of whether
// the server is to be believed.
func (s *Said) LooksUp() bool {
	return s != nil && s.ReadOnly != nil && *s.ReadOnly && s.Open != nil && !*s.Open && (s.Destructive == nil || !*s.Destructive)
}
