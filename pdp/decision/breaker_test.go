package decision

import (
	"maps"
	"slices"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/event"
)

func breakerTable(rows ...any) func(*room) {
	return withTables(map[string]any{"breakers": map[string]any{"breakers": rows}})
}

// breakerRow lays columns over the built-in row, without jitter.
func breakerRow(more map[string]any) map[string]any {
	row := map[string]any{"name": "tool_failures", "jitter_percent": 0}
	maps.Copy(row, more)
	return row
}

func TestABreakerForOneToolGuardsNoOther(t *testing.T) {
	r := newRoom(t, breakerTable(breakerRow(map[string]any{"tools": []any{"calculator"}, "scope": []any{"agent"}, "consecutive_failures": 1})))
	search := call("demo-basic", "search", "")
	r.want(Allow, "", search)
	r.report(r.want(Allow, "", add()), Failed, nil)
	r.want(Deny, "BREAKER_OPEN", add())
	r.want(Allow, "", search)
}

func TestThreat_E11_AToolThatFailsEveryOtherTimeRests(t *testing.T) {
	r := newRoom(t)
	for range 5 {
		r.report(r.want(Allow, "", add()), Succeeded, nil)
		r.report(r.want(Allow, "", add()), Failed, nil)
	}
	r.want(Deny, "BREAKER_OPEN", add())
}

func TestAProbeIsHeardOf(t *testing.T) {
	r := newRoom(t, breakerTable(breakerRow(map[string]any{"consecutive_failures": 1})))
	r.report(r.want(Allow, "", add()), Failed, nil)
	r.pass(coolDown)
	big := add()
	big.Action.Estimate.Tokens = 8001
	if heard := r.events(func() { r.want(Deny, "TOO_MANY_TOKENS", big) }); len(heard) != 0 {
		t.Fatalf("an action that was denied is no probe: %+v", heard)
	}
	r.events(func() { r.report(r.want(Allow, "", add()), Succeeded, nil) })
	if want := []string{"open", "half_open", "closed"}; !slices.Equal(r.heard.breakers, want) {
		t.Fatalf("heard %v, want %v", r.heard.breakers, want)
	}
}

// What a breaker could not be told is reported again, and counts once; its event is heard.
func TestThreat_E11_AFailureThatCouldNotBeRecordedIsReportedAgain(t *testing.T) {
	r := newRoom(t, breakerTable(breakerRow(map[string]any{"consecutive_failures": 2})))
	first, second := r.want(Allow, "", add()), r.want(Allow, "", add())
	r.fuses.swapBroken.Store(true)
	for range 3 {
		_, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{DecisionID: first.DecisionID, Status: Failed})
		if reasonOf(err) != "STATE_UNAVAILABLE" {
			t.Fatalf("got %v", err)
		}
	}
	r.fuses.swapBroken.Store(false)
	r.report(first, Failed, nil)
	r.want(Allow, "", add())
	heard := r.events(func() { r.report(second, Failed, nil) })
	r.want(Deny, "BREAKER_OPEN", add())
	for _, e := range heard {
		if e.Type == event.Breaker && e.Attributes["state"] == "open" && e.Attributes["breaker"] == "tool_failures" {
			return
		}
	}
	t.Fatalf("nobody heard of it: %+v", heard)
}

// An action that would be the probe is denied where that cannot be put on record.
func TestThreat_E11_NoProbeThatIsNotOnRecord(t *testing.T) {
	r := newRoom(t, breakerTable(breakerRow(map[string]any{"consecutive_failures": 1})))
	r.report(r.want(Allow, "", add()), Failed, nil)
	r.pass(coolDown)
	r.fuses.swapBroken.Store(true)
	r.want(Deny, "STATE_UNAVAILABLE", add())
	r.fuses.swapBroken.Store(false)
	r.report(r.want(Allow, "", add()), Succeeded, nil)
	r.want(Allow, "", add())
}
