package limit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

const (
	linearSessions  = 2
	linearOfSession = 20
	linearOfTenant  = 30
)

// linearCharge is an operation on the limits: units of a session, which count for its tenant too.
type linearCharge struct {
	session int
	units   int64 // negative: a refund
	quiet   bool  // nobody else does anything, and nobody holds a block
}

// linearModel is what limits mean to who knows nothing of blocks and replicas: a unit is let in only if both limits have
// room for it, and then counts for both. A call may be denied without need while others are at it, or hold blocks; never
// when all is quiet.
var linearModel = porcupine.Model{
	Init: func() any { return [linearSessions]int64{} },
	Step: func(state, input, output any) (bool, any) {
		used, op := state.([linearSessions]int64), input.(linearCharge)
		total := used[0] + used[1]
		fits := used[op.session]+op.units <= linearOfSession && total+op.units <= linearOfTenant
		if !output.(bool) {
			return !op.quiet || !fits, used
		}
		used[op.session] += op.units
		return fits || op.units < 0, used
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
}

// TestProveHistoriesAreLinear records what several callers at several replicas are told, and looks for an order in which a
// plain counter would have said the same.
func TestProveHistoriesAreLinear(t *testing.T) {
	t.Run("model", func(t *testing.T) {
		for i := range proof(200, 10_000) {
			l := newShared()
			linear(t, i, func() ledger.Ledger { return yielding{l} })
		}
	})
	t.Run("redis", func(t *testing.T) {
		s := redistest.Start(t)
		ledgers := make([]ledger.Ledger, 3)
		for i := range ledgers {
			l, err := redis.Open(redis.Config{URL: s.URL(), Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			redistest.Until(t, "redis is reached", func() bool { return l.Status().Err == nil })
			ledgers[i] = l
		}
		next := 0
		for i := range proof(50, 10_000) {
			linear(t, i, func() ledger.Ledger { next++; return ledgers[next%len(ledgers)] })
		}
	})
}

// yielding lets others go first, so that calls overlap.
type yielding struct{ *shared }

func (y yielding) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	for range rand.IntN(4) {
		runtime.Gosched()
	}
	r, err := y.shared.Do(ctx, b)
	for range rand.IntN(4) {
		runtime.Gosched()
	}
	return r, err
}

// passing is an engine that nothing holds on to until the test ends, as there will be tens of thousands.
func passing(t *testing.T, l ledger.Ledger) *Engine {
	t.Helper()
	e, err := New(Config{HotCells: 64}, l, fmt.Sprint("passing ", engines.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func linear(t *testing.T, number int, join func() ledger.Ledger) {
	t.Helper()
	const callers, each = 6, 10
	tenant := fmt.Sprint("linear ", number)
	perSession, perTenant := calls(linearOfSession), calls(linearOfTenant)
	perSession.WindowSeconds, perTenant.WindowSeconds = 86_400, 86_400
	perTenant.Name, perTenant.Scope = "tenant", []Dimension{Tenant}
	table := set(t, perSession, perTenant)
	replicas := make([]*Engine, 1+number%3)
	for i := range replicas {
		replicas[i] = passing(t, join())
	}
	begin := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	record := func(caller int, op linearCharge, do func() bool) bool {
		from := time.Since(begin)
		out := do()
		to := time.Since(begin)
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: caller, Input: op, Output: out, Call: int64(from), Return: int64(to)})
		return out
	}
	charge := func(e *Engine, caller int, op linearCharge, h *Hold) bool {
		return record(caller, op, func() bool {
			subject := who(fmt.Sprint(op.session))
			subject.Tenant = tenant
			if err := e.Reserve(ctx, table, subject, &Amounts{Calls: op.units}, ReserveOptions{}, h); err != nil {
				t.Error(err)
				return false
			}
			return !exceeded(h.Statuses())
		})
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for range each {
				e := replicas[rand.IntN(len(replicas))]
				op := linearCharge{session: rand.IntN(linearSessions), units: []int64{1, 1, 2, 5}[rand.IntN(4)]}
				var h Hold
				if charge(e, caller, op, &h) && rand.IntN(4) == 0 {
					op.units = -op.units
					record(caller, op, func() bool { e.Refund(&h); return true })
				}
			}
		})
	}
	wg.Wait()
	for _, e := range replicas { // all blocks go back
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	last := passing(t, join())
	for i := range 2 * linearOfTenant {
		var h Hold
		charge(last, callers, linearCharge{session: i % linearSessions, units: 1, quiet: true}, &h)
	}
	if err := last.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if !porcupine.CheckOperations(linearModel, history) {
		for _, op := range history {
			t.Logf("%d %8d-%8d %+v %v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Fatalf("history %d, %d replicas: no plain counter could have said that", number, len(replicas))
	}
}
