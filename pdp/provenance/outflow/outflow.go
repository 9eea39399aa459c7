package outflow

import (
	"container/list"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

// What is kept of one sink.
const (
	// Window is how much of a field's end is kept, and how much of what continues it is looked at, in bytes.
	Window = 1 << 10
	// edge is as much where a field continues another.
	edge = 256
	// maxFields are told apart; what else a call has counts as one more, strung together.
	maxFields = 16
	// maxCrossed bounds the pairs of different fields.
	maxCrossed = 64
	// maxSends is how many calls are kept apart; older ones are one.
	maxSends = 32
	// maxSinks of a session; with more, the one that was longest unused is forgotten.
	maxSinks = 32
)

// Config bounds all of it. Zero fields take the defaults.
type Config struct {
	MaxSessions int           // of all; 20,000
	MaxPerAgent int           // of one tenant and agent; 2,000
	MaxBytes    int           // of all sessions' text; 64 MiB
	Idle        time.Duration // a session that sends nothing is forgotten after so long; 1 h
}

func (c Config) withDefaults() Config {
	for field, value := range map[*int]int{&c.MaxSessions: 20_000, &c.MaxPerAgent: 2_000, &c.MaxBytes: 64 << 20} {
		if *field == 0 {
			*field = value
		}
	}
	if c.Idle == 0 {
		c.Idle = time.Hour
	}
	return c
}

// Value is one value of an action, and where it stands. Printing it does not show it.
type Value struct{ Pointer, Text string }

// String says where the value stands.
func (v Value) String() string { return v.Pointer }

// Seam is where a value continues what was sent before: the end of the one, and the begin of the other. Printing it does not
// show it.
type Seam struct{ Before, After string }

// String shows nothing.
func (Seam) String() string { return "seam" }

// Tails holds the ends of what live sessions sent. It is lost with the process, and sessions beyond its bounds push out the
// one that was longest unused, of the same agent where that agent is at its bound: a split across that is not seen. Safe for
// concurrent use; one lock guards all, as what is done under it is copying a few KiB.
type Tails struct {
	cfg Config
	now func() time.Time

	mu       sync.Mutex
	sessions map[provenance.ID]*list.Element // of *session
	used     *list.List                      // most recently used first
	perAgent map[[2]string]int
	bytes    int
}

type session struct {
	id    provenance.ID
	last  time.Time
	sinks []*sink // most recently used first
	bytes int
}

// sink is where a session sent something, oldest first.
type sink struct {
	name  string
	sends []send
}

// send is what one decision would let go, or has.
type send struct {
	decision string
	fields   []field
}

type field struct {
	pointer string
	end     string // its last bytes
	whole   bool   // all of its bytes
}

// New makes an empty one.
func New(cfg Config, now func() time.Time) *Tails {
	return &Tails{cfg: cfg.withDefaults(), now: now, sessions: map[provenance.ID]*list.Element{}, used: list.New(), perAgent: map[[2]string]int{}}
}

// Propose takes in what a decision would send to a sink, and gives the seams with what was sent there before. Of decisions
// at the same time each sees those before it, whatever comes of them; who is not allowed to send calls Drop.
func (t *Tails) Propose(id provenance.ID, decision, sinkName string, values []Value) []Seam {
	fields := fieldsOf(values)
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.open(id)
	k := s.sink(sinkName)
	seams := k.seams(fields)
	k.sends = append(k.sends, send{decision, ends(fields)})
	if len(k.sends) > maxSends {
		k.sends[1] = joined(k.sends[0], k.sends[1])
		k.sends = k.sends[1:]
	}
	t.count(s)
	return seams
}

// Replace says that a decision lets something else go than it was asked for.
func (t *Tails) Replace(id provenance.ID, decision string, values []Value) {
	t.change(id, decision, func(sends []send, i int) []send {
		sends[i].fields = ends(fieldsOf(values))
		return sends
	})
}

// Drop takes back what is not sent after all.
func (t *Tails) Drop(id provenance.ID, decision string) {
	t.change(id, decision, func(sends []send, i int) []send { return append(sends[:i:i], sends[i+1:]...) })
}

func (t *Tails) change(id provenance.ID, decision string, how func([]send, int) []send) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.sessions[id]
	if at == nil {
		return
	}
	s := at.Value.(*session)
	for _, k := range s.sinks {
		for i := range k.sends {
			if k.sends[i].decision == decision {
				k.sends = how(k.sends, i)
				t.count(s)
				return
			}
		}
	}
}

// Sweep forgets the sessions that have sent nothing for long. Propose does so too.
func (t *Tails) Sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetIdle(t.now())
}

// fieldsOf are the values by field. Those beyond maxFields are one.
func fieldsOf(values []Value) (out []Value) {
	for _, v := range values {
		switch {
		case v.Text == "":
		case len(out) <= maxFields:
			out = append(out, v)
		default:
			out[maxFields].Text += v.Text
		}
	}
	return out
}

