package toolrole

import (
	"container/list"
	"sync"
)

// The bounds of the registry. Beyond them the session that was longest unused is forgotten, and of one session what comes
// later: a tool without a description is judged by its name.
const (
	maxSessions = 5_000
	maxTools    = 256 // of one session
)

// What is known of the description of a tool that is called.
const (
	Undescribed = "undescribed"
	Described   = "described"
	Changed     = "changed"    // it was another earlier in the session
	Mismatched  = "mismatched" // the call was made for another description
	Elsewhere   = "elsewhere"  // only other servers have a tool of the name
)

// Registry remembers how tools were described in each live session, so that a description which changes after it was looked
// at is noticed (threat A19). It stands in memory: after a restart tools are judged by table and name until they are described
// again. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex
	sessions map[string]*list.Element // of *offered
	used     *list.List               // most recently used first
}

type offered struct {
	session string
	tools   map[[2]string]*registered // by server and name
	names   map[string]int            // on how many servers
}

type registered struct {
	digest  string
	said    *Said
	vouched bool // by a credential that may observe as the user
	changed bool
}

// NewRegistry makes an empty registry.
func NewRegistry() *Registry {
	return &Registry{sessions: map[string]*list.Element{}, used: list.New()}
}

// Register remembers descriptions and returns the digest of each. vouched says that whoever brings them may speak for the
// user. whole is false if not all fitted.
func (r *Registry) Register(session string, descriptions []Description, vouched bool) (digests []string, whole bool) {
	digests = make([]string, len(descriptions))
	said := make([]*Said, len(descriptions))
	for i := range descriptions {
		digests[i], said[i] = descriptions[i].Digest(), descriptions[i].Said()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.open(session)
	whole = true
	for i, d := range descriptions {
		at := [2]string{d.Server, d.Name}
		known := o.tools[at]
		switch {
		case known == nil && len(o.tools) >= maxTools && !(vouched && o.makeRoom()):
			whole = false
			continue
		case known == nil:
			o.names[d.Name]++
			o.tools[at] = &registered{digest: digests[i], said: said[i], vouched: vouched}
			continue
		case known.digest != digests[i]:
			known.changed, known.digest, known.said = true, digests[i], said[i]
			known.vouched = vouched && known.vouched
		default:
			known.vouched = vouched || known.vouched && !known.changed
		}
	}
	return digests, whole
}

// makeRoom forgets a tool that only an agent has described, so that made-up ones do not keep out those that there are.
func (o *offered) makeRoom() bool {
	for at, t := range o.tools {
		if t.vouched {
			continue
		}
		delete(o.tools, at)
		if o.names[at[1]]--; o.names[at[1]] == 0 {
			delete(o.names, at[1])
		}
		return true
	}
	return false
}

// Known is what the registry says of a tool that is called.
type Known struct {
	Said    *Said // nil if it was not described
	Vouched bool
	State   string
}

// Find says what is known of a tool. digest is the one that the call was made for; empty if it does not say.
func (r *Registry) Find(session, server, name, digest string) Known {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.sessions[session]
	if at == nil {
		return Known{State: Undescribed}
	}
	r.used.MoveToFront(at)
	o := at.Value.(*offered)
	t := o.tools[[2]string{server, name}]
	switch {
	case t == nil && o.names[name] > 0:
		return Known{State: Elsewhere}
	case t == nil:
		return Known{State: Undescribed}
	case digest != "" && digest != t.digest:
		return Known{Said: t.said, State: Mismatched}
	case t.changed:
		return Known{Said: t.said, State: Changed}
	}
	return Known{Said: t.said, Vouched: t.vouched, State: Described}
}

func (r *Registry) open(session string) *offered {
	if at := r.sessions[session]; at != nil {
		r.used.MoveToFront(at)
		return at.Value.(*offered)
	}
	if r.used.Len() >= maxSessions {
		delete(r.sessions, r.used.Remove(r.used.Back()).(*offered).session)
	}
	o := &offered{session: session, tools: map[[2]string]*registered{}, names: map[string]int{}}
	r.sessions[session] = r.used.PushFront(o)
	return o
}
