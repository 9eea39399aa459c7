package limit_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

var (
	ctx   = context.Background()
	began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bot   = limit.Subject{Tenant: "acme", Agent: "bot", User: "ann", Session: "s1", Tool: "search", Kind: "TOOL_CALL"}
	call  = limit.Amounts{Calls: 1}

	errFire = errors.New("disk on fire")
)

// osClock is time.Now as a process sees it: the wall clock where it started, and the monotonic clock from there.
type osClock struct {
	mu     sync.Mutex
	real   time.Duration // that nobody can turn
	wall   time.Duration // how far the wall clock is from it
	origin time.Time
	from   time.Duration
}

func (c *osClock) boot() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.origin, c.from = began.Add(c.real+c.wall), c.real
}

func (c *osClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.origin.Add(c.real - c.from)
}

func (c *osClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.real += d
}

func (c *osClock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += d
}

// shelf is a ledger in a map that can be told to fail. Its commits are atomic.
type shelf struct {
	mu            sync.Mutex
	records       map[limit.Space]map[string][]byte
	reads, writes error
}

func newShelf() *shelf {
	s := &shelf{records: map[limit.Space]map[string][]byte{}}
	for _, space := range limit.Spaces {
		s.records[space] = map[string][]byte{}
	}
	return s
}

func (s *shelf) fail(reads, writes error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads, s.writes = reads, writes
}

func (s *shelf) Load(_ context.Context, space limit.Space, key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records[space][string(key)]), s.reads
}

func (s *shelf) Commit(_ context.Context, changes []limit.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes != nil {
		return s.writes
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(s.records[c.Space], string(c.Key))
		} else {
			s.records[c.Space][string(c.Key)] = slices.Clone(c.Value)
		}
	}
	return nil
}

func (s *shelf) Scan(_ context.Context, space limit.Space, prefix, after []byte, most int, visit func(key, value []byte) bool) error {
	s.mu.Lock()
	records, err := maps.Clone(s.records[space]), s.reads
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(records)) {
		if !strings.HasPrefix(k, string(prefix)) || after != nil && k <= string(after) {
			continue
		}
		if most--; most < 0 || !visit([]byte(k), records[k]) {
			break
		}
	}
	return nil
}

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// rig is an engine with its clock and ledger.
type rig struct {
	*limit.Engine
	t      tester
	clock  *osClock
	ledger *shelf
	cfg    limit.Config
	mu     sync.Mutex
	ids    int
}

func newRig(t tester, cfg limit.Config) *rig {
	t.Helper()
	r := &rig{t: t, clock: &osClock{}, ledger: newShelf(), cfg: cfg}
	r.boot()
	return r
}

// attack is a rig that a test closes.
func attack(t *testing.T, cfg limit.Config) *rig {
	t.Helper()
	r := newRig(t, cfg)
	t.Cleanup(func() { _ = r.Close(ctx) })
	return r
}

func (r *rig) boot() {
	r.t.Helper()
	r.clock.boot()
	e, err := limit.New(r.cfg, r.ledger, r.clock.now)
	r.do(err)
	r.Engine = e
}

func (r *rig) restart() {
	r.t.Helper()
	r.do(r.Close(ctx))
	r.boot()
}

// crash kills the process after its last commit: the ledger is what is left.
func (r *rig) crash() {
	r.t.Helper()
	r.do(r.Flush(ctx))
	left := newShelf()
	r.ledger.mu.Lock()
	for space, records := range r.ledger.records {
		left.records[space] = maps.Clone(records)
	}
	r.ledger.mu.Unlock()
	_ = r.Close(ctx)
	r.ledger = left
	r.boot()
}

func (r *rig) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) id() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids++
	return "id" + strconv.Itoa(r.ids)
}

func (r *rig) reserve(who limit.Subject, want limit.Amounts, defs ...limit.Definition) (id string, list []limit.Status, err error) {
	id = r.id()
	list, err = r.Reserve(ctx, id, defs, who, want, r.clock.now().Add(24*time.Hour), limit.ReserveOptions{})
	return id, list, err
}

// try says whether no hard limit stood in the way.
func (r *rig) try(who limit.Subject, want limit.Amounts, defs ...limit.Definition) (string, bool) {
	r.t.Helper()
	id, list, err := r.reserve(who, want, defs...)
	r.do(err)
	return id, !hard(list)
}

func (r *rig) allow(who limit.Subject, want limit.Amounts, defs ...limit.Definition) string {
	r.t.Helper()
	id, ok := r.try(who, want, defs...)
	if !ok {
		r.t.Fatal("denied, want allowed")
	}
	return id
}

func (r *rig) deny(who limit.Subject, want limit.Amounts, defs ...limit.Definition) {
	r.t.Helper()
	if _, ok := r.try(who, want, defs...); ok {
		r.t.Fatal("allowed, want denied")
	}
}

func (r *rig) wantUsed(want int64, who limit.Subject, d limit.Definition) {
	r.t.Helper()
	_, list, err := r.reserve(who, limit.Amounts{}, d)
	r.do(err)
	if list[0].Used != want {
		r.t.Fatalf("%s holds %d, want %d", d.Name, list[0].Used, want)
	}
}

// evict pushes everything out of a small cache that no commit needs any more.
func (r *rig) evict() {
	r.t.Helper()
	r.do(r.Flush(ctx))
	other := callsPer("other", 1<<40, 366*86_400, limit.Tool)
	for range 20 {
		who := limit.Subject{Tenant: "others", Tool: "x" + r.id()}
		r.allow(who, call, other)
	}
	r.do(r.Flush(ctx))
}

func hard(list []limit.Status) bool {
	return slices.ContainsFunc(list, func(s limit.Status) bool { return s.Exceeded && s.OnExceed == limit.Deny })
}

func callsPer(name string, most, seconds int64, scope ...limit.Dimension) limit.Definition {
	if scope == nil {
		scope = []limit.Dimension{limit.Agent}
	}
	return limit.Definition{Name: name, Measure: limit.Calls, Scope: scope, WindowSeconds: seconds, Max: most}
}

func moneyPer(name string, most, seconds int64) limit.Definition {
	d := callsPer(name, most, seconds)
	d.Measure = limit.CostMicroUSD
	return d
}

func money(n int64) limit.Amounts { return limit.Amounts{CostMicroUSD: n} }

func session(agent string, n int) limit.Subject {
	return limit.Subject{Tenant: "acme", Agent: agent, Session: strconv.Itoa(n)}
}

// together runs n functions that all begin at once.
func together(n int, do func(int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			do(i)
		})
	}
	close(begin)
	wg.Wait()
}
