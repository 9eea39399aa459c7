package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// office is a courier and what it did.
type office struct {
	*courier
	mu       sync.Mutex
	told     []string // kind and approval
	ids      map[string]int
	outcomes map[Outcome]int
	answer   func(n notice) error
	stop     func()
	done     chan struct{}
}

func hire(t *testing.T, feed Feed, store Store, holder string, alone bool) *office {
	t.Helper()
	tg := target(t, "https://hooks.example.com/x")
	if err := tg.validate(); err != nil {
		t.Fatal(err)
	}
	o := &office{ids: map[string]int{}, outcomes: map[Outcome]int{}, done: make(chan struct{})}
	o.courier = &courier{
		target: &tg, feed: feed, now: time.Now, log: quiet,
		progress: &progress{store: store, key: "soc", holder: holder, alone: alone, now: time.Now},
		observe:  func(_ string, what Outcome) { o.mu.Lock(); defer o.mu.Unlock(); o.outcomes[what]++ },
		send: func(_ context.Context, n notice) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.ids[n.id]++
			if o.answer != nil {
				if err := o.answer(n); err != nil {
					return err
				}
			}
			o.told = append(o.told, fmt.Sprint(n.kind, " ", n.approval.ID))
			return nil
		},
	}
	return o
}

func (o *office) start() {
	ctx, stop := context.WithCancel(context.Background())
	o.stop = sync.OnceFunc(func() { stop(); <-o.done })
	go func() { o.run(ctx); close(o.done) }()
}

func (o *office) say(answer func(notice) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

func (o *office) heardOf() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.told)
}

func asked2(a approval.Approval) string { return fmt.Sprint(Asked, " ", a.ID) }
func ended2(a approval.Approval) string { return fmt.Sprint(Ended, " ", a.ID) }

func TestARestartLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, store := open(t, 100), &memory{}
		first := ask(t, q, "acme")
		o := hire(t, q, store, "one", true)
		o.start()
		synctest.Wait()
		o.stop()
		if got := o.heardOf(); !slices.Equal(got, []string{asked2(first)}) {
			t.Fatalf("told %v", got)
		}
		reject(t, q, first.ID) // while nobody runs
		second := ask(t, q, "acme")
		next := hire(t, q, store, "two", true)
		next.start()
		synctest.Wait()
		next.stop()
		if got := next.heardOf(); !slices.Equal(got, []string{ended2(first), asked2(second)}) {
			t.Errorf("told %v after the restart", got)
		}
	})
}

func TestATargetThatIsDownIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, 100)
		o := hire(t, q, &memory{}, "one", true)
		tries := 0
		o.say(func(notice) error {
			if tries++; tries < 5 {
				return errors.New("connection refused")
			}
			return nil
		})
		o.start()
		defer o.stop()
		a := ask(t, q, "acme")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := o.heardOf(); !slices.Equal(got, []string{asked2(a)}) || o.outcomes[Retried] != 4 || o.ids[a.ID+".1"] != 5 {
			t.Errorf("told %v, %v, ids %v", got, o.outcomes, o.ids)
		}
	})
}

func TestATargetThatAsksToWaitIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, 100)
		o := hire(t, q, &memory{}, "one", true)
		var at []time.Time
		o.say(func(notice) error {
			if at = append(at, time.Now()); len(at) == 1 {
				return later{429, 90 * time.Second}
			}
			return nil
		})
		o.start()
		defer o.stop()
		ask(t, q, "acme")
		time.Sleep(4 * time.Minute)
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(at) != 2 || at[1].Sub(at[0]) < 90*time.Second {
			t.Errorf("tried at %v", at)
		}
	})
}

func TestARefusalHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, 100)
		o := hire(t, q, &memory{}, "one", true)
		first := true
		o.say(func(notice) error {
			if first {
				first = false
				return refusal{400}
			}
			return nil
		})
		o.start()
		defer o.stop()
		ask(t, q, "acme")
		b := ask(t, q, "acme")
		synctest.Wait()
		if got := o.heardOf(); !slices.Equal(got, []string{asked2(b)}) || o.outcomes[Refused] != 1 {
			t.Errorf("told %v, %v", got, o.outcomes)
		}
	})
}

// An ask that was answered, or ran out, while the target was down asks nobody for anything.
func TestWhatIsOverIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, 100)
		o := hire(t, q, &memory{}, "one", true)
		o.say(func(notice) error { return errors.New("down") })
		o.start()
		defer o.stop()
		a := ask(t, q, "acme")
		time.Sleep(10 * time.Second)
		reject(t, q, a.ID)
		o.say(nil)
		time.Sleep(time.Minute)
		if got := o.heardOf(); !slices.Equal(got, []string{ended2(a)}) || o.outcomes[Obsolete] != 1 {
			t.Errorf("told %v, %v", got, o.outcomes)
		}
		o.say(func(notice) error { return errors.New("down") })
		ask(t, q, "acme") // runs out after 5 minutes, and nobody sweeps: it is not even told that it ended
		time.Sleep(2 * time.Hour)
		o.say(nil)
		time.Sleep(2 * time.Minute)
		if got := o.heardOf(); len(got) != 1 || o.outcomes[Obsolete] != 2 {
			t.Errorf("told %v, %v", got, o.outcomes)
		}
	})
}

func TestOneReplicaTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, store := open(t, 100), &memory{}
		way := &parted{Store: store}
		one, two := hire(t, q, way, "one", false), hire(t, q, store, "two", false)
		one.start()
		synctest.Wait()
		two.start()
		defer two.stop()
		a := ask(t, q, "acme")
		time.Sleep(5 * time.Minute)
		if got := one.heardOf(); !slices.Equal(got, []string{asked2(a)}) || len(two.heardOf()) != 0 {
			t.Fatalf("told %v and %v", got, two.heardOf())
		}
		way.set(errors.New("gone")) // it falls silent, and gives nothing back
		one.say(func(notice) error { return errors.New("gone") })
		b := ask(t, q, "acme")
		time.Sleep(leaseFor + 2*time.Second)
		if got := two.heardOf(); !slices.Equal(got, []string{asked2(b)}) {
			t.Errorf("the other one told %v", got)
		}
		way.set(nil)
		one.say(nil)
		c := ask(t, q, "acme")
		time.Sleep(5 * time.Minute)
		if got := slices.Concat(one.heardOf(), two.heardOf()); !slices.Equal(got, []string{asked2(a), asked2(b), asked2(c)}) {
			t.Errorf("both together told %v", got)
		}
		one.stop()
	})
}

// Who has lost the lease can't move the cursor back, nor forward past what the other has not told.
func TestWhoLostTheLeaseStoresNothing(t *testing.T) {
	now := time.Unix(1_000, 0)
	store := &memory{}
	mark := func(holder string) *progress {
		return &progress{store: store, key: "soc", holder: holder, now: func() time.Time { return now }}
	}
	one, two := mark("one"), mark("two")
	if ok, _, err := one.take(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, wait, err := two.take(t.Context()); ok || err != nil || wait != leaseFor {
		t.Fatal(ok, wait, err)
	}
	now = now.Add(leaseFor)
	if ok, _, err := two.take(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := one.keep(t.Context(), 99); ok || err != nil {
		t.Fatalf("stored without the lease: %v %v", ok, err)
	}
	if ok, err := two.keep(t.Context(), 7); !ok || err != nil || two.mark.Cursor != 7 {
		t.Fatal(ok, err)
	}
}

// A replica that was suspended believes that it still has the lease. It finds out before it tells anything.
func TestNothingIsToldWithoutTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, store := open(t, 100), &memory{}
		one, two := hire(t, q, store, "one", false), hire(t, q, store, "two", false)
		if ok, _, err := one.progress.take(t.Context()); !ok || err != nil {
			t.Fatal(ok, err)
		}
		time.Sleep(leaseFor)
		if ok, _, err := two.progress.take(t.Context()); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := one.heard(t.Context(), approval.Event{Approval: ask(t, q, "acme")}); !errors.Is(err, errTaken) || len(one.heardOf()) != 0 {
			t.Errorf("%v, told %v", err, one.heardOf())
		}
	})
}

func TestALagBeyondTheWindowIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, store := open(t, 4), &memory{}
		o := hire(t, q, store, "one", true)
		o.start()
		ask(t, q, "acme")
		synctest.Wait()
		o.stop()
		var last approval.Approval
		for range 10 {
			last = ask(t, q, "acme")
		}
		next := hire(t, q, store, "two", true)
		next.start()
		synctest.Wait()
		next.stop()
		got := next.heardOf()
		if next.outcomes[Gap] != 1 || len(got) != 11 || got[10] != asked2(last) { // all that is pending
			t.Errorf("told %v, %v", got, next.outcomes)
		}
	})
}

func TestATenantsAsksAreNotAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, 100)
		o := hire(t, q, &memory{}, "one", true)
		o.target.Tenants = []string{"acme"}
		o.start()
		defer o.stop()
		ask(t, q, "other")
		a := ask(t, q, "acme")
		synctest.Wait()
		if got := o.heardOf(); !slices.Equal(got, []string{asked2(a)}) {
			t.Errorf("told %v", got)
		}
	})
}

// parted is a store that one replica may not reach.
type parted struct {
	Store
	mu  sync.Mutex
	err error
}

func (p *parted) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *parted) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *parted) Records(ctx context.Context, tenant string) (map[string][]byte, error) {
	if err := p.trouble(); err != nil {
		return nil, err
	}
	return p.Store.Records(ctx, tenant)
}

func (p *parted) Swap(ctx context.Context, tenant, key string, old, record []byte, keep int64) ([]byte, bool, error) {
	if err := p.trouble(); err != nil {
		return nil, false, err
	}
	return p.Store.Swap(ctx, tenant, key, old, record, keep)
}
