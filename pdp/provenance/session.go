package provenance

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// Config bounds sessions. Zero fields take the defaults.
type Config struct {
	Lifetime    time.Duration // a session ends this long after it began; 24 h
	Idle        time.Duration // or this long after its last action; 1 h
	MaxPerAgent int           // live sessions of one tenant and agent; 10,000
	MaxLive     int           // live sessions of all; 200,000
	Cached      int64         // sessions kept decoded in memory; 20,000
	MaxTools    int           // tool names kept per session; 200
	MaxCalls    int           // different calls counted per session, the latest; 256
	MaxItems    int           // memory items counted per session; 1,000
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
	set(&c.MaxLive, 200_000)
	if c.Cached == 0 {
		c.Cached = 20_000
	}
	set(&c.MaxTools, 200)
	set(&c.MaxCalls, 256)
	set(&c.MaxItems, 1_000)
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

// Facts is what a decision may know about its session, without the action that is being decided unless a field says
// otherwise.
type Facts struct {
	Labels      []string // sorted
	Tools       []string // sorted
	MemoryItems int64
	Repeats     int64 // how often this call was proposed before, as far as it is remembered
	Cycle       Cycle // that this call goes on with, this call counted
	StartedAt   time.Time
	Ended       bool
}

// Step is what a decision adds to its session.
type Step struct {
	Call        string   // digest of a call to count, unless Propose has counted it; empty for none
	AllowedTool string   // empty unless a tool call was allowed
	Labels      []string // to add
	MemoryPut   string   // layer and key of an allowed write
	MemoryGone  string   // layer and key of an allowed delete
}

// shards is how many locks guard the sessions; a session always has the same one.
const shards = 64

// Sessions answers for all live sessions. The truth is the Store: every step is put there before the session's lock is
// released, and what the cache has dropped is read from there. Memory holds besides when each live session was last
// seen, to cap them. Decisions of one session are recorded one at a time, those of different sessions in parallel.
type Sessions struct {
	cfg   Config
	store Store
	now   func() time.Time
	seed  maphash.Seed
	locks [shards]sync.Mutex
	cache *ristretto.Cache[string, *record] // decoded; each is used under its session's lock only

	mu     sync.Mutex
	live   map[string]map[string]time.Time // owner → session key → last seen
	count  int                             // sessions in live
	tidied time.Time                       // when the idle ones were last dropped
}

// New makes the room. It reads nothing: sessions are looked up as they speak.
func New(cfg Config, store Store, now func() time.Time) (*Sessions, error) {
	cfg = cfg.withDefaults()
	cache, err := ristretto.NewCache(&ristretto.Config[string, *record]{
		NumCounters: 10 * cfg.Cached, MaxCost: cfg.Cached, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make the session cache: %w", err)
	}
	return &Sessions{
		cfg: cfg, store: store, now: now, seed: maphash.MakeSeed(), cache: cache,
		live: map[string]map[string]time.Time{},
	}, nil
}

// Close ends the cache's worker. The store has everything.
func (s *Sessions) Close() { s.cache.Close() }

func (s *Sessions) lock(key string) *sync.Mutex {
	return &s.locks[maphash.String(s.seed, key)%shards]
}

// Facts says what the session has done so far, and counts nothing. An unknown session is a new one. Call is the digest of a
// call that was counted when it was proposed, and comes again with its approval; empty for other kinds of action. ErrFull
// and ErrStore mean: deny.
func (s *Sessions) Facts(_ context.Context, id ID, call string) (Facts, error) {
	return s.look(id, func(r *record, f *Facts) {
		if call != "" {
			f.Repeats, f.Cycle = r.Calls.again(shortened(call))
		}
	}, nil)
}

// Propose is Facts for a new call, which it counts in the same breath: of many that come at once, each sees those before
// it. A call counts whatever comes of it.
func (s *Sessions) Propose(_ context.Context, id ID, call string) (Facts, error) {
	digest := shortened(call)
	return s.look(id, func(r *record, f *Facts) {
		f.Repeats, f.Cycle = r.Calls.repeats(digest), r.Calls.cycle(digest)
	}, func(r *record) { r.Calls.count(digest, s.cfg.MaxCalls) })
}

func (s *Sessions) look(id ID, at func(*record, *Facts), then func(*record)) (Facts, error) {
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
		r = &record{Started: now, Last: now, fresh: true}
	}
	f := Facts{
		Labels: sorted(r.Labels), Tools: sorted(r.Tools), MemoryItems: int64(len(r.Items)),
		StartedAt: r.Started, Ended: s.ended(r, now),
	}
	at(r, &f)
	if then == nil || f.Ended {
		return f, nil
	}
	then(r)
	return f, s.put(id, key, r, now)
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
		r = &record{Started: now, Last: now, fresh: true}
	}
	if s.ended(r, now) {
		return nil
	}
	if !s.add(r, step) && !r.fresh && now.Sub(r.stored) < storedWithin {
		return nil // Propose has just put it
	}
	return s.put(id, key, r, now)
}

