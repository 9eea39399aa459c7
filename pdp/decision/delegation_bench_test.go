package decision

import (
	"fmt"
	"maps"
	"testing"
)

// BenchmarkDecideBetweenAgents compares a plain decision with one that nothing adds suspicion to, and with one under chains
// of one and of four. Each call is another, so that none is a loop.
func BenchmarkDecideBetweenAgents(b *testing.B) {
	run := func(name string, tables map[string]any, agents ...string) {
		b.Run(name, func(b *testing.B) {
			busy := map[string]any{"limits": map[string]any{"limits": []any{}}, "anomalies": map[string]any{"anomalies": []any{}}}
			maps.Copy(busy, crew)
			maps.Copy(busy, tables)
			for _, l := range []string{"session_calls_per_minute", "agent_calls_per_minute", "tenant_calls_per_minute"} {
				busy["limits"] = map[string]any{"limits": append(busy["limits"].(map[string]any)["limits"].([]any), map[string]any{"name": l, "max": 1_000_000})} //nolint:forcetypeassert // as above
			}
			r := newRoom(b, withTables(busy))
			var chain []string
			for i := range agents[1:] {
				chain = r.handed(chain, agents[i], agents[i+1], rights(3-i, "calculator"))
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				q := under(chain, call(agents[len(agents)-1], "calculator", fmt.Sprintf(`{"sum": "%d"}`, n)))
				if resp := r.decide(q); resp.Effect != Allow {
					b.Fatal(codes(resp.Reasons))
				}
			}
		})
	}
	none := map[string]any{"suspicion": map[string]any{"suspicion": []any{
		map[string]any{"name": "session_suspicion", "kinds": []any{"MESSAGE"}}, map[string]any{"name": "agent_suspicion", "kinds": []any{"MESSAGE"}},
	}}}
	run("without suspicion", none, "chief")
	run("plain", nil, "chief")
	run("chain of one", nil, "mailer", "chief")
	run("chain of four", nil, "chief", "mailer", "reader", "mailer", "chief")
}
