package provenance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

type memory struct {
	mu   sync.Mutex
	data map[string][]byte
	puts int
	err  error
}

func (m *memory) Get(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data[key], m.err
}

func (m *memory) Put(key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	m.data[key] = value
	return m.err
}

func (m *memory) Sweep(_ int, dead func(string, []byte) bool) (int, error) {
	before := len(m.data)
	maps.DeleteFunc(m.data, dead)
	return before - len(m.data), m.err
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func room(t *testing.T, cfg Config) (*Sessions, *memory, *clock) {
	t.Helper()
	store, c := &memory{data: map[string][]byte{}}, &clock{time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	return open(t, cfg, store, c), store, c
}

func open(t *testing.T, cfg Config, store Store, c *clock) *Sessions {
	t.Helper()
	s, err := New(cfg, store, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var someone = ID{"acme", "a1", "s1"}

func TestSessionRemembersWhatItDid(t *testing.T) {
	s, store, c := room(t, Config{})
	for range 3 {
		step := Step{Call: "d", AllowedTool: "search", Labels: []string{"injection_seen"}, MemoryPut: "long/k"}
		if err := s.Record(t.Context(), someone, step); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, Config{}, store, c) // as after a restart
	got, err := again.Facts(t.Context(), someone, "d")
	if err != nil {
		t.Fatal(err)
	}
	if got.Repeats != 2 || got.MemoryItems != 1 || !slices.Equal(got.Tools, []string{"search"}) ||
		!slices.Equal(got.Labels, []string{"injection_seen"}) || got.Ended {
		t.Fatalf("facts: %+v", got)
	}
	if err := again.Record(t.Context(), someone, Step{MemoryGone: "long/k"}); err != nil {
		t.Fatal(err)
	}
	if got, _ := again.Facts(t.Context(), someone, ""); got.MemoryItems != 0 {
		t.Fatalf("deleted item still counts: %+v", got)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		busyEvery, after time.Duration
		ended            bool
	}{
		"busy":             {30 * time.Minute, 5 * time.Hour, false},
		"idle":             {0, time.Hour, true},
		"too old":          {30 * time.Minute, 24 * time.Hour, true},
		"a minute to idle": {0, 59 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, c := room(t, Config{})
			start := c.t
			if err := s.Record(t.Context(), someone, Step{Call: "d"}); err != nil {
				t.Fatal(err)
			}
			for tc.busyEvery > 0 && c.t.Sub(start)+tc.busyEvery < tc.after {
				c.t = c.t.Add(tc.busyEvery)
				if err := s.Record(t.Context(), someone, Step{Call: "d"}); err != nil {
					t.Fatal(err)
				}
			}
			c.t = start.Add(tc.after)
			got, err := s.Facts(t.Context(), someone, "d")
			if err != nil || got.Ended != tc.ended {
				t.Fatalf("ended = %v, %v; want %v", got.Ended, err, tc.ended)
			}
		})
	}
}

func TestThreat_A6_EndedSessionIdIsRefusedForAsLong(t *testing.T) {
	s, _, c := room(t, Config{})
	if err := s.Record(t.Context(), someone, Step{Labels: []string{"tainted"}}); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(2 * time.Hour)
	if err := s.Record(t.Context(), someone, Step{Call: "again"}); err != nil { // must not revive it
		t.Fatal(err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Facts(t.Context(), someone, ""); !got.Ended || !slices.Equal(got.Labels, []string{"tainted"}) {
		t.Fatalf("ended session came back: %+v", got)
	}
	c.t = c.t.Add(24 * time.Hour)
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Facts(t.Context(), someone, ""); got.Ended {
		t.Fatal("id is refused for longer than a lifetime")
	}
}

func TestClockStepBackDoesNotReviveASession(t *testing.T) {
	s, _, c := room(t, Config{})
	if err := s.Record(t.Context(), someone, Step{}); err != nil {
		t.Fatal(err)
	}
	start := c.t
	c.t = start.Add(-time.Hour)
	if err := s.Record(t.Context(), someone, Step{}); err != nil {
		t.Fatal(err)
	}
	c.t = start.Add(time.Hour)
	if got, _ := s.Facts(t.Context(), someone, ""); !got.Ended {
		t.Fatal("not ended an hour after its last action")
	}
}

func TestThreat_E5_SessionsPerAgentAreCapped(t *testing.T) {
	s, _, c := room(t, Config{MaxPerAgent: 100})
	speak := func(id ID) error {
		if _, err := s.Facts(t.Context(), id, "d"); err != nil {
			return err
		}
		return s.Record(t.Context(), id, Step{Call: "d"})
	}
	for i := range 100 {
		if err := speak(ID{"acme", "a1", fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := speak(ID{"acme", "a1", "one more"}); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if err := speak(ID{"acme", "a2", "other agent"}); err != nil {
		t.Fatalf("another agent pays for it: %v", err)
	}
	if err := speak(ID{"acme", "a1", "7"}); err != nil {
		t.Fatalf("a live session was refused: %v", err)
	}
	c.t = c.t.Add(time.Hour)
	if err := speak(ID{"acme", "a1", "one more"}); err != nil {
		t.Fatalf("idle sessions still count: %v", err)
	}
}

func TestThreat_E5_SessionsOfAllAgentsAreCapped(t *testing.T) {
	s, _, _ := room(t, Config{MaxLive: 50})
	refused := 0
	for i := range 60 { // an agent of its own each: a gateway may name any
		if _, err := s.Facts(t.Context(), ID{"acme", fmt.Sprint("agent", i), "s"}, "d"); errors.Is(err, ErrFull) {
			refused++
		}
	}
	if refused != 10 {
		t.Fatalf("%d refused, want 10", refused)
	}
}

func TestDamagedRecordIsAnError(t *testing.T) {
	s, store, _ := room(t, Config{})
	if err := s.Record(t.Context(), someone, Step{Call: "d", Labels: []string{"l"}}); err != nil {
		t.Fatal(err)
	}
	whole := store.data[someone.key()]
	for cut := range whole {
		s.cache.Clear()
		store.data[someone.key()] = whole[:cut]
		if _, err := s.Facts(t.Context(), someone, "d"); err == nil && cut > 0 && cut < len(whole)-9 {
			t.Fatalf("a record cut after %d of %d bytes was read", cut, len(whole))
		}
	}
}

func TestStoreFailureIsAnError(t *testing.T) {
	s, store, _ := room(t, Config{})
	store.err = errors.New("disk gone")
	if _, err := s.Facts(t.Context(), someone, "d"); !errors.Is(err, ErrStore) {
		t.Fatalf("Facts: %v, want ErrStore", err)
	}
	if err := s.Record(t.Context(), someone, Step{}); !errors.Is(err, ErrStore) {
		t.Fatalf("Record: %v, want ErrStore", err)
	}
}

func TestKeysDoNotCollide(t *testing.T) {
	if (ID{"a", "b1:c", "d"}).key() == (ID{"a", "b", "1:cd"}).key() {
		t.Fatal("two sessions share a key")
	}
}

func TestThreat_A8_CallsAtOnceSeeEachOther(t *testing.T) {
	s, _, _ := room(t, Config{})
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen []int64
	)
	for range 50 {
		wg.Go(func() {
			f, err := s.Propose(t.Context(), someone, "d")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, f.Repeats)
		})
	}
	wg.Wait()
	slices.Sort(seen)
	for i, n := range seen {
		if n != int64(i) {
			t.Fatalf("two of 50 calls at once saw the same: %v", seen)
		}
	}
}

func TestAProposalIsStoredOnceAndNoMore(t *testing.T) {
	s, store, c := room(t, Config{})
	if _, err := s.Propose(t.Context(), someone, "d"); err != nil {
		t.Fatal(err)
	}
	puts := store.puts
	if err := s.Record(t.Context(), someone, Step{}); err != nil || store.puts != puts {
		t.Fatalf("a step that changes nothing was stored, or failed: %v", err)
	}
	for _, tc := range []struct {
		name string
		step Step
		wait time.Duration
	}{
		{"a label", Step{Labels: []string{"l"}}, 0},
		{"a tool", Step{AllowedTool: "x"}, 0},
		{"an item", Step{MemoryPut: "i"}, 0},
		{"the item gone", Step{MemoryGone: "i"}, 0},
		{"a call", Step{Call: "d"}, 0},
		{"a sign of life", Step{}, time.Second},
	} {
		c.t = c.t.Add(tc.wait)
		puts = store.puts
		if err := s.Record(t.Context(), someone, tc.step); err != nil || store.puts != puts+1 {
			t.Errorf("%s: stored %d times, %v", tc.name, store.puts-puts, err)
		}
	}
}
