package limit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

const (
	spenderVariable = "PORTCULLIS_TEST_SPENDER" // the data directory
	resettle        = "PORTCULLIS_TEST_SETTLE"  // ids of earlier runs
	killBudget      = 400_000
	spendAtOnce     = 3
	estimate        = 5
	actualCost      = 2
)

// killTable is a budget that no time resets.
func killTable() *Set {
	budget := Definition{Name: "budget", Measure: CostMicroUSD, Scope: []Dimension{Session}, Period: PerSession, Max: killBudget}
	s, err := Compile([]Definition{budget})
	if err != nil {
		panic(err)
	}
	return s
}

// spender is the process that is killed. It says what it was granted, a line each, before it goes on:
// "+id" reserved, "~id" about to be settled, "=id" settled, "." all is spent.
func spender(dir string) {
	fail := func(err error) {
		if err != nil {
			_, _ = fmt.Fprintln(os.Stdout, "!", err)
			os.Exit(1)
		}
	}
	store, err := embedded.Open(dir)
	fail(err)
	counters, err := store.OpenCounters(embedded.CountersConfig{}, ledger.System())
	fail(err)
	run := fmt.Sprint(os.Getpid(), "-", time.Now().UnixNano())
	e, err := New(Config{}, counters, run)
	fail(err)
	table := killTable()
	say := func(line string) { _, _ = os.Stdout.WriteString(line + "\n") }
	settle := func(id string) {
		say("~" + id)
		switch _, err := e.Settle(ctx, table, "t", id, Amounts{CostMicroUSD: actualCost}); {
		case err == nil:
			say("=" + id)
		case !errors.Is(err, ErrUnknownReservation):
			fail(err)
		}
	}
	for id := range strings.FieldsSeq(os.Getenv(resettle)) {
		settle(id)
	}
	var wg sync.WaitGroup
	for w := range spendAtOnce {
		wg.Go(func() {
			var h Hold
			for i := 0; ; i++ {
				fail(e.Reserve(ctx, table, who("s"), &Amounts{CostMicroUSD: estimate}, ReserveOptions{}, &h))
				if exceeded(h.Statuses()) {
					say(".")
					return
				}
				id := fmt.Sprint(run, "/", w, "/", i)
				if i%7 == 0 {
					fail(e.Keep(&h, id, micros(time.Hour)))
				}
				say("+" + id)
				if i%7 == 0 {
					settle(id)
				}
			}
		})
	}
	wg.Wait()
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

// TestProveKill9 kills a process that spends a budget, again and again, wherever it happens to be (I4, I5). What it has said
// was granted never passes the budget; whatever the ledger counts beyond that was in the blocks that were out.
func TestProveKill9(t *testing.T) {
	const killsOfOne = 10
	var worst, lost atomic.Int64
	for range proof(1, 21) {
		runKills(t, t.TempDir(), killsOfOne, &worst, &lost)
	}
	t.Logf("%d units of a budget of %d were in blocks that were lost by a kill on average, at most %d", lost.Load()/int64(proof(1, 21)*killsOfOne), killBudget, worst.Load())
}

// account is what the processes have said.
type account struct {
	standing map[string]int64
	settled  map[string]int64 // how often
	maybe    map[string]bool  // it may have been settled
	recent   []string
	full     bool
}

func (a *account) hear(line string) error {
	id := line[1:]
	switch line[0] {
	case '+':
		a.standing[id] = estimate
	case '~':
		a.maybe[id] = true
		a.recent = append(a.recent, id)
	case '=':
		a.standing[id] = actualCost
		a.settled[id]++
	case '.':
		a.full = true
	default:
		return errors.New(line)
	}
	return nil
}

// bounds are the least and the most that the ledger may count of what was said.
func (a *account) bounds() (least, most int64) {
	for id, n := range a.standing {
		most += n
		if a.maybe[id] {
			n = min(n, actualCost)
		}
		least += n
	}
	return least, most
}

func runKills(t *testing.T, dir string, kills int, worst, lost *atomic.Int64) {
	t.Helper()
	a := &account{standing: map[string]int64{}, settled: map[string]int64{}, maybe: map[string]bool{}}
	before := int64(0)
	for range kills {
		killOne(t, dir, a)
		least, most := a.bounds()
		if least > killBudget {
			t.Fatalf("%d of %d were granted", least, killBudget)
		}
		used := countedIn(t, dir)
		if used < least || used > killBudget {
			t.Fatalf("the ledger counts %d, at least %d are used, the budget is %d", used, least, killBudget)
		}
		// The last grants of each caller may not have been said.
		cost := used - most - before
		if bound := int64(killBudget/8 + spendAtOnce*estimate); cost > bound {
			t.Fatalf("a kill cost %d, blocks are at most %d", cost, bound)
		}
		worst.Store(max(worst.Load(), cost))
		before = used - most
	}
	lost.Add(before)
}

// killOne runs the process for a random while.
func killOne(t *testing.T, dir string, a *account) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), spenderVariable+"="+dir, resettle+"="+strings.Join(a.recent[max(len(a.recent)-5, 0):], " "))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // ends with this process
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	grants := rand.IntN(3_000)
	for n := 0; lines.Scan(); n++ {
		if err := a.hear(lines.Text()); err != nil {
			t.Error(err)
		}
		if n == grants || a.full {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait()
}

// countedIn is what the ledger counts, as a process that starts now would.
func countedIn(t *testing.T, dir string) (used int64) {
	t.Helper()
	store, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	counters, err := store.OpenCounters(embedded.CountersConfig{}, ledger.System())
	if err != nil {
		t.Fatal(err)
	}
	used, _ = booked(t, counters)
	if err := errors.Join(counters.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	return used
}
