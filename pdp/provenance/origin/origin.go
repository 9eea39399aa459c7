package origin

import "slices"

// Kind is what sort of source a text has.
type Kind uint8

// The kinds. Only User and Trusted can vouch.
const (
	User Kind = iota + 1
	Trusted
	Untrusted
	Memory
	Agent
)

// Nowhere is the origin of a value that was seen nowhere in the session.
const Nowhere = "nowhere"

// Source is where a text came from. Name is the tool, the document or the agent; User and Memory have none.
type Source struct {
	Kind Kind
	Name string
	// Bound says that a trusted source vouches only in calls to Server.
	Bound  bool
	Server string
}

// reaches says whether what the source vouches for counts in calls to a server.
func (s Source) reaches(server string) bool { return !s.Bound || s.Server == server }

func (s Source) vouches() bool { return s.Kind == User || s.Kind == Trusted }

// String is the source as policy reads it, for example `untrusted:read_inbox`.
func (s Source) String() string {
	switch s.Kind {
	case User:
		return "user"
	case Trusted:
		return "trusted:" + s.Name
	case Memory:
		return "memory"
	case Agent:
		return "agent:" + s.Name
	case Untrusted:
	}
	return "untrusted:" + s.Name
}

// Value is one value of an action, at its JSON pointer.
type Value struct{ Pointer, Text string }

// Traced is where a value came from.
type Traced struct {
	Pointer string
	// Origins are sorted and never empty. `user` and `trusted:…` stand there only if that source vouches for the whole
	// value; all others also where something like it, or a part of it, was seen.
	Origins []string
}

// Proven says whether a source that may vouch does.
func (t Traced) Proven() bool { return slices.ContainsFunc(t.Origins, Vouching) }

// Vouching says whether an origin, as policy reads it, is one that vouches.
func Vouching(origin string) bool {
	return origin == "user" || len(origin) > len("trusted:") && origin[:len("trusted:")] == "trusted:"
}
