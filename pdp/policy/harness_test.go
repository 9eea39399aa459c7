package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/bundles"
	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/policies"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

// tools is what the server compiles with.
var tools = sync.OnceValue(func() *Toolchain {
	t, err := NewToolchain(bundles.Capabilities, schema.Input)
	if err != nil {
		panic(err)
	}
	return t
})

// builtIn is the snapshot of the policies inside the program, without its tests, compiled once for all tests.
var builtIn = sync.OnceValue(func() *Snapshot {
	b, err := ReadFS(policies.FS, "built in")
	if err != nil {
		panic(err)
	}
	s, err := Load(context.Background(), b, LoadOptions{Toolchain: tools(), SkipTests: true, Now: time.Now})
	if err != nil {
		panic(err)
	}
	return s
})

const smallDecision = `package portcullis

decision := answer("allow", []) if {
	count(data.portcullis.rules.known.deny) == 0
	data.portcullis.rules.known.passed
} else := answer("deny", [refusal])

answer(effect, reasons) := {
	"effect": effect, "reasons": reasons, "obligations": [],
	"approval": {"ttl_seconds": 60, "quorum": 1}, "passed": [],
}

refusal := {"code": "NO", "rule": "small.no", "effect": "deny", "severity": "low", "message": "No.", "findings": []}
`

const smallKnown = `package portcullis.rules.known

deny contains "tool" if not input.action.tool in {r.tool | some r in data.tables.tools.tools}

passed if input.action.kind == "TOOL_CALL"
`

const smallTest = `package portcullis.rules.known_test

import data.portcullis.rules.known

test_others if count(known.deny) == 1 with input as {"action": {"tool": "other"}} with data.tables.tools.tools as [{"tool": "add"}]
`

const smallTables = `{
	"limits": {"limits": [{"name": "calls", "measure": "calls", "scope": ["session"], "window_seconds": 60, "max": 5}]},
	"anomalies": {"anomalies": []},
	"breakers": {"breakers": [{"name": "fails", "scope": ["agent", "tool"]}]},
	"patterns": {"patterns": [{
		"id": "credential.key", "category": "credential", "severity": "high", "confidence": "high", "regex": "key-[a-z]{4}",
		"examples": {"match": ["key-abcd", "a key-bcde", "key-cdef."], "no_match": ["key-", "key-123", "kez-abcd"]}
	}]},
	"agents": {"default_profile": "strict", "agents": [{"agent": "a1", "profile": "strict"}]},
	"estimates": {"estimates": [{"name": "all", "cost_micro_usd": 100, "tokens": 0}]},
	"prices": {"prices": [
		{"model": "m", "input_micro_usd_per_million_tokens": 3000000, "output_micro_usd_per_million_tokens": 15000000, "source": "made up", "as_of": "2026-11-25"}
	], "unpriced": []},
	"loops": {
		"repeats": {"warn_calls": 2, "ask_calls": 3, "deny_calls": 4},
		"cycles": {"warn_calls": 2, "ask_calls": 3, "deny_calls": 4}, "exempt_tools": []
	},
	"memory": {"max_items": 10, "max_item_characters": 100, "ttl_seconds": 60, "agent_items": 10, "agent_bytes": 1000},
	"risk": {"levels": [{"name": "LOW", "rank": 1, "approval": false}], "default_level": "LOW", "provable_up_to": "LOW"},
	"profiles": {"profiles": [{"name": "strict", "approve_high": "always", "tools": ["add"]}]},
	"tools": {"tools": [{"tool": "add", "risk": "LOW", "external": false}]},
	"blocked": {"tools": []}
}`

// small is a bundle that loads in milliseconds. Each call gives a new one.
func small(tb testing.TB) *Bundle {
	tb.Helper()
	var tables map[string]any
	if err := json.Unmarshal([]byte(smallTables), &tables); err != nil {
		tb.Fatal(err)
	}
	return &Bundle{
		Source:  "small",
		Modules: map[string]string{"portcullis/decision.rego": smallDecision, "rules/known.rego": smallKnown},
		Tests:   map[string]string{"rules/known_test.rego": smallTest},
		Data:    map[string]any{"tables": tables},
	}
}

// table is one table of a bundle, to change.
func (b *Bundle) table(name string) map[string]any {
	return b.Data["tables"].(map[string]any)[name].(map[string]any)
}

// row is the first row of a table's list.
func (b *Bundle) row(table, list string) map[string]any {
	return b.table(table)[list].([]any)[0].(map[string]any)
}

func load(tb testing.TB, b *Bundle) *Snapshot {
	tb.Helper()
	s, err := Load(tb.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// call is an input as the engine fills it in for a call of a tool.
func call(tool string) Input {
	return Input{Input: &policyv1.Input{
		Principal: &policyv1.Principal{Tenant: "default", Agent: "a1", Session: "s1", Profile: "basic"},
		Action: &policyv1.Action{
			Kind: "TOOL_CALL", Tool: tool, Estimate: &policyv1.Usage{}, Price: "none", Sinks: "none", Role: &policyv1.ToolRole{Source: "name"}, Memory: &policyv1.Memory{Seal: "none"},
		},
		Session: &policyv1.Session{RepeatsLevel: "none", CycleLevel: "none"}, Approval: &policyv1.Approval{State: "none"}, Now: &policyv1.Now{Ns: 1},
		Limits:   []*policyv1.Limit{{Name: "calls", Used: 1, Remaining: 4, Max: 5, OnExceed: "deny"}},
		Breakers: []*policyv1.Breaker{{Name: "tool_failures", State: "closed"}},
	}}
}

func evaluator(tb testing.TB, entries int64) *Evaluator {
	tb.Helper()
	e, err := NewEvaluator(entries)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

// failure is the reason of a *Failure, or "".
func failure(err error) string {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Reason
	}
	return ""
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Fatalf("the error does not say %q:\n%v", p, err)
		}
	}
}

func archive(tb testing.TB, b *Bundle) []byte {
	tb.Helper()
	var buf bytes.Buffer
	if err := b.WriteArchive(&buf); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// clone copies what a test may change.
func (b *Bundle) clone() *Bundle {
	out := *b
	out.Modules, out.Tests = maps.Clone(b.Modules), maps.Clone(b.Tests)
	return &out
}

var quiet = slog.New(slog.DiscardHandler)

// memoWait lets what was remembered come to light: ristretto takes entries in by a worker.
func (e *Evaluator) memoWait() {
	if e.memo != nil {
		e.memo.Wait()
	}
}

// proof is how many cases a proof takes: few in a normal run, many where PORTCULLIS_PROVE=1.
func proof(short, long int) int {
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		return long
	}
	return short
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
