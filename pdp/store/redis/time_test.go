package redis

import (
	"strconv"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// step sets the clock of the Redis host so far from the right time.
func step(s *redistest.Server, d time.Duration) {
	s.Do("SET", "stepped", strconv.FormatInt(d.Microseconds(), 10))
}

// TestThreat_E9_AStepOfTheRedisHostsClockMovesNothing as long as one replica is there that knew the time.
func TestThreat_E9_AStepOfTheRedisHostsClockMovesNothing(t *testing.T) {
	for name, d := range map[string]time.Duration{
		"forward": 2 * time.Hour, "back": -2 * time.Hour, "a little forward": 10 * time.Second, "a little back": -10 * time.Second,
		"a year": 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			r := join(t, Config{URL: s.URL()})
			minute := ledger.SlidingOver(60)
			first := do(t, r, hard("minute", minute, 10, 10), hard("hour", anHour, 10, 10), free("other", 1))
			step(s, d)
			got := do(t, r, hard("minute", minute, 1, 10), hard("hour", anHour, 1, 10))
			if got.Verdict != ledger.Denied || !got.Lines[0].Exceeded || !got.Lines[1].Exceeded || got.Lines[0].Amnesia {
				t.Fatalf("%+v", got)
			}
			if went := got.Now - first.Now; went < 0 || went > 5_000_000 {
				t.Fatalf("the ledger's time went on by %d µs", went)
			}
			// It goes on at the pace of the monotonic clock, and no slower after the step was put right.
			r.advance(70 * time.Second)
			step(s, 0)
			if got = do(t, r, hard("minute", minute, 10, 10)); got.Verdict != ledger.Allowed {
				t.Fatalf("%+v", got)
			}
			if went := time.Duration(got.Now-first.Now) * time.Microsecond; went < 69*time.Second || went > 75*time.Second {
				t.Fatalf("the ledger's time went on by %s", went)
			}
			lost(t, r, false)
		})
	}
}

// TestThreat_E9_AFreshReplicaWaitsForOneThatKnowsTheTime when the clock was stepped before it came.
func TestThreat_E9_AFreshReplicaWaitsForOneThatKnowsTheTime(t *testing.T) {
	s := redistest.Start(t)
	knows := join(t, Config{URL: s.URL()})
	first := do(t, knows, hard("hour", anHour, 10, 10))
	step(s, 2*time.Hour)
	fresh := join(t, Config{URL: s.URL()})
	got := do(t, fresh, hard("hour", anHour, 1, 10))
	if went := got.Now - first.Now; got.Verdict != ledger.Denied || went > 60_000_000 {
		t.Fatalf("%d µs later: %+v", went, got)
	}
}

// TestAStartAfterALongPauseDoesNotWaitForEver for somebody who knows the time, when nobody does.
func TestAStartAfterALongPauseDoesNotWaitForEver(t *testing.T) {
	s := redistest.Start(t)
	first := join(t, Config{URL: s.URL()})
	before := do(t, first, free("cell", 1))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	step(s, time.Hour) // time that passed
	later := do(t, join(t, Config{URL: s.URL()}), free("cell", 0))
	if went := time.Duration(later.Now-before.Now) * time.Microsecond; went < time.Hour || went > time.Hour+time.Minute {
		t.Fatalf("%s", went)
	}
}

// TestAStartAfterTheClockWasSetBack finds the time where it was: no window is longer gone, and none is freed twice.
func TestAStartAfterTheClockWasSetBack(t *testing.T) {
	s := redistest.Start(t)
	first := join(t, Config{URL: s.URL()})
	before := do(t, first, free("cell", 1))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	step(s, -time.Hour)
	later := do(t, join(t, Config{URL: s.URL()}), free("cell", 0))
	if went := time.Duration(later.Now-before.Now) * time.Microsecond; went < 0 || went > time.Minute {
		t.Fatalf("%s", went)
	}
}

// TestTimeNeverGoesBackForAnyone reads the time through two replicas while the host's clock jumps about.
func TestTimeNeverGoesBackForAnyone(t *testing.T) {
	s := redistest.Start(t)
	replicas := []*replica{join(t, Config{URL: s.URL()}), join(t, Config{URL: s.URL()})}
	last := int64(0)
	for i := range 60 {
		step(s, time.Duration((i*i*7919)%7200-3600)*time.Second)
		r := replicas[i%2]
		earliest, _, _ := r.Now()
		now := do(t, r, free("cell", 1)).Now
		_, latest, _ := r.Now()
		if now < last || now < earliest || now > latest {
			t.Fatalf("%d after %d, within %d to %d", now, last, earliest, latest)
		}
		last = now
	}
}

func TestClockBounds(t *testing.T) {
	var elapsed time.Duration
	c := clock{source: ledger.Source{Elapsed: func() time.Duration { return elapsed }}}
	at := func(earliest, latest int64) {
		t.Helper()
		if e, l, known := c.bounds(); !known || e != earliest || l != latest {
			t.Fatalf("%d to %d, %v; want %d to %d", e, l, known, earliest, latest)
		}
	}
	if _, _, known := c.bounds(); known {
		t.Fatal("a time that nobody told")
	}
	elapsed = time.Second
	c.learn(1_000_000, elapsed-10*time.Millisecond, elapsed)
	at(1_000_000, 1_010_006)
	elapsed += 2 * time.Second // 1,000 µs of drift
	at(2_999_000, 3_011_006)
	c.learn(3_000_000, elapsed-time.Millisecond, elapsed) // a better look
	at(3_000_000, 3_001_001)
	c.learn(2_000_000, elapsed-time.Millisecond, elapsed) // behind: told before
	at(3_000_000, 3_001_001)
	c.learn(2_990_000, elapsed-time.Second, elapsed) // a slow answer makes it no worse
	at(3_000_000, 3_001_001)
	c.learn(9_000_000, elapsed-time.Millisecond, elapsed) // ahead: it never goes back
	at(9_000_000, 9_001_001)
}

// TestASuspendedMachineKnowsHowLongItSlept because the boot-time clock counts on.
func TestASuspendedMachineKnowsHowLongItSlept(t *testing.T) {
	elapsed, up := time.Duration(0), time.Hour
	c := clock{source: ledger.Source{
		Elapsed: func() time.Duration { return elapsed },
		Boot:    func() (string, time.Duration) { return "boot", up },
	}}
	c.wake()
	pass := func(awake, asleep time.Duration) {
		elapsed, up = elapsed+awake, up+awake+asleep
		c.wake()
	}
	for _, step := range []struct{ awake, asleep, want time.Duration }{
		{time.Second, 0, time.Second},
		{time.Second, 10 * time.Millisecond, 2 * time.Second}, // read a little later
		{time.Second, 8 * time.Hour, 8*time.Hour + 3*time.Second + 10*time.Millisecond},
		{time.Second, 0, 8*time.Hour + 4*time.Second + 10*time.Millisecond},
		{0, 2 * time.Second, 8*time.Hour + 6*time.Second + 10*time.Millisecond},
	} {
		pass(step.awake, step.asleep)
		if got := c.elapsed(); got != step.want {
			t.Fatalf("%s, want %s", got, step.want)
		}
	}
}
