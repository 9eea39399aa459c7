package decision

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// surprised lets surprise have consequences, from few calls on.
func surprised(tb testing.TB, unknown, usual, unusual, rare string) func(*room) {
	tb.Helper()
	rows := []any{}
	for name, effect := range map[string]string{"unknown": unknown, "usual": usual, "unusual": unusual, "rare": rare} {
		rows = append(rows, map[string]any{"name": name, "effect": effect})
	}
	snapshot := tuned(tb, map[string]any{"behaviour": map[string]any{"minimum_calls": 20, "levels": rows}})
	return func(r *room) { r.holder.Swap(snapshot) }
}

// teach lets an agent add up, session after session.
func (r *room) teach(times int) {
	r.t.Helper()
	for i := range times {
		req := add()
		req.Principal.Session = fmt.Sprint("lesson", i)
		r.want(Allow, "", req)
	}
}

func TestThreat_A7_ARareCallAfterSomethingUntrustedIsAskedAboutWhereTheTableSaysSo(t *testing.T) {
	r := newRoom(t, surprised(t, "allow", "allow", "allow", "ask"))
	odd := call("demo-basic", "search", `{"query": "`+strings.Repeat("tea ", 500)+`"}`)
	r.want(Allow, "", call("demo-basic", "read_file", `{"path": "notes.txt"}`)) // nothing is known yet
	r.teach(60)
	r.want(Allow, "", add())
	page := result(add(), r.want(Allow, "", add()).DecisionID)
	page.Action.Content = "2"
	r.want(Allow, "", page)
	odd.Principal.Session = page.Principal.Session
	resp := r.want(RequireApproval, "BEHAVIOUR", odd)
	if !strings.Contains(resp.Reasons[0].Message, "rare") || !strings.Contains(resp.Reasons[0].Message, "tool") {
		t.Errorf("the reason does not say why: %q", resp.Reasons[0].Message)
	}
	for range 8 {
		r.want(RequireApproval, "BEHAVIOUR", odd)
	}
	odd.Principal.Session = "clean" // what was asked about has taught nothing
	resp = r.want(Allow, "", odd)   // it has seen nothing
	if !slices.ContainsFunc(resp.Findings, func(f scan.Finding) bool { return f.Rule == "anomaly.behaviour" }) {
		t.Errorf("nothing is said of it: %+v", resp.Findings)
	}
}

// TestSurpriseOnlyTightens: whatever the table says and whatever was learned, an answer is as strict with surprise as without.
func TestSurpriseOnlyTightens(t *testing.T) {
	strict := map[Effect]int{Allow: 0, RequireApproval: 1, Deny: 2}
	effects := []string{"allow", "ask", "deny"}
	requests := map[string]Request{
		"add": add(), "mail": mail(), "shell": call("demo-basic", "shell_command", `{"command": "ls"}`),
		"search": call("demo-basic", "search", `{"query": "tea"}`), "file": call("demo-basic", "read_file", `{"path": ".ssh/id_rsa"}`),
	}
	plain := map[string]Effect{}
	base := newRoom(t)
	for name, req := range requests {
		plain[name] = base.decide(req).Effect
	}
	for i := range 6 {
		draw := func(n int) string { return effects[(i*7+n*5)%3] }
		r := newRoom(t, surprised(t, draw(0), draw(1), draw(2), draw(3)))
		r.teachAny(40)
		for name, req := range requests {
			if got := r.decide(req).Effect; strict[got] < strict[plain[name]] {
				t.Errorf("table %d, %s: %s with surprise, %s without", i, name, got, plain[name])
			}
		}
	}
}

// teachAny teaches as teach does, whatever the answers are.
func (r *room) teachAny(times int) {
	for i := range times {
		req := add()
		req.Principal.Session = fmt.Sprint("lesson", i)
		r.decide(req)
	}
}

// BenchmarkCompare is a decision, and what of it the comparison with the agent's habits costs.
func BenchmarkCompare(b *testing.B) {
	r := newRoom(b)
	b.Run("decide", func(b *testing.B) {
		for i := range b.N {
			req := add()
			req.Principal.Session = fmt.Sprint("s", i/50)
			if _, err := r.engine.Decide(b.Context(), gateway, req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compare", func(b *testing.B) {
		req := add()
		j, err := r.engine.open(gateway, req, builtInSnapshot())
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			_ = r.engine.compare(b.Context(), j)
			j.effect = Allow
			r.engine.learn(j)
		}
	})
}

func TestTheLogSaysWhatIsWorthALook(t *testing.T) {
	for level, logged := range map[policy.Surprise]bool{"": false, policy.SurpriseUnknown: false, policy.SurpriseUsual: false, policy.SurpriseUnusual: true, policy.SurpriseRare: true} {
		c := compared{level: level, percent: 90, because: []string{"tool"}}
		if got := c.entry(); (got != nil) != logged || logged && (got.Percent != 90 || got.Because[0] != "tool") {
			t.Errorf("%s: %+v", level, got)
		}
	}
}
