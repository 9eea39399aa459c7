package provenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config bounds sessions. Zero fields take the defaults.
type Config struct {
	Lifetime    time.Duration // a session ends this long after it began; 24 h
	Idle        time.Duration // or this long after its last action; 1 h
	MaxPerAgent int           // live sessions of one tenant and agent; 10,000
	MaxTools    int           // tool names kept per session; 200
	MaxDigests  int           // different actions counted per session; 256
	MaxItems    int           // memory items counted per session; 10,000
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	if c.Lifetime == 0 {
		c.Lifetime = 24 * time.Hour
	}
	if c.Idle == 0 {
		c.Idle = time.Hour
	}
	set(&c.MaxPerAgent, 10_000)
	set(&c.MaxTools, 200)
	set(&c.MaxDigests, 256)
	set(&c.MaxItems, 10_000)
	return c
}

// Errors that a caller turns into a deny.
var (
	// ErrFull refuses a new session of an agent that has too many.
	ErrFull = errors.New("too many live sessions for this agent")
	// ErrStore says that what the session did is not known.
	ErrStore = errors.New("session store failed")
)

// Store keeps encoded sessions. Get returns nil for an unknown key. Put may be durable a little later; see
// embedded.KV.
type Store interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Sweep(limit int, dead func(key string, value []byte) bool) (int, error)
}

// ID names one session. The parts come from the credential and the checked principal.
type ID struct{ Tenant, Agent, Session string }

func (id ID) owner() string { return lengthPrefixed(id.Tenant, id.Agent) }
func (id ID) key() string   { return lengthPrefixed(id.Tenant, id.Agent, id.Session) }

func lengthPrefixed(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return b.String()
}

// Facts is what a decision may know about its session, without the action that is being decided.
type Facts struct {
	Labels      []string // sorted
	Tools       []string // sorted
	MemoryItems int64
	Repeats     int64 // how often this digest was proposed before
	StartedAt   time.Time
	Ended       bool
}

// Step is what a decision adds to its session.
type Step struct {
	Digest      string
	AllowedTool string   // empty unless a tool call was allowed
	Labels      []string // to add
	MemoryPut   string   // layer and key of an allowed write
	MemoryGone  string   // layer and key of an allowed delete
}

// record is a session as it is stored.
type record struct {
	Started time.Time           `json:"started"`
	Last    time.Time           `json:"last"`
	Labels  map[string]struct{} `json:"labels,omitempty"`
	Tools   map[string]struct{} `json:"tools,omitempty"`
	Items   map[string]struct{} `json:"items,omitempty"`
	Digests map[string]int64    `json:"digests,omitempty"`
	Dropped int64               `json:"dropped,omitempty"` // proposals that fitted no digest counter
}

// shards is how many locks guard the sessions; a session always has the same one.
const shards = 64

// Sessions answers for all live sessions. The truth is the Store; memory holds only the number of sessions per
// agent. Decisions of one session are recorded one at a time, those of different sessions in parallel.
type Sessions struct {
	cfg   Config
	store Store
	now   func() time.Time
	seed  maphash.Seed
	locks [shards]sync.Mutex

	mu   sync.Mutex
	live map[string]map[string]time.Time // owner → session key → last seen
}

// New makes the room. It reads nothing: sessions are looked up as they speak.
func New(cfg Config, store Store, now func() time.Time) *Sessions {
	return &Sessions{
		cfg: cfg.withDefaults(), store: store, now: now, seed: maphash.MakeSeed(),
		live: map[string]map[string]time.Time{},
	}
}

func (s *Sessions) lock(key string) *sync.Mutex {
	return &s.locks[maphash.String(s.seed, key)%shards]
}

// Facts says what the session has done so far. An unknown session is a new one. ErrFull and ErrStore mean: deny.
func (s *Sessions) Facts(_ context.Context, id ID, digest string) (Facts, error) {
	key := id.key()
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	now := s.now()
	r, err := s.read(key)
	if err != nil {
		return Facts{}, err
	}
	if r == nil {
		if err := s.admit(id, key, now); err != nil {
			return Facts{}, err
		}
		return Facts{StartedAt: now}, nil
	}
	return Facts{
		Labels:      sorted(r.Labels),
		Tools:       sorted(r.Tools),
		MemoryItems: int64(len(r.Items)),
		Repeats:     r.repeats(digest),
		StartedAt:   r.Started,
		Ended:       s.ended(r, now),
	}, nil
}

