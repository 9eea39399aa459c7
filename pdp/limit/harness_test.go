package limit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(spenderVariable); dir != "" {
		spender(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	ctx     = context.Background()
	errDisk = errors.New("disk is gone")
)

// shared is a ledger in memory whose clock the test moves, with faults to switch on.
type shared struct {
	*ledgertest.Model
	mu    sync.Mutex
	now   int64
	epoch int64
	fault atomic.Pointer[func(*ledger.Batch) (before, after error)]
	dos   atomic.Int64
}

func newShared() *shared { return newBounded(ledgertest.Bounds{}) }

func newBounded(b ledgertest.Bounds) *shared {
	now := time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC).UnixMicro()
	return &shared{Model: ledgertest.NewModel(b, now, 1), now: now, epoch: 1}
}

// move lets time go by.
func (s *shared) move(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += micros(d)
	s.Set(s.now, s.epoch)
}

// break makes batches fail before or after they were carried out; nil mends it.
func (s *shared) breaks(with func(*ledger.Batch) (before, after error)) {
	if with == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&with)
}

func (s *shared) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	s.dos.Add(1)
	var after error
	if f := s.fault.Load(); f != nil {
		var before error
		if before, after = (*f)(b); before != nil {
			return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, before)
		}
	}
	r, err := s.Model.Do(ctx, b)
	if after != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, after)
	}
	return r, err
}

var engines atomic.Int64

// replica is an engine on a ledger.
func replica(tb testing.TB, l ledger.Ledger, cfg Config) *Engine {
	tb.Helper()
	e, err := New(cfg, l, fmt.Sprintf("replica-%d", engines.Add(1)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

func set(tb testing.TB, defs ...Definition) *Set {
	tb.Helper()
	s, err := Compile(defs)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func who(session string) *Subject {
	return &Subject{Tenant: "t", Agent: "a", User: "u", Session: session, Tool: "search", Kind: "TOOL_CALL"}
}

func calls(most int64) Definition {
	return Definition{Name: "calls", Measure: Calls, Scope: []Dimension{Session}, WindowSeconds: 60, Max: most}
}

func cost(most int64) Definition {
	return Definition{Name: "cost", Measure: CostMicroUSD, Scope: []Dimension{Session}, WindowSeconds: 3600, Max: most}
}

// reserve reserves, keeps what is allowed under the id for an hour, and fails the test on an error.
func reserve(tb testing.TB, e *Engine, id string, who *Subject, want Amounts, set *Set) []Status {
	tb.Helper()
	var h Hold
	if err := e.Reserve(ctx, set, who, &want, ReserveOptions{}, &h); err != nil {
		tb.Fatal(err)
	}
	if exceeded(h.Statuses()) {
		return h.Statuses()
	}
	if err := e.Keep(&h, id, micros(time.Hour)); err != nil {
		tb.Fatal(err)
	}
	return h.Statuses()
}

// used is what a limit counts, as the engine would tell.
func used(tb testing.TB, e *Engine, who *Subject, s *Set) int64 {
	tb.Helper()
	var h Hold
	if err := e.Reserve(ctx, s, who, &Amounts{}, ReserveOptions{}, &h); err != nil {
		tb.Fatal(err)
	}
	e.Refund(&h)
	return h.Statuses()[0].Used
}

// booked is what the ledger counts of a tenant, blocks among it.
func booked(tb testing.TB, l ledger.Ledger) (used, blocks int64) {
	tb.Helper()
	err := l.Cells(ctx, "t", 1<<30, func(c ledger.Cell) bool { used += c.Used; blocks += c.Blocks; return true })
	if err != nil {
		tb.Fatal(err)
	}
	return used, blocks
}

func exceeded(list []Status) bool {
	return slices.ContainsFunc(list, func(s Status) bool { return s.Exceeded && s.OnExceed != Alert })
}

func flush(tb testing.TB, e *Engine) {
	tb.Helper()
	if err := e.reportAll(ctx, false); err != nil {
		tb.Fatal(err)
	}
}
