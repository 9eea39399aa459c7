package ledger

import (
	"testing"
	"time"
)

// machine is a computer whose clocks a test turns.
type machine struct {
	wall    time.Time
	elapsed time.Duration
	boot    string
	up      time.Duration
}

func (m *machine) pass(d time.Duration) { m.wall, m.elapsed, m.up = m.wall.Add(d), m.elapsed+d, m.up+d }

func (m *machine) source() Source {
	return Source{
		Wall:    func() time.Time { return m.wall },
		Elapsed: func() time.Duration { return m.elapsed },
		Boot:    func() (string, time.Duration) { return m.boot, m.up },
	}
}

func start(t *testing.T, m *machine, mark []byte) *Clock {
	t.Helper()
	c, err := NewClock(m.source(), mark)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestThreat_E9_ClockStepsMoveNothing sets the wall clock in every direction, while running and while down.
func TestThreat_E9_ClockStepsMoveNothing(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		running, down time.Duration // how far the wall clock is set while the first process runs, and after it has ended
		reboot        bool
		want          time.Duration // that the ledger's time has gone on, of the 30 s that passed
	}{
		"no step":                        {want: 30 * time.Second},
		"forward while running":          {running: time.Hour, want: 30 * time.Second},
		"back while running":             {running: -time.Hour, want: 30 * time.Second},
		"forward while down":             {down: time.Hour, want: 30 * time.Second},
		"back while down":                {down: -time.Hour, want: 30 * time.Second},
		"machine restarted":              {reboot: true, want: 30 * time.Second},
		"machine restarted, set back":    {reboot: true, down: -time.Hour, want: 10 * time.Second}, // stands still, never back
		"machine restarted, set forward": {reboot: true, down: time.Hour, want: time.Hour + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{wall: t0, boot: "a", up: time.Minute}
			c := start(t, m, nil)
			m.pass(5 * time.Second)
			m.wall = m.wall.Add(tc.running)
			m.pass(5 * time.Second)
			if got := c.Now() - t0.UnixMicro(); got != (10 * time.Second).Microseconds() {
				t.Fatalf("went on by %d µs while running", got)
			}
			mark := c.Mark()
			m.pass(20 * time.Second)
			m.elapsed = 0
			m.wall = m.wall.Add(tc.down)
			if tc.reboot {
				m.boot, m.up = "b", time.Second
			}
			if got := time.Duration(start(t, m, mark).Now()-t0.UnixMicro()) * time.Microsecond; got != tc.want {
				t.Fatalf("went on by %s, want %s", got, tc.want)
			}
		})
	}
}

func TestClockRefusesABadMark(t *testing.T) {
	for _, mark := range [][]byte{{}, {1}, make([]byte, 40), append([]byte{markFormat, 0xff}, make([]byte, 20)...)} {
		if _, err := NewClock((&machine{wall: time.Unix(1, 0)}).source(), mark); err == nil {
			t.Errorf("%x was read", mark)
		}
	}
}

func TestSystemClockHasABootTime(t *testing.T) {
	c := start(t, &machine{wall: time.Unix(1, 0), boot: "x"}, nil)
	if string(c.Mark()[17:]) != "x" {
		t.Fatal("the mark does not name the start of the machine")
	}
	s := System()
	if name, since := s.Boot(); name != "" && since <= 0 {
		t.Fatalf("up for %s", since)
	}
}
