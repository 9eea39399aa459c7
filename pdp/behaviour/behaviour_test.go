package behaviour_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/behaviour"
)

var who = behaviour.Who{Tenant: "t", Agent: "a", Session: "s"}

// room is models with a clock that goes on by a second with each call.
type room struct {
	*behaviour.Models
	now time.Time
}

func newRoom(cfg behaviour.Config) *room {
	r := &room{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	r.Models = behaviour.New(cfg, func() time.Time { return r.now })
	return r
}

func (r *room) learn(who behaviour.Who, calls ...behaviour.Call) {
	for _, c := range calls {
		r.now = r.now.Add(time.Second)
		r.Learn(who, c)
	}
}

func tool(name string) behaviour.Call {
	return behaviour.Call{Tool: name, Bytes: 100, Sinks: "proven"}
}

// habit is search, read, mail, again and again.
func (r *room) habit(who behaviour.Who, times int) {
	for range times {
		r.learn(who, tool("search"), tool("read"), tool("mail"))
	}
}

func TestWhatIsRareAndWhy(t *testing.T) {
	r := newRoom(behaviour.Config{})
	r.habit(who, 100)
	r.now = r.now.Add(time.Second)
	usual := r.Look(who, tool("search"))
	if usual.Percent > 25 || usual.Calls < 299 || usual.Calls > 301 {
		t.Fatalf("what it always does: %+v", usual)
	}
	big := tool("search")
	big.Bytes = 1 << 20
	sink := tool("search")
	sink.Sinks = "tainted evil.example"
	for name, c := range map[string]struct {
		call behaviour.Call
		wait time.Duration
		why  string
	}{
		"another order": {tool("mail"), 0, behaviour.Transition},
		"another tool":  {tool("wipe"), 0, behaviour.Tool},
		"another size":  {big, 0, behaviour.Size},
		"another sink":  {sink, 0, behaviour.Sinks},
		"much later":    {tool("search"), 12 * time.Hour, behaviour.Rate},
	} {
		r.now = r.now.Add(c.wait)
		got := r.Look(who, c.call)
		r.now = r.now.Add(-c.wait)
		if got.Percent < 60 || !slices.Contains(got.Because, c.why) {
			t.Errorf("%s: %+v, want %s", name, got, c.why)
		}
	}
}

func TestANewAgentIsComparedWithItsFleet(t *testing.T) {
	r := newRoom(behaviour.Config{})
	r.habit(who, 100)
	for name, c := range map[string]struct {
		who   behaviour.Who
		knows bool
	}{
		"the same tenant": {behaviour.Who{Tenant: "t", Agent: "new", Session: "s"}, true},
		"another tenant":  {behaviour.Who{Tenant: "other", Agent: "a", Session: "s"}, false},
	} {
		usual, odd := r.Look(c.who, tool("search")), r.Look(c.who, tool("wipe"))
		if knows := usual.Calls > 0; knows != c.knows {
			t.Errorf("%s: %+v", name, usual)
		}
		if c.knows && odd.Percent <= usual.Percent {
			t.Errorf("%s: wipe %+v, search %+v", name, odd, usual)
		}
	}
}

func TestWhatIsLongAgoCountsLess(t *testing.T) {
	r := newRoom(behaviour.Config{HalfLife: time.Hour})
	r.habit(who, 100)
	before := r.Look(who, tool("search")).Calls
	r.now = r.now.Add(2 * time.Hour)
	if after := r.Look(who, tool("search")).Calls; after < before/4.2 || after > before/3.8 {
		t.Errorf("%.1f calls, %.1f after two half-lives", before, after)
	}
	for _, jump := range []time.Duration{100 * 365 * 24 * time.Hour, -200 * 365 * 24 * time.Hour} {
		r.now = r.now.Add(jump)
		r.habit(who, 50)
		if got := r.Look(who, tool("search")); got.Percent < 0 || got.Percent > 100 || got.Calls != got.Calls {
			t.Errorf("after %s: %+v", jump, got)
		}
	}
}

func TestThreat_E5_ModelsAreBounded(t *testing.T) {
	r := newRoom(behaviour.Config{MaxAgents: 10, MaxSessions: 10, MaxFleets: 3})
	for i := range 1000 {
		r.learn(behaviour.Who{Tenant: fmt.Sprint("t", i%7), Agent: fmt.Sprint("a", i), Session: fmt.Sprint("s", i)}, tool(fmt.Sprint("tool", i)))
	}
	if n := r.Agents(); n != 10 {
		t.Errorf("%d agents", n)
	}
	if got := r.Look(behaviour.Who{Tenant: "t5", Agent: "gone"}, tool("x")); got.Calls == 0 {
		t.Error("what evicted agents did is not in their fleet's model")
	}
}

// TestSurpriseIsBounded whatever is learned, in whatever order of time.
func TestSurpriseIsBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRoom(behaviour.Config{MaxAgents: 3, MaxSessions: 3, MaxFleets: 2})
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			w := behaviour.Who{
				Tenant: rapid.SampledFrom([]string{"", "t", "u"}).Draw(rt, "tenant"), Agent: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "agent"),
				Session: rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "session"),
			}
			c := behaviour.Call{
				Tool: rapid.SampledFrom([]string{"", "x", "y", "\x00"}).Draw(rt, "tool"), Bytes: rapid.Int64().Draw(rt, "bytes"), Sinks: rapid.String().Draw(rt, "sinks"),
			}
			r.now = r.now.Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(rt, "clock")))
			if s := r.Look(w, c); s.Percent < 0 || s.Percent > 100 || !(s.Calls >= 0) || len(s.Because) > 5 {
				rt.Fatalf("%+v", s)
			}
			r.Learn(w, c)
		}
	})
}

func BenchmarkLookAndLearn(b *testing.B) {
	m := behaviour.New(behaviour.Config{}, time.Now)
	calls := []behaviour.Call{tool("search"), tool("read"), tool("mail")}
	for i := range b.N {
		m.Look(who, calls[i%3])
		m.Learn(who, calls[i%3])
	}
}
