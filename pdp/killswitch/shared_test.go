package killswitch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"
)

// table is a store of records that replicas share.
type table struct {
	mu  sync.Mutex
	all map[string][]byte
	err error
	old map[string][]byte // what Records shows, if it is old
}

func (r *table) Records(context.Context, string) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.old != nil {
		return r.old, r.err
	}
	return maps.Clone(r.all), r.err
}

func (r *table) Swap(_ context.Context, _, key string, old, record []byte, _ int64) ([]byte, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, false, r.err
	}
	if is, ok := r.all[key]; ok != (old != nil) || !bytes.Equal(is, old) {
		return is, false, nil
	}
	r.all[key] = record
	return record, true, nil
}

// pairOf is two replicas.
func pairOf(t *testing.T) (one, two *Board, shared *table) {
	t.Helper()
	shared = &table{all: map[string][]byte{}}
	one, two = open(t, &memory{}), open(t, &memory{})
	one.Share(shared)
	two.Share(shared)
	return one, two, shared
}

var (
	stop   = Switch{Tenant: "acme", Agent: "a1", Reason: "loops"}
	actor  = Target{Tenant: "acme", Agent: "a1", Tool: "send_email"}
	errOff = errors.New("redis is gone")
)

func stopped(b *Board) bool { _, yes := b.Match(actor); return yes }

func set(t *testing.T, b *Board, on bool) {
	t.Helper()
	if _, err := b.Set(t.Context(), stop, on); err != nil {
		t.Fatal(err)
	}
}

func refresh(t *testing.T, boards ...*Board) {
	t.Helper()
	for _, b := range boards {
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThreat_E18_ASwitchStopsEveryReplica, until it is let go at any of them, as often as one likes.
func TestThreat_E18_ASwitchStopsEveryReplica(t *testing.T) {
	one, two, _ := pairOf(t)
	for range 3 {
		set(t, one, true)
		refresh(t, two)
		if !stopped(one) || !stopped(two) {
			t.Fatal("it goes on")
		}
		if list := two.List("acme"); len(list) != 1 || list[0].Reason != "loops" {
			t.Fatalf("the other one lists %+v", list)
		}
		set(t, two, false)
		refresh(t, one, two)
		if stopped(one) || stopped(two) {
			t.Fatal("still stopped")
		}
	}
}

// A store that lost its memory must not let anything go: who remembers the switch puts it back.
func TestALostRecordIsPutBack(t *testing.T) {
	one, two, shared := pairOf(t)
	set(t, one, true)
	clear(shared.all)
	refresh(t, one, two)
	if !stopped(one) || !stopped(two) {
		t.Fatal("a switch was forgotten")
	}
	set(t, two, false)
	refresh(t, one)
	if stopped(one) {
		t.Fatal("not let go any more")
	}
}

func TestAReplicaThatIsCutOff(t *testing.T) {
	one, two, shared := pairOf(t)
	shared.err = errOff
	if _, err := one.Set(t.Context(), stop, true); !errors.Is(err, errOff) || !stopped(one) {
		t.Fatalf("%v; stopped: %v", err, stopped(one))
	}
	if _, err := one.Set(t.Context(), stop, false); !errors.Is(err, errOff) || !stopped(one) {
		t.Fatalf("let go although nobody hears of it: %v", err)
	}
	if err := two.Refresh(t.Context()); !errors.Is(err, errOff) {
		t.Fatal(err)
	}
	shared.err = nil
	refresh(t, one, two)
	if !stopped(two) {
		t.Fatal("the other one never heard of it")
	}
}

// What is read may be a second old: it must not undo what was set since.
func TestWhatIsOldUndoesNothing(t *testing.T) {
	one, _, shared := pairOf(t)
	set(t, one, true)
	set(t, one, false)
	shared.old = maps.Clone(shared.all)
	set(t, one, true)
	refresh(t, one)
	if !stopped(one) {
		t.Fatal("an old record let it go")
	}
	shared.old = map[string][]byte{}
	refresh(t, one)
	if !stopped(one) {
		t.Fatal("a record that was not there yet let it go")
	}
}

// What a replica kept on its disk from before is a switch like any; one that was let go meanwhile is let go.
func TestARestartHearsWhatItMissed(t *testing.T) {
	one, two, shared := pairOf(t)
	set(t, one, true)
	refresh(t, two)
	set(t, one, false)
	late := open(t, two.store)
	late.Share(shared)
	if !stopped(late) {
		t.Fatal("not kept on the disk")
	}
	refresh(t, late)
	if stopped(late) {
		t.Fatal("still stopped")
	}
}

func TestFollowHearsOfOthers(t *testing.T) {
	one, two, _ := pairOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { two.Follow(ctx, slog.New(slog.DiscardHandler)) })
	set(t, one, true)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; !stopped(two); n++ {
		if <-tick.C; n > 20_000 {
			t.Fatal("not heard of")
		}
	}
	cancel()
	wg.Wait()
}