// ends keeps copies of the ends: the values themselves would keep all of the action.
func ends(values []Value) []field {
	out := make([]field, len(values))
	for i, v := range values {
		end := lastOf(v.Text, Window)
		out[i] = field{strings.Clone(v.Pointer), strings.Clone(end), len(end) == len(v.Text)}
	}
	return out
}

// seams are where values continue what is kept: each its own field, as far back as it goes, and each other field of the last
// call.
func (k *sink) seams(values []Value) (out []Seam) {
	if len(k.sends) == 0 {
		return nil
	}
	last, crossed := k.sends[len(k.sends)-1], 0
	for _, v := range values {
		if before := k.before(v.Pointer); before != "" {
			out = append(out, Seam{before, firstOf(v.Text, Window)})
		}
		for _, f := range last.fields {
			if f.pointer != v.Pointer && crossed < maxCrossed {
				crossed++
				out = append(out, Seam{lastOf(f.end, edge), firstOf(v.Text, edge)})
			}
		}
	}
	return out
}

// before is what was last sent in a field.
func (k *sink) before(pointer string) (text string) {
	for i := len(k.sends) - 1; i >= 0 && len(text) < Window; i-- {
		for _, f := range k.sends[i].fields {
			if f.pointer != pointer {
				continue
			}
			if text = f.end + text; !f.whole {
				return lastOf(text, Window)
			}
		}
	}
	return lastOf(text, Window)
}

// joined is two sends as one.
func joined(a, b send) send {
	for _, f := range a.fields {
		found := false
		for i := range b.fields {
			to := &b.fields[i]
			if found = found || to.pointer == f.pointer; to.pointer == f.pointer && to.whole {
				text := f.end + to.end
				to.end = strings.Clone(lastOf(text, Window))
				to.whole = f.whole && len(to.end) == len(text)
			}
		}
		if !found && len(b.fields) <= maxFields {
			b.fields = append(b.fields, f)
		}
	}
	return b
}

// sink finds the sink, or begins it.
func (s *session) sink(name string) *sink {
	for i, k := range s.sinks {
		if k.name == name {
			copy(s.sinks[1:i+1], s.sinks[:i])
			s.sinks[0] = k
			return k
		}
	}
	if len(s.sinks) < maxSinks {
		s.sinks = append(s.sinks, nil)
	}
	copy(s.sinks[1:], s.sinks)
	s.sinks[0] = &sink{name: name}
	return s.sinks[0]
}

// overhead is what a field takes besides its text, about.
const overhead = 96

// count brings the sum of bytes up to date, and makes room if it is too large.
func (t *Tails) count(s *session) {
	before := s.bytes
	s.bytes = 0
	for _, k := range s.sinks {
		s.bytes += overhead + len(k.name)
		for _, d := range k.sends {
			for _, f := range d.fields {
				s.bytes += overhead + len(f.pointer) + len(f.end)
			}
		}
	}
	t.bytes += s.bytes - before
	for t.bytes > t.cfg.MaxBytes && t.used.Len() > 1 {
		t.forget(t.used.Back())
	}
}

func (t *Tails) open(id provenance.ID) *session {
	now := t.now()
	t.forgetIdle(now)
	if at := t.sessions[id]; at != nil {
		t.used.MoveToFront(at)
		s := at.Value.(*session)
		s.last = now
		return s
	}
	owner := [2]string{id.Tenant, id.Agent}
	if t.perAgent[owner] >= t.cfg.MaxPerAgent {
		t.forget(t.oldest(owner))
	}
	if t.used.Len() >= t.cfg.MaxSessions {
		t.forget(t.used.Back())
	}
	s := &session{id: id, last: now}
	t.sessions[id] = t.used.PushFront(s)
	t.perAgent[owner]++
	return s
}

func (t *Tails) oldest(owner [2]string) *list.Element {
	for at := t.used.Back(); at != nil; at = at.Prev() {
		if id := at.Value.(*session).id; id.Tenant == owner[0] && id.Agent == owner[1] {
			return at
		}
	}
	return nil
}

func (t *Tails) forget(at *list.Element) {
	if at == nil {
		return
	}
	s := t.used.Remove(at).(*session)
	delete(t.sessions, s.id)
	t.bytes -= s.bytes
	owner := [2]string{s.id.Tenant, s.id.Agent}
	if t.perAgent[owner]--; t.perAgent[owner] <= 0 {
		delete(t.perAgent, owner)
	}
}

func (t *Tails) forgetIdle(now time.Time) {
	for at := t.used.Back(); at != nil && now.Sub(at.Value.(*session).last) >= t.cfg.Idle; at = t.used.Back() {
		t.forget(at)
	}
}

// lastOf is the end of a text, at most n bytes, of whole characters.
func lastOf(text string, n int) string {
	at := max(len(text)-n, 0)
	for at < len(text) && at > 0 && !utf8.RuneStart(text[at]) {
		at++
	}
	return text[at:]
}

// firstOf is the begin of a text, at most n bytes, of whole characters.
func firstOf(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
