package limit

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

const (
	floodVictims = 50
	floodMax     = 1_000
	// floodHeap bounds what an engine with default tables and its ledger keep in memory under a flood: cells of the cache and
	// of the pending table, and the owners of a quarter of a million counters.
	floodHeap = 400 << 20
)

// TestProveAKeyFloodCostsOthersNothing lets one tenant ask for a new counter with each call, from many agents, while victims
// of other tenants spend their limits (I4, I10).
func TestProveAKeyFloodCostsOthersNothing(t *testing.T) {
	store, err := embedded.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	counters, err := store.OpenCounters(embedded.CountersConfig{}, ledger.System())
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{}, counters, "flooded")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(e.Close(ctx), counters.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	limited, flooding := calls(floodMax), calls(10)
	limited.WindowSeconds, flooding.WindowSeconds = 86_400, 86_400
	victims, flooders := set(t, limited), set(t, flooding)
	base := heap()

	alone := victimise(t, e, victims, "alone")
	keys, done := int64(proof(20_000, 2_000_000)), make(chan struct{})
	var asked, full atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var h Hold
			for n := asked.Add(1); n <= keys; n = asked.Add(1) {
				who := &Subject{Tenant: "flood", Agent: fmt.Sprint(n % 10), Session: fmt.Sprint(n), Tool: "search", Kind: "TOOL_CALL"}
				switch err := e.Reserve(ctx, flooders, who, &Amounts{Calls: 1}, ReserveOptions{}, &h); {
				case errors.Is(err, ErrStateFull):
					full.Add(1)
				case err != nil:
					t.Error(err)
					return
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	beside := victimise(t, e, victims, "beside")
	<-done
	grown := heap() - base
	if grown > floodHeap {
		t.Errorf("the heap has grown by %d MB, the bound is %d", grown>>20, int64(floodHeap)>>20)
	}
	if s := e.Stats(); s.Pending > 100_000 {
		t.Errorf("%d cells are pending", s.Pending)
	}
	t.Logf("%d new keys, %d refused; heap +%d MB; p99 of others %s, without the flood %s", keys, full.Load(), grown>>20, beside, alone)
}

// victimise has each victim spend its limit, and says what the 99th percentile of a call took.
func victimise(t *testing.T, e *Engine, s *Set, round string) time.Duration {
	t.Helper()
	took := make([][]time.Duration, floodVictims)
	var wg sync.WaitGroup
	for v := range floodVictims {
		wg.Go(func() {
			who := &Subject{Tenant: fmt.Sprint(round, v), Agent: "a", Session: "s", Tool: "search", Kind: "TOOL_CALL"}
			var h Hold
			n := 0
			for range floodMax + 100 {
				begin := time.Now()
				if err := e.Reserve(ctx, s, who, &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
					t.Error(err)
					return
				}
				took[v] = append(took[v], time.Since(begin))
				if !exceeded(h.Statuses()) {
					n++
				}
			}
			if n != floodMax {
				t.Errorf("victim %d got %d, want exactly %d", v, n, floodMax)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)*99/100]
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