// storedWithin is how much younger a session may be than the store says. After a crash it ends by so much earlier.
const storedWithin = time.Second

// put stores a changed session under its lock.
func (s *Sessions) put(id ID, key string, r *record, now time.Time) error {
	if now.After(r.Last) { // a clock that steps back must not make the session younger
		r.Last = now
	}
	if err := s.store.Put(key, r.encode()); err != nil {
		s.cache.Del(key) // what the store has is what counts
		s.cache.Wait()
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	r.stored = r.Last
	if r.fresh {
		r.fresh = false
		s.keep(key, r)
	}
	s.seen(id, key, r.Last)
	return nil
}

// keep caches a session under its lock. Set and waited for, so that nothing older can come after it.
func (s *Sessions) keep(key string, r *record) {
	if !s.cache.Set(key, r, 1) {
		s.cache.Del(key)
	}
	s.cache.Wait()
}

// add says whether the step changed anything.
func (s *Sessions) add(r *record, step Step) bool {
	size := func() [3]int { return [3]int{len(r.Labels), len(r.Tools), len(r.Items)} }
	before := size()
	for _, l := range step.Labels {
		r.Labels = with(r.Labels, l, 1<<30) // labels come from a fixed set
	}
	if step.AllowedTool != "" {
		r.Tools = with(r.Tools, step.AllowedTool, s.cfg.MaxTools)
	}
	if step.MemoryPut != "" {
		r.Items = with(r.Items, itemName(step.MemoryPut), s.cfg.MaxItems)
	}
	delete(r.Items, itemName(step.MemoryGone))
	if step.Call != "" {
		r.Calls.count(shortened(step.Call), s.cfg.MaxCalls)
		return true
	}
	return size() != before
}

// itemName is short, and does not tell what an agent calls its memories.
func itemName(item string) string {
	sum := sha256.Sum256([]byte(item))
	return string(sum[:16])
}

// shortened keeps 64 bits of a digest: two actions that share them are counted together, which over-counts.
func shortened(digest string) uint64 {
	sum := sha256.Sum256([]byte(digest))
	return binary.BigEndian.Uint64(sum[:])
}

func (s *Sessions) ended(r *record, now time.Time) bool {
	return now.Sub(r.Started) >= s.cfg.Lifetime || now.Sub(r.Last) >= s.cfg.Idle
}

func (s *Sessions) read(key string) (*record, error) {
	if r, there := s.cache.Get(key); there {
		return r, nil
	}
	raw, err := s.store.Get(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	if raw == nil {
		return nil, nil //nolint:nilnil // no session is a valid answer
	}
	r, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.keep(key, r)
	return r, nil
}

func (s *Sessions) admit(id ID, key string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.live[id.owner()][key]; known {
		return nil
	}
	full := func() bool { return len(s.live[id.owner()]) >= s.cfg.MaxPerAgent || s.count >= s.cfg.MaxLive }
	if full() {
		s.forgetIdle(now)
	}
	if full() {
		return ErrFull
	}
	s.remember(id, key, now)
	return nil
}

// forgetIdle drops from the count what has ended. At most once a second: with all caps full, every newcomer would
// look through all sessions.
func (s *Sessions) forgetIdle(now time.Time) {
	if since := now.Sub(s.tidied); since >= 0 && since < time.Second {
		return
	}
	s.tidied = now
	for owner, sessions := range s.live {
		before := len(sessions)
		maps.DeleteFunc(sessions, func(_ string, last time.Time) bool { return now.Sub(last) >= s.cfg.Idle })
		s.count -= before - len(sessions)
		if len(sessions) == 0 {
			delete(s.live, owner)
		}
	}
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
	if _, known := s.live[owner][key]; !known {
		s.count++
	}
	s.live[owner][key] = last
}

// sweepBatch is how many dead sessions one Sweep removes at most.
const sweepBatch = 10_000

// Sweep forgets sessions whose id has been refused for a lifetime after they ended. Call it now and then.
func (s *Sessions) Sweep() error {
	now := s.now()
	_, err := s.store.Sweep(sweepBatch, func(key string, value []byte) bool {
		r, err := decode(value)
		if err != nil {
			return false // not ours to throw away: reading it is an error, which denies
		}
		end := r.Started.Add(s.cfg.Lifetime)
		if idle := r.Last.Add(s.cfg.Idle); idle.Before(end) {
			end = idle
		}
		if now.Sub(end) < s.cfg.Lifetime {
			return false
		}
		s.cache.Del(key)
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetIdle(now)
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
