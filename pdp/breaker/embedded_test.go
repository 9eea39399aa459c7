package breaker_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// machine is one whose time passes and whose wall clock can be set.
type machine struct{ real, wall atomic.Int64 }

func (m *machine) pass(by time.Duration) { m.real.Add(int64(by)) }

// boot opens the breakers of a data directory, as a process that starts does.
func (m *machine) boot(t *testing.T, dir string) (b *breaker.Breakers, shut func()) {
	t.Helper()
	store, err := embedded.Open(dir)
	must(t, err)
	from := m.real.Load()
	records, err := store.OpenRecords(ledger.Source{
		Wall:    func() time.Time { return time.Unix(1_800_000_000, m.real.Load()+m.wall.Load()) },
		Elapsed: func() time.Duration { return time.Duration(m.real.Load() - from) },
		Boot:    func() (string, time.Duration) { return "", 0 },
	})
	must(t, err)
	b, err = breaker.New(breaker.Config{}, records)
	must(t, err)
	return b, func() {
		t.Helper()
		must(t, records.Close())
		must(t, store.Close())
	}
}

// A restart closes nothing, admits no second probe, and a clock that was set back meanwhile neither shortens a cool-down nor
// makes it endless.
func TestThreat_E9_ARestartAndAClockThatIsSetBack(t *testing.T) {
	m, dir, defs := &machine{}, t.TempDir(), []breaker.Definition{byTool}
	goes := func(b *breaker.Breakers, id string, want bool) {
		t.Helper()
		list, err := b.Check(ctx, defs, bot, id)
		if err != nil || list[0].Holds() == want {
			t.Fatalf("%s: %+v, %v; want it to go on: %v", id, list, err, want)
		}
	}
	b, shut := m.boot(t, dir)
	for _, id := range []string{"1", "2"} {
		_, err := b.Record(ctx, defs, bot, id, failure)
		must(t, err)
	}
	goes(b, "open", false)
	shut()
	m.wall.Store(-int64(time.Hour))
	b, shut = m.boot(t, dir)
	goes(b, "after a restart", false)
	m.pass(10*time.Second - time.Millisecond)
	goes(b, "not earlier", false)
	m.pass(time.Millisecond)
	goes(b, "nor later", true)
	shut()
	b, shut = m.boot(t, dir)
	defer shut()
	goes(b, "a second probe", false)
	goes(b, "nor later", true) // the probe itself
	changes, err := b.Record(ctx, defs, bot, "nor later", success)
	if err != nil || len(changes) != 1 || changes[0].State != breaker.Closed {
		t.Fatalf("%+v, %v", changes, err)
	}
	goes(b, "closed", true)
}
