package limit

import "errors"

// Row is what rows of limits and rows of breakers have in common: whom a row is about, and who shares what it keeps.
// pdp/breaker uses it, so that one spelling of names, scopes and keys serves both tables.
type Row struct {
	Name         string
	Scope        []Dimension
	Tools, Kinds []string
}

// Validate says all that is wrong with the name, the scope and what narrows the row.
func (r Row) Validate() error {
	return errors.Join(checkName(r.Name), checkScope(r.Scope), checkFilter("tools", r.Tools), checkFilter("kinds", r.Kinds))
}

// Key is what a breaker of this row is kept under for a subject; false if the row is not about it. No counter of a limit
// has the same key.
func (r Row) Key(who *Subject) ([]byte, bool) {
	scope := scopeOf(r.Scope)
	if !who.fits(scope, r.Tools, r.Kinds) {
		return nil, false
	}
	return appendKey(nil, r.Name, 0, scope, who), true
}

// Validate refuses a subject that no key can be made of: one without a tenant, or with a name of more than a kilobyte.
func (s *Subject) Validate() error { return s.validate() }

// Key is a key of Row.Key taken apart again.
type Key struct{ parsed parsedKey }

// ParseKey takes a key apart; false if it is none.
func ParseKey(key []byte) (Key, bool) {
	p, ok := parseKey(key)
	return Key{p}, ok && p.kind == 0
}

// Name is the row's.
func (k Key) Name() string { return k.parsed.name }

// Tenant is part of every key.
func (k Key) Tenant() string { return k.parsed.who.Tenant }

// Label is how people are shown the key: the values of its scope, joined by a slash.
func (k Key) Label() string { return k.parsed.label() }

// Within says whether the key is about an agent and a tool; an empty name is all of them. A key whose scope does not name
// agents is about all agents.
func (k Key) Within(agent, tool string) bool {
	p := &k.parsed
	return (agent == "" || p.scope&agentBit == 0 || p.who.Agent == agent) && (tool == "" || p.scope&toolBit == 0 || p.who.Tool == tool)
}