// Record adds a step. It creates the session if it is new, and leaves an ended one as it is.
func (s *Sessions) Record(_ context.Context, id ID, step Step) error {
	key := id.key()
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	now := s.now()
	r, err := s.read(key)
	if err != nil {
		return err
	}
	if r == nil {
		r = &record{Started: now, Last: now}
	}
	if s.ended(r, now) {
		return nil
	}
	if now.After(r.Last) { // a clock that steps back must not make the session younger
		r.Last = now
	}
	s.add(r, step)
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("%w: encode: %w", ErrStore, err)
	}
	if err := s.store.Put(key, raw); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.seen(id, key, r.Last)
	return nil
}

func (s *Sessions) add(r *record, step Step) {
	for _, l := range step.Labels {
		r.Labels = with(r.Labels, l, 1<<30) // labels come from a fixed set
	}
	if step.AllowedTool != "" {
		r.Tools = with(r.Tools, step.AllowedTool, s.cfg.MaxTools)
	}
	if step.MemoryPut != "" {
		r.Items = with(r.Items, step.MemoryPut, s.cfg.MaxItems)
	}
	delete(r.Items, step.MemoryGone)
	if step.Digest == "" {
		return
	}
	digest := shortened(step.Digest)
	if _, counted := r.Digests[digest]; counted || len(r.Digests) < s.cfg.MaxDigests {
		if r.Digests == nil {
			r.Digests = map[string]int64{}
		}
		r.Digests[digest]++
	} else {
		r.Dropped++
	}
}

// repeats over-counts where the counters ran out: all actions that fitted none are taken for the same one.
func (r *record) repeats(digest string) int64 {
	if n, counted := r.Digests[shortened(digest)]; counted {
		return n
	}
	return r.Dropped
}

// shortened keeps 64 bits of a digest: two actions that share them are counted together, which over-counts.
func shortened(digest string) string {
	const keep = len("pc1:") + 16
	return digest[:min(keep, len(digest))]
}

func (s *Sessions) ended(r *record, now time.Time) bool {
	return now.Sub(r.Started) >= s.cfg.Lifetime || now.Sub(r.Last) >= s.cfg.Idle
}

func (s *Sessions) read(key string) (*record, error) {
	raw, err := s.store.Get(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if raw == nil {
		return nil, nil
	}
	r := &record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%w: decode: %w", ErrStore, err)
	}
	return r, nil
}

func (s *Sessions) admit(id ID, key string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sessions := s.live[id.owner()]
	if _, known := sessions[key]; known || len(sessions) < s.cfg.MaxPerAgent {
		s.remember(id, key, now)
		return nil
	}
	maps.DeleteFunc(sessions, func(_ string, last time.Time) bool { return now.Sub(last) >= s.cfg.Idle })
	if len(sessions) >= s.cfg.MaxPerAgent {
		return ErrFull
	}
	s.remember(id, key, now)
	return nil
}

func (s *Sessions) seen(id ID, key string, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(id, key, last)
}

func (s *Sessions) remember(id ID, key string, last time.Time) {
	owner := id.owner()
	if s.live[owner] == nil {
		s.live[owner] = map[string]time.Time{}
	}
	s.live[owner][key] = last
}

// sweepBatch is how many dead sessions one Sweep removes at most.
const sweepBatch = 10_000

// Sweep forgets sessions whose id has been refused for a lifetime after they ended. Call it now and then.
func (s *Sessions) Sweep() error {
	now := s.now()
	_, err := s.store.Sweep(sweepBatch, func(_ string, value []byte) bool {
		r := &record{}
		if json.Unmarshal(value, r) != nil {
			return false // not ours to throw away: reading it is an error, which denies
		}
		end := r.Started.Add(s.cfg.Lifetime)
		if idle := r.Last.Add(s.cfg.Idle); idle.Before(end) {
			end = idle
		}
		return now.Sub(end) >= s.cfg.Lifetime
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for owner, sessions := range s.live {
		maps.DeleteFunc(sessions, func(_ string, last time.Time) bool { return now.Sub(last) >= s.cfg.Idle })
		if len(sessions) == 0 {
			delete(s.live, owner)
		}
	}
	return nil
}

func with(set map[string]struct{}, item string, most int) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	if len(set) < most {
		set[item] = struct{}{}
	}
	return set
}

func sorted(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }
