package origin

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

// Config bounds the index. Zero fields take the defaults.
type Config struct {
	MaxSessions int           // of all; 5,000
	MaxPerAgent int           // of one tenant and agent; 500
	Idle        time.Duration // a session that nobody asks about is forgotten after so long; 1 h
}

func (c Config) withDefaults() Config {
	if c.MaxSessions == 0 {
		c.MaxSessions = 5_000
	}
	if c.MaxPerAgent == 0 {
		c.MaxPerAgent = 500
	}
	if c.Idle == 0 {
		c.Idle = time.Hour
	}
	return c
}

// Index is what was seen in the live sessions. It is lost with the process, and sessions beyond its bounds push out the
// one that was longest unused, of the same agent where that agent is at its bound: a session that is not here has lost its
// origins, which its decisions say. It is safe for concurrent use; each session has a lock of its own.
type Index struct {
	cfg Config
	now func() time.Time

	mu       sync.Mutex
	sessions map[provenance.ID]*list.Element // of *entry
	used     *list.List                      // most recently used first
	perAgent map[[2]string]int
}

type entry struct {
	id   provenance.ID
	last time.Time
	mu   sync.Mutex
	held *session
}

// New makes an empty index.
func New(cfg Config, now func() time.Time) *Index {
	return &Index{
		cfg: cfg.withDefaults(), now: now, sessions: map[provenance.ID]*list.Element{}, used: list.New(), perAgent: map[[2]string]int{},
	}
}

// Observe adds texts of one source to a session. resumed says that things were observed in it before: where the index knows
// nothing of them, it has lost them and stays incomplete. whole says that everything fitted; what did not is of unknown
// origin. The same text from the same source counts once.
func (x *Index) Observe(id provenance.ID, from Source, texts []string, resumed bool) (whole bool) {
	e := x.open(id, resumed)
	e.mu.Lock()
	defer e.mu.Unlock()
	whole = true
	for _, t := range texts {
		whole = e.held.observe(from, t) && whole
	}
	e.held.partial = e.held.partial || !whole
	return whole
}

// State is how much of a session is known.
type State struct {
	// Known is false where nothing was observed, or what was is lost.
	Known bool
	// Partial says that something did not fit, or was lost: a value of which nothing is known may have been in it.
	Partial bool
}

// Trace says of each value of a call to a server where it came from, in the order of the values.
func (x *Index) Trace(id provenance.ID, server string, values []Value) ([]Traced, State) {
	out := make([]Traced, len(values))
	e := x.find(id)
	if e == nil {
		for i, v := range values {
			out[i] = Traced{v.Pointer, []string{Nowhere}}
		}
		return out, State{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	split := e.held.splits(values)
	for i, v := range values {
		out[i] = Traced{v.Pointer, e.held.origins(v.Text, server, split[i])}
	}
	return out, State{Known: true, Partial: e.held.partial}
}

// origins are the sources that vouch for a value, and those that it resembles.
func (s *session) origins(text, server string, like uint64) []string {
	var out []string
	for _, kind := range []Kind{User, Trusted} {
		if from, ok := s.voucher(s.spoken[kind], text, server); ok {
			out = append(out, from.String())
		}
	}
	like |= s.likeness(text)
	for i, from := range s.sources {
		if like&(1<<i) == 0 {
			continue
		}
		if from.vouches() { // it resembles what a look-up said, and is not it
			continue
		}
		out = append(out, from.String())
	}
	if len(out) == 0 {
		return []string{Nowhere}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// maxSplit is how many short values are tried in pairs.
const maxSplit = 16

// splits are the sources of what two values say together (threat D7), for each of the two.
func (s *session) splits(values []Value) []uint64 {
	out := make([]uint64, len(values))
	var short []int
	for i, v := range values {
		if n := len(squeezed(v.Text)); n > 0 && n <= 128 && len(short) < maxSplit {
			short = append(short, i)
		}
	}
	for _, a := range short {
		for _, b := range short {
			if a == b {
				continue
			}
			both := squeezed(values[a].Text + values[b].Text)
			if len(both) < 2*minTelling {
				continue
			}
			like := s.seen[s.hash("part", both)]
			out[a] |= like
			out[b] |= like
		}
	}
	return out
}

func (x *Index) find(id provenance.ID) *entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	x.forgetIdle(now)
	at := x.sessions[id]
	if at == nil {
		return nil
	}
	x.used.MoveToFront(at)
	e := at.Value.(*entry)
	e.last = now
	return e
}

func (x *Index) open(id provenance.ID, resumed bool) *entry {
	if e := x.find(id); e != nil {
		return e
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.sessions[id]; at != nil { // somebody was quicker
		return at.Value.(*entry)
	}
	owner := [2]string{id.Tenant, id.Agent}
	if x.perAgent[owner] >= x.cfg.MaxPerAgent {
		x.drop(x.oldest(owner))
	}
	if x.used.Len() >= x.cfg.MaxSessions {
		x.drop(x.used.Back())
	}
	e := &entry{id: id, last: x.now(), held: newSession(resumed)}
	x.sessions[id] = x.used.PushFront(e)
	x.perAgent[owner]++
	return e
}

func (x *Index) oldest(owner [2]string) *list.Element {
	for at := x.used.Back(); at != nil; at = at.Prev() {
		if id := at.Value.(*entry).id; id.Tenant == owner[0] && id.Agent == owner[1] {
			return at
		}
	}
	return nil
}

func (x *Index) drop(at *list.Element) {
	if at == nil {
		return
	}
	e := x.used.Remove(at).(*entry)
	delete(x.sessions, e.id)
	owner := [2]string{e.id.Tenant, e.id.Agent}
	if x.perAgent[owner]--; x.perAgent[owner] <= 0 {
		delete(x.perAgent, owner)
	}
}

func (x *Index) forgetIdle(now time.Time) {
	for at := x.used.Back(); at != nil && now.Sub(at.Value.(*entry).last) >= x.cfg.Idle; at = x.used.Back() {
		x.drop(at)
	}
}
