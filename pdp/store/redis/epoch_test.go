package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

var (
	anHour = ledger.SlidingOver(3600)
	aDay   = ledger.Period{Kind: ledger.Day}
	whole  = ledger.Period{Kind: ledger.Whole, Width: time.Hour.Microseconds()}
)

const hour = int64(time.Hour / time.Microsecond)

func hard(key string, p ledger.Period, want, most int64) ledger.Line {
	return ledger.Line{
		Key: []byte(key), Owner: "owner", Period: p, Want: want, Max: most, Class: ledger.Hard, Lease: hour,
	}
}

func free(key string, want int64) ledger.Line {
	l := hard(key, anHour, want, ledger.Unlimited)
	l.Class = ledger.Free
	return l
}

// sequence numbers the batches of all holders of a test.
var sequence struct {
	sync.Mutex
	n int64
}

func batch(lines ...ledger.Line) *ledger.Batch {
	sequence.Lock()
	defer sequence.Unlock()
	sequence.n++
	return &ledger.Batch{Tenant: "acme", Holder: "holder", Seq: sequence.n, Lines: lines}
}

func do(t *testing.T, l ledger.Ledger, lines ...ledger.Line) *ledger.Receipt {
	t.Helper()
	r, err := l.Do(t.Context(), batch(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lost checks that a tenant has lost its memory, in all the ways that show.
func lost(t *testing.T, r *replica, was bool) {
	t.Helper()
	got := do(t, r, hard("probe of amnesia", anHour, 0, 100))
	if got.Lines[0].Amnesia != was || (got.Verdict == ledger.Denied) != was {
		t.Fatalf("amnesia: %+v, want %v", got, was)
	}
	if names := r.Status().Amnesia; slices.Contains(names, "acme") != was {
		t.Fatalf("amnesia of %q, want %v", names, was)
	}
}

// again waits until a ledger answers.
func again(t *testing.T, rs ...*replica) {
	t.Helper()
	for _, r := range rs {
		redistest.Until(t, "the ledger is reached again", func() bool {
			_, err := r.Do(t.Context(), &ledger.Batch{Tenant: "probe", Holder: "probe", Seq: 1})
			return err == nil
		})
	}
}

// TestARedisThatWasRestartedEmptyCountsAsFull is the whole story of a loss: noticed, loud, over when what was lost would be.
func TestARedisThatWasRestartedEmptyCountsAsFull(t *testing.T) {
	s := redistest.Start(t)
	var log bytes.Buffer
	r := join(t, Config{URL: s.URL(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	draw := hard("held", anHour, 0, 100)
	draw.Need = 20
	first := do(t, r, hard("hour", anHour, 10, 10), hard("day", aDay, 10, 10), hard("session", whole, 10, 10), draw)
	if first.Verdict != ledger.Allowed || first.Lines[3].Block != 20 {
		t.Fatalf("%+v", first)
	}
	s.Kill()
	s.Run()
	again(t, r)

	// Who holds a block says so, in whatever comes first.
	report := hard("held", anHour, 0, 100)
	report.Class, report.Held, report.Epoch, report.Returned = ledger.Free, 20, first.Epoch, 5
	got := do(t, r, hard("hour", anHour, 1, 10), hard("day", aDay, 1, 10), hard("session", whole, 1, 10), report)
	if got.Verdict != ledger.Denied || got.Epoch <= first.Epoch {
		t.Fatalf("%+v", got)
	}
	if l := got.Lines[3]; l.Used != 15 || l.Block != 15 || l.Amnesia {
		t.Fatalf("the block: %+v", l)
	}
	for i, until := range []int64{got.Now + hour + anHour.Length(), aDay.End(aDay.Index(got.Now + hour)), 0} {
		l := got.Lines[i]
		if !l.Amnesia || !l.Exceeded || l.Charged || l.ResetsAt > until || until-l.ResetsAt > time.Minute.Microseconds() {
			t.Fatalf("line %d: %+v, want full until %d", i, l, until)
		}
	}
	lost(t, r, true)
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "recover") {
		t.Fatalf("it was not loud: %s", log.String())
	}
	// Free lines are charged all the same.
	if got = do(t, r, free("alert", 3)); got.Verdict != ledger.Allowed || got.Lines[0].Used != 3 {
		t.Fatalf("%+v", got)
	}
	// A window of an hour is over an hour after the last block that may have been out.
	r.advance(time.Duration(hour+anHour.Length()-time.Minute.Microseconds()) * time.Microsecond)
	if got = do(t, r, hard("hour", anHour, 1, 10)); got.Verdict != ledger.Denied {
		t.Fatalf("too early: %+v", got)
	}
	r.advance(2 * time.Minute)
	if got = do(t, r, hard("hour", anHour, 1, 10)); got.Verdict != ledger.Allowed {
		t.Fatalf("for ever: %+v", got)
	}
	// A day ends at midnight; a session's budget only when an operator says so.
	r.advance(25 * time.Hour)
	if got = do(t, r, hard("day", aDay, 1, 10)); got.Verdict != ledger.Allowed {
		t.Fatalf("the next day: %+v", got)
	}
	if got = do(t, r, hard("session", whole, 1, 10)); got.Verdict != ledger.Denied {
		t.Fatalf("%+v", got)
	}
	if was, err := r.Recover(t.Context(), "acme"); !was || err != nil {
		t.Fatalf("%v, %v", was, err)
	}
	if got = do(t, r, hard("session", whole, 1, 10)); got.Verdict != ledger.Allowed {
		t.Fatalf("%+v", got)
	}
	lost(t, r, false)
	if was, err := r.Recover(t.Context(), "acme"); was || err != nil {
		t.Fatalf("%v, %v", was, err)
	}
}

// book is a Memory that outlives ledgers.
type book struct {
	sync.Mutex
	epochs         map[string]int64
	unread, unkept error
}

func (b *book) Known(tenant string) (int64, error) {
	b.Lock()
	defer b.Unlock()
	return b.epochs[tenant], b.unread
}

func (b *book) Remember(tenant string, epoch int64) error {
	b.Lock()
	defer b.Unlock()
	if b.unkept == nil {
		b.epochs[tenant] = epoch
	}
	return b.unkept
}

// TestLossesAreNoticed has everything that can take away what Redis acknowledged.
func TestLossesAreNoticed(t *testing.T) {
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	for name, tc := range map[string]struct {
		options []string
		config  Config
		spoil   func(t *testing.T, s *redistest.Server, r *replica)
		lost    bool
	}{
		"nothing":                          {spoil: func(*testing.T, *redistest.Server, *replica) {}},
		"flushed":                          {spoil: func(_ *testing.T, s *redistest.Server, _ *replica) { s.Do("FLUSHALL") }, lost: true},
		"flushed, though durable":          {config: Config{Durable: true}, spoil: func(_ *testing.T, s *redistest.Server, _ *replica) { s.Do("FLUSHALL") }, lost: true},
		"restarted with its file":          {options: always, spoil: restart, lost: true},
		"restarted with its file, durable": {options: always, config: Config{Durable: true}, spoil: restart},
		"restarted empty, durable":         {config: Config{Durable: true}, spoil: restart, lost: true},
		"an older state has come back, durable": {
			config: Config{Durable: true}, options: []string{"--appendonly", "no"}, lost: true,
			spoil: func(t *testing.T, s *redistest.Server, r *replica) {
				t.Helper()
				s.Do("SAVE")
				do(t, r, free("after the snapshot", 1))
				restart(t, s, r)
			},
		},
		"a state of an older epoch has come back, durable": {
			config: Config{Durable: true}, lost: true,
			spoil: func(t *testing.T, s *redistest.Server, r *replica) {
				t.Helper()
				for range 50 {
					do(t, r, free("cell", 1))
				}
				s.Do("SAVE")
				s.Do("FLUSHALL")
				lost(t, r, true)
				if _, err := r.Recover(t.Context(), "acme"); err != nil {
					t.Fatal(err)
				}
				restart(t, s, r)
			},
		},
		"a counter was evicted": {
			spoil: func(_ *testing.T, s *redistest.Server, r *replica) { s.Do("DEL", r.keys("acme").cell(name("cell"))) }, lost: true,
		},
		"the index was evicted, too": {
			spoil: func(_ *testing.T, s *redistest.Server, r *replica) {
				s.Do("DEL", r.keys("acme").cell(name("cell")), r.keys("acme").cells())
			}, lost: true,
		},
		"the tenant was evicted": {
			spoil: func(_ *testing.T, s *redistest.Server, r *replica) { s.Do("DEL", r.keys("acme").tenant()) }, lost: true,
		},
		"a replica took over": {spoil: failover, lost: true},
		"a first replica was added": { // Redis begins a new history then, and cannot say that nothing was lost in between
			spoil: func(t *testing.T, s *redistest.Server, _ *replica) {
				t.Helper()
				synced(t, redistest.Start(t, "--replicaof", "127.0.0.1 "+s.Port()))
			}, lost: true,
		},
		"a second replica was added": {
			spoil: func(t *testing.T, s *redistest.Server, r *replica) {
				t.Helper()
				synced(t, redistest.Start(t, "--replicaof", "127.0.0.1 "+s.Port()))
				do(t, r, free("cell", 1))
				if _, err := r.Recover(t.Context(), "acme"); err != nil {
					t.Fatal(err)
				}
				synced(t, redistest.Start(t, "--replicaof", "127.0.0.1 "+s.Port()))
			},
		},
		"master, replica, master again": {
			spoil: func(t *testing.T, s *redistest.Server, _ *replica) {
				t.Helper()
				other := redistest.Start(t, "--replicaof", "127.0.0.1 "+s.Port())
				synced(t, other)
				other.Do("REPLICAOF", "NO", "ONE")
				s.Do("REPLICAOF", "127.0.0.1", other.Port())
				synced(t, s)
				s.Do("REPLICAOF", "NO", "ONE")
			}, lost: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t, tc.options...)
			tc.config.URL = s.URL()
			r := join(t, tc.config)
			do(t, r, free("cell", 1))
			lost(t, r, false)
			tc.spoil(t, s, r)
			again(t, r)
			do(t, r, free("cell", 0))
			lost(t, r, tc.lost)
		})
	}
}

func restart(_ *testing.T, s *redistest.Server, _ *replica) {
	s.Kill()
	s.Run()
}

// synced waits until a replica has what its master has.
func synced(t *testing.T, s *redistest.Server) {
	t.Helper()
	redistest.Until(t, "the replica follows", func() bool { return field(s.Do("INFO", "replication"), "master_link_status") == "up" })
}

// failover puts a replica's data and history in the place of the master's.
func failover(t *testing.T, s *redistest.Server, _ *replica) {
	t.Helper()
	other := redistest.Start(t, "--replicaof", "127.0.0.1 "+s.Port())
	synced(t, other)
	s.Kill()
	other.Do("REPLICAOF", "NO", "ONE")
	s.Become(other)
}

// TestAFirstStartIsNoLoss and what looks like one to a replica that was not there before.
func TestAFirstStartIsNoLoss(t *testing.T) {
	s := redistest.Start(t)
	memory := &book{epochs: map[string]int64{}}
	first := join(t, Config{URL: s.URL(), Memory: memory})
	do(t, first, free("cell", 1))
	lost(t, first, false)

	// All replicas go, and Redis is emptied: only the data directory knows.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.Do("FLUSHALL")
	step(s, 10*time.Second) // as if that much had passed: epochs are times
	newcomer := join(t, Config{URL: s.URL()})
	do(t, newcomer, free("cell", 1))
	lost(t, newcomer, false) // it can't know
	back := join(t, Config{URL: s.URL(), Memory: memory})
	lost(t, back, true) // it was no first start
	lost(t, newcomer, true)
	if _, err := back.Recover(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	lost(t, newcomer, false)
	lost(t, back, false)
}

// TestANewcomerDoesNotHideALoss from a replica that was there before, and says nothing by itself.
func TestANewcomerDoesNotHideALoss(t *testing.T) {
	for name, empty := range map[string]func(s *redistest.Server){
		"flushed":   func(s *redistest.Server) { s.Do("FLUSHALL") },
		"restarted": func(s *redistest.Server) { s.Kill(); s.Run() },
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			quiet := join(t, Config{URL: s.URL()})
			do(t, quiet, free("cell", 1))
			empty(s)
			redistest.Until(t, "the loss is noticed", func() bool { return slices.Contains(quiet.Status().Amnesia, "acme") })
			lost(t, join(t, Config{URL: s.URL()}), true)
		})
	}
}

// TestAMemoryThatFailsStopsTheLedger because a loss would go unnoticed after the next start.
func TestAMemoryThatFailsStopsTheLedger(t *testing.T) {
	memory := &book{epochs: map[string]int64{}, unread: errors.New("disk broken")}
	r := join(t, Config{URL: redistest.Start(t).URL(), Memory: memory})
	unavailable(t, r, free("cell", 1))
	memory.unread, memory.unkept = nil, errors.New("disk full")
	unavailable(t, r, free("cell", 1))
	unavailable(t, r, free("cell", 1))
	memory.unkept = nil
	do(t, r, free("cell", 1))
	if memory.epochs["acme"] == 0 {
		t.Fatal("not remembered")
	}
}

// TestThreat_B3_OneOutcomeCountsOnAllReplicas settles a reservation on many replicas at once.
func TestThreat_B3_OneOutcomeCountsOnAllReplicas(t *testing.T) {
	s := redistest.Start(t)
	replicas := []*replica{join(t, Config{URL: s.URL()}), join(t, Config{URL: s.URL()}), join(t, Config{URL: s.URL()})}
	b := batch(hard("cell", anHour, 10, 10))
	b.Reservations = []ledger.Reservation{{ID: "r", Owner: "owner", New: []byte("held"), ExpiresAt: time.Now().Add(time.Hour).UnixMicro()}}
	held, err := replicas[0].Do(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 30)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			l := hard("cell", anHour, 0, 10)
			l.Refunds = []ledger.Stamp{{Index: held.Lines[0].Index, Units: 1}}
			settle := batch(l)
			settle.Holder = fmt.Sprint("holder ", i)
			settle.Reservations = []ledger.Reservation{{ID: "r", Owner: "owner", Old: []byte("held"), New: fmt.Append(nil, i), ExpiresAt: held.Now + 1_000_000_000}}
			_, errs[i] = replicas[i%len(replicas)].Do(context.Background(), settle)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, ledger.ErrConflict) {
			t.Error(err)
		}
	}
	if got := do(t, replicas[1], hard("cell", anHour, 0, 10)); won != 1 || got.Lines[0].Used != 9 {
		t.Fatalf("%d outcomes counted, %d in use", won, got.Lines[0].Used)
	}
}
