package limit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a ledger in a map, with faults to switch on. What is committed is what a crash would leave.
type memory struct {
	mu         sync.Mutex
	spaces     map[Space]map[string][]byte
	failLoad   error
	failCommit error
	loads      int
	commits    int
	onCommit   func(map[Space]map[string][]byte)
}

func newMemory() *memory {
	m := &memory{spaces: map[Space]map[string][]byte{}}
	for _, s := range Spaces {
		m.spaces[s] = map[string][]byte{}
	}
	return m
}

func (m *memory) fail(load, commit error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLoad, m.failCommit = load, commit
}

func (m *memory) size(s Space) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.spaces[s])
}

func (m *memory) copy() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newMemory()
	for s, records := range m.spaces {
		out.spaces[s] = maps.Clone(records)
	}
	return out
}

func (m *memory) Load(_ context.Context, space Space, key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	return slices.Clone(m.spaces[space][string(key)]), m.failLoad
}

func (m *memory) Commit(_ context.Context, changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	if m.failCommit != nil {
		return m.failCommit
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.spaces[c.Space], string(c.Key))
		} else {
			m.spaces[c.Space][string(c.Key)] = slices.Clone(c.Value)
		}
	}
	if m.onCommit != nil {
		m.onCommit(m.spaces)
	}
	return nil
}

func (m *memory) Scan(_ context.Context, space Space, prefix, after []byte, limit int, visit func(key, value []byte) bool) error {
	m.mu.Lock()
	if m.failLoad != nil {
		defer m.mu.Unlock()
		return m.failLoad
	}
	var keys []string
	for k := range m.spaces[space] {
		if strings.HasPrefix(k, string(prefix)) && (after == nil || k > string(after)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	keys = keys[:min(limit, len(keys))]
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i] = m.spaces[space][k]
	}
	m.mu.Unlock()
	for i, k := range keys {
		if !visit([]byte(k), values[i]) {
			break
		}
	}
	return nil
}

// hands is a clock that the test moves.
type hands struct {
	mu sync.Mutex
	t  time.Time
}

func newHands() *hands { return &hands{t: time.Unix(1_800_000_000, 0)} }

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.t
}

func (h *hands) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.t = h.t.Add(d)
}

// manual makes an engine that commits only when the test says so.
func manual(tb testing.TB, cfg Config, ledger Ledger, clock *hands) *Engine {
	tb.Helper()
	e, err := open(cfg.withDefaults(), ledger, clock.now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

var small = Config{HotCells: 64, RecentReservations: 4_096}

var (
	ctx     = context.Background()
	errDisk = errors.New("disk is gone")
)

func who(session string) Subject {
	return Subject{Tenant: "t", Agent: "a", User: "u", Session: session, Tool: "search", Kind: "TOOL_CALL"}
}

func calls(max int64) Definition {
	return Definition{Name: "calls", Measure: Calls, Scope: []Dimension{Session}, WindowSeconds: 60, Max: max}
}

func cost(max int64) Definition {
	return Definition{Name: "cost", Measure: CostMicroUSD, Scope: []Dimension{Session}, WindowSeconds: 3600, Max: max}
}

// reserve reserves for an hour and fails the test on an error.
func reserve(tb testing.TB, e *Engine, id string, who Subject, want Amounts, defs ...Definition) []Status {
	tb.Helper()
	s, err := e.Reserve(ctx, id, defs, who, want, e.clock.source().Add(time.Hour), ReserveOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// used is what a limit counts, without charging anything.
func used(tb testing.TB, e *Engine, who Subject, d Definition) int64 {
	tb.Helper()
	id := "look-" + time.Now().String()
	got := reserve(tb, e, id, who, Amounts{}, d)[0].Used
	if err := e.Refund(ctx, id); err != nil && !errors.Is(err, ErrUnknownReservation) { // none where a limit is passed already
		tb.Fatal(err)
	}
	return got
}

func exceeded(list []Status) bool {
	return slices.ContainsFunc(list, func(s Status) bool { return s.Exceeded })
}

func flush(tb testing.TB, e *Engine) {
	tb.Helper()
	if err := e.Flush(ctx); err != nil {
		tb.Fatal(err)
	}
}
