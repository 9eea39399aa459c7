package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx     = context.Background()
	bot     = limit.Subject{Tenant: "acme", Agent: "bot", User: "ann", Session: "s1", Tool: "search", Kind: "TOOL_CALL"}
	byAgent = breaker.Definition{Name: "agent", Scope: []limit.Dimension{limit.Agent}, ConsecutiveFailures: 5, OpenSeconds: 60, JitterPercent: new(int64)}
	byTool  = breaker.Definition{Name: "tool", ConsecutiveFailures: 2, OpenSeconds: 10, JitterPercent: new(int64)}
	errFire = errors.New("disk on fire")
)

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// depot is what several replicas share: records and a clock. A replica sees its own swaps at once, and those of others when
// it is told to look, or always if it is not lagging.
type depot struct {
	mu       sync.Mutex
	now      int64 // microseconds
	vague    int64 // how much later it may be
	unknown  bool
	records  map[string]map[string][]byte
	reads    error
	writes   error
	deaf     bool // swaps are carried out, and the answer is lost
	swaps    int
	swapping func() // called before each swap, without the lock
}

func newDepot() *depot {
	return &depot{now: 1_800_000_000_000_000, records: map[string]map[string][]byte{}}
}

func (d *depot) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now += by.Microseconds()
}

func (d *depot) fail(reads, writes error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads, d.writes = reads, writes
}

func (d *depot) size() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, records := range d.records {
		n += len(records)
	}
	return n
}

// window is what one replica sees of a depot.
type window struct {
	*depot
	lagging bool
	seen    map[string]map[string][]byte
}

func (d *depot) window() *window { return &window{depot: d, seen: map[string]map[string][]byte{}} }

// lag freezes what the replica sees of others, until look.
func (w *window) lag() {
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lagging = true
}

func (w *window) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lagging = false
	clear(w.seen)
	for tenant, records := range w.records {
		w.seen[tenant] = maps.Clone(records)
	}
}

func (w *window) Now() (earliest, latest int64, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.now + w.vague, !w.unknown
}

func (w *window) Records(_ context.Context, tenant string) (map[string][]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lagging {
		return maps.Clone(w.seen[tenant]), w.reads
	}
	return maps.Clone(w.records[tenant]), w.reads
}

func (w *window) Swap(ctx context.Context, tenant, key string, old, to []byte, _ int64) ([]byte, bool, error) {
	w.mu.Lock()
	hook := w.swapping
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(ctx.Err(), w.writes); err != nil {
		return nil, false, err
	}
	w.swaps++
	records := w.records[tenant]
	if records == nil {
		records = map[string][]byte{}
		w.records[tenant] = records
	}
	current := records[key]
	swapped := (current == nil) == (old == nil) && string(current) == string(old)
	if swapped {
		current = to
	}
	for _, m := range []map[string][]byte{records, w.see(tenant)} {
		if current == nil {
			delete(m, key)
		} else {
			m[key] = current
		}
	}
	if w.deaf {
		return nil, false, errFire
	}
	return current, swapped, nil
}

func (w *window) see(tenant string) map[string][]byte {
	if w.seen[tenant] == nil {
		w.seen[tenant] = map[string][]byte{}
	}
	return w.seen[tenant]
}

// fuse is one replica's Breakers.
type fuse struct {
	*breaker.Breakers
	t tester
	*window
	ids int
}

func (d *depot) fuse(t tester, cfg breaker.Config) *fuse {
	t.Helper()
	w := d.window()
	b, err := breaker.New(cfg, w)
	if err != nil {
		t.Fatal(err)
	}
	return &fuse{Breakers: b, t: t, window: w}
}

func newFuse(t tester) *fuse { t.Helper(); return newDepot().fuse(t, breaker.Config{}) }

// goes says whether an action may go on, and whether it is a probe.
func (f *fuse) goes(id string, who limit.Subject, defs ...breaker.Definition) (may, probe bool) {
	f.t.Helper()
	list, err := f.Check(ctx, defs, who, id)
	if err != nil {
		f.t.Fatal(err)
	}
	may = true
	for i := range list {
		may = may && !list[i].Holds()
		probe = probe || list[i].Probe
	}
	return may, probe
}

func (f *fuse) want(why, id string, may, probe bool, defs ...breaker.Definition) {
	f.t.Helper()
	if m, p := f.goes(id, bot, defs...); m != may || p != probe {
		f.t.Fatalf("%s: may go on %v, is a probe %v; want %v, %v", why, m, p, may, probe)
	}
}

// tell reports the outcome of a decision.
func (f *fuse) tell(id string, o breaker.Outcome, defs ...breaker.Definition) []breaker.Change {
	f.t.Helper()
	changes, err := f.Record(ctx, defs, bot, id, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return changes
}

// hear reports outcomes of decisions that each have an id of their own, and returns the state that the last of them changed
// the breaker to. A change before says that it was early.
func (f *fuse) hear(d breaker.Definition, outcomes ...breaker.Outcome) (change breaker.State) {
	f.t.Helper()
	for i, o := range outcomes {
		f.ids++
		changes := f.tell(fmt.Sprintf("%p-%d", f, f.ids), o, d)
		switch {
		case len(changes) == 0:
		case i == len(outcomes)-1:
			return changes[0].State
		default:
			change = changes[0].State + ", early"
		}
	}
	return change
}

func times(n int, o breaker.Outcome) []breaker.Outcome {
	out := make([]breaker.Outcome, n)
	for i := range out {
		out[i] = o
	}
	return out
}

// open lets so many fail that it opens, and not one less.
func (f *fuse) open(d breaker.Definition) {
	f.t.Helper()
	if got := f.hear(d, times(int(d.ConsecutiveFailures)-1, breaker.Failure)...); got != "" {
		f.t.Fatalf("one failure too early: %s", got)
	}
	if got := f.hear(d, breaker.Failure); got != breaker.Open {
		f.t.Fatalf("the last failure changed it to %q", got)
	}
}

func (f *fuse) peek(d breaker.Definition) breaker.Status {
	f.t.Helper()
	list, err := f.Peek(ctx, []breaker.Definition{d}, bot)
	if err != nil || len(list) != 1 {
		f.t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
