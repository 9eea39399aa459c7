package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/policies"
)

func TestTheBuiltInBundleLoadsAndPassesItsTests(t *testing.T) {
	b, err := ReadFS(policies.FS, "built in")
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, b)
	if s.Revision != b.Revision() || len(s.Tables.Limits) == 0 || len(s.Tables.Patterns) == 0 || s.Scanner == nil {
		t.Fatalf("incomplete snapshot: revision %s, %d limits, %d patterns", s.Revision, len(s.Tables.Limits), len(s.Tables.Patterns))
	}
}

func TestTheSmallBundleLoads(t *testing.T) {
	load(t, small(t)) // else every refusal below would prove nothing
}

// refusal is one defect of a bundle, and what the person who made it is told.
type refusal struct {
	change func(*Bundle)
	want   []string
}

func checkRefusals(t *testing.T, cases map[string]refusal) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := small(t)
			tc.change(b)
			_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
			wantError(t, err, tc.want...)
		})
	}
}

// module adds a module, or replaces one.
func module(name, src string) func(*Bundle) { return func(b *Bundle) { b.Modules[name] = src } }

func TestThreat_E4_ABundleThatCannotDecideIsRefused(t *testing.T) {
	const decision = "portcullis/decision.rego"
	checkRefusals(t, map[string]refusal{
		"does not parse":        {module("rules/known.rego", "package portcullis.rules.known\n\npassed if {\n"), []string{"rules/known.rego:4", "parse_error"}},
		"old syntax":            {module("rules/known.rego", "package portcullis.rules.known\n\npassed { true }\n"), []string{"rules/known.rego:3", "if"}},
		"two that do not parse": {func(b *Bundle) { b.Modules["rules/a.rego"], b.Modules["rules/b.rego"] = "{", "}" }, []string{"rules/a.rego:1", "rules/b.rego:1"}},
		"no entrypoint":         {func(b *Bundle) { delete(b.Modules, decision) }, []string{"no module defines data.portcullis.decision"}},
		"no module at all":      {func(b *Bundle) { clear(b.Modules) }, []string{"no module defines"}},
		"unused variable":       {module("rules/known.rego", smallKnown+"\npassed if x := 1\n"), []string{"rules/known.rego:7", "unused"}},
		"undefined function":    {module("rules/known.rego", smallKnown+"\npassed if nope(1)\n"), []string{"rules/known.rego:7", "undefined function nope"}},
		"recursion":             {module("rules/known.rego", smallKnown+"\nx if y\n\ny if x\n"), []string{"recursive"}},
		"an empty input allowed": {module(decision, `package portcullis
decision := {"effect": "allow", "reasons": [], "obligations": [], "approval": {"ttl_seconds": 60, "quorum": 1}, "passed": []} if data.portcullis.rules.known
`), []string{"an empty input is allowed"}},
		"undefined on empty input": {module(decision, strings.ReplaceAll(smallDecision, ` else := answer("deny", [refusal])`, "")+"\ndecision := answer(\"deny\", [refusal]) if input.action.tool == \"x\"\n"), []string{"trial decision", ReasonUndefined}},
		"a decision of another shape": {
			module(decision, "package portcullis\n\ndecision := count(data.portcullis.rules.known.deny) > 0\n"),
			[]string{"trial decision", ReasonBadDecision},
		},
	})
}

func TestThreat_I3_ImpureBuiltInsAreRefused(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "get", "url": "http://127.0.0.1"})`, `time.now_ns()`, `rand.intn("x", 2)`, `uuid.rfc4122("x")`,
		`net.lookup_ip_addr("localhost")`, `opa.runtime()`, `trace("x")`,
	} {
		t.Run(call, func(t *testing.T) {
			b := small(t)
			b.Modules["rules/known.rego"] = smallKnown + "\npassed if " + call + "\n"
			_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
			name, _, _ := strings.Cut(call, "(")
			wantError(t, err, "rules/known.rego:7", "undefined function "+name)
		})
	}
}

func TestThreat_F10_AFieldThatInputDoesNotHaveIsRefused(t *testing.T) {
	checkRefusals(t, map[string]refusal{
		"misspelt field":        {module("rules/known.rego", strings.Replace(smallKnown, "action.tool", "action.tol", 1)), []string{"rules/known.rego:3", "tol"}},
		"misspelt message":      {module("rules/known.rego", strings.Replace(smallKnown, "input.action.kind", "input.acton.kind", 1)), []string{"rules/known.rego:5", "acton"}},
		"misspelt list element": {module("rules/known.rego", smallKnown+"\ndeny contains \"x\" if input.limits[_].exceded\n"), []string{"rules/known.rego:7", "exceded"}},
		"a text for a number":   {module("rules/known.rego", smallKnown+"\ndeny contains \"x\" if count(input.action.content_bytes) > 1\n"), []string{"rules/known.rego:7", "type"}},
		"a number as a text":    {module("rules/known.rego", smallKnown+"\ndeny contains \"x\" if input.action.content_bytes == \"7\"\n"), []string{"rules/known.rego:7", "match error"}},
	})
}

func TestThreat_F8_ARuleThatFeedsNothingIsRefused(t *testing.T) {
	const body = "\n\ndeny contains \"x\" if input.action.tool == \"y\"\n"
	checkRefusals(t, map[string]refusal{
		"misspelt package":         {module("rules/odd.rego", "package portcullis.rule.odd"+body), []string{"rules/odd.rego", "data.portcullis.rule.odd", "feeds nothing"}},
		"package of its own":       {module("rules/odd.rego", "package odd"+body), []string{"data.odd", "feeds nothing"}},
		"package too deep":         {module("rules/odd.rego", "package portcullis.rules.a.odd"+body), []string{"too deep"}},
		"misspelt export":          {module("rules/odd.rego", "package portcullis.rules.odd\n\ndney contains \"x\" if input.action.tool == \"y\"\n"), []string{"exports none of deny, ask, obligation, passed"}},
		"misspelt beside others":   {module("rules/known.rego", smallKnown+"\ndney contains \"x\" if input.action.tool == \"y\"\n"), []string{"rules/known.rego:7", "dney", "feeds nothing"}},
		"unused library":           {module("lib/odd.rego", "package portcullis.lib.odd\n\nhelp if input.action.tool == \"y\"\n"), []string{"lib/odd.rego:3", "help", "feeds nothing"}},
		"two that feed each other": {module("lib/odd.rego", "package portcullis.lib.odd\n\na if b\n\nb if input.action.tool == \"y\"\n"), []string{"lib/odd.rego:3", "feeds nothing"}},
	})
}

func TestThreat_F3_AFailingTestIsRefused(t *testing.T) {
	checkRefusals(t, map[string]refusal{
		"fails":            {func(b *Bundle) { b.Tests["rules/known_test.rego"] = strings.Replace(smallTest, "== 1", "== 2", 1) }, []string{"rules/known_test.rego:5", "test_others", "failed"}},
		"ends in an error": {func(b *Bundle) { b.Tests["rules/known_test.rego"] = smallTest + "\ntest_e if to_number(\"x\") == 1\n" }, []string{"test_e", "ended with an error"}},
		"holds no test":    {func(b *Bundle) { b.Tests["rules/known_test.rego"] = "package portcullis.rules.known_test\n\nx := 1\n" }, []string{"no test"}},
		"does not parse":   {func(b *Bundle) { b.Tests["rules/known_test.rego"] = "package\n" }, []string{"rules/known_test.rego:2"}},
		"cannot compile":   {func(b *Bundle) { b.Tests["rules/known_test.rego"] = smallTest + "\ntest_e if nope(1)\n" }, []string{"rules/known_test.rego:7", "nope"}},
	})
}

func TestThreat_E3_TestsThatTakeTooLongAreRefused(t *testing.T) {
	b := small(t)
	b.Tests["rules/known_test.rego"] = smallTest + "\ntest_slow if count([1 | some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x == y]) > 0\n"
	_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), TestBudget: 50 * time.Millisecond, Now: time.Now})
	wantError(t, err, "did not finish within 50ms")
}

// endless takes longer than anybody waits, if the condition holds.
func endless(condition string) string {
	return smallKnown + "\ndeny contains \"slow\" if {\n\t" + condition +
		"\n\tcount([1 | some x in numbers.range(1, 1000000); some y in numbers.range(1, 1000000); x == y]) > 0\n}\n"
}

func TestThreat_E3_ATrialDecisionThatTakesTooLongIsRefused(t *testing.T) {
	t.Parallel()
	b := small(t)
	b.Modules["rules/known.rego"] = endless(`input.action.tool == ""`)
	ctx, cancel := context.WithTimeout(t.Context(), 4*trialTimeout)
	defer cancel()
	_, err := Load(ctx, b, LoadOptions{Toolchain: tools(), Now: time.Now})
	wantError(t, err, "trial decision", ReasonTimeout)
	if ctx.Err() != nil {
		t.Fatal("it was the caller's deadline that ended it, not Load's own")
	}
}

func TestThreat_F2_TablesThatSayNothingAreRefused(t *testing.T) {
	drop := func(name string) func(*Bundle) {
		return func(b *Bundle) { delete(b.Data["tables"].(map[string]any), name) }
	}
	cases := map[string]refusal{
		"no tables":           {func(b *Bundle) { clear(b.Data) }, []string{"no tables"}},
		"default profile":     {func(b *Bundle) { b.table("agents")["default_profile"] = "lax" }, []string{"tables/agents", "lax", "no profile"}},
		"no default profile":  {func(b *Bundle) { delete(b.table("agents"), "default_profile") }, []string{"tables/agents", "default_profile"}},
		"profile of an agent": {func(b *Bundle) { b.row("agents", "agents")["profile"] = "lax" }, []string{"tables/agents", "a1", "lax"}},
		"no profiles": {func(b *Bundle) {
			b.table("profiles")["profile"] = b.table("profiles")["profiles"]
			delete(b.table("profiles"), "profiles")
		}, []string{"no profile"}},
		"memory without end": {func(b *Bundle) { delete(b.table("memory"), "ttl_seconds") }, []string{"tables/memory", "ttl_seconds"}},
	}
	for _, name := range []string{"limits", "anomalies", "breakers", "patterns", "agents", "memory", "profiles", "tools", "blocked"} {
		cases["no table "+name] = refusal{drop(name), []string{"tables/" + name + " is missing"}}
	}
	checkRefusals(t, cases)
}

func TestThreat_F8_AMisspeltTableIsRefused(t *testing.T) {
	set := func(table, list, field string, value any) func(*Bundle) {
		return func(b *Bundle) { b.row(table, list)[field] = value }
	}
	cases := map[string]refusal{
		"list of limits":     {func(b *Bundle) { b.table("limits")["limit"] = []any{} }, []string{"tables/limits", `unknown field "limit"`}},
		"field of a limit":   {set("limits", "limits", "windw_seconds", 5), []string{"tables/limits", `unknown field "windw_seconds"`}},
		"field of a breaker": {set("breakers", "breakers", "open_secnds", 5), []string{"tables/breakers", "open_secnds"}},
		"field of a pattern": {set("patterns", "patterns", "keyword", "x"), []string{"tables/patterns", "keyword"}},
		"field of a grouped pattern": {func(b *Bundle) {
			b.table("patterns")["cloud"] = map[string]any{"patterns": []any{map[string]any{"keyword": "x"}}}
		}, []string{"tables/patterns/cloud", "keyword"}},
		"group of patterns without a list": {func(b *Bundle) {
			b.table("patterns")["cloud"] = map[string]any{"pattern": []any{}}
		}, []string{"tables/patterns/cloud", "a list"}},
		"one id in two groups": {func(b *Bundle) {
			b.table("patterns")["cloud"] = map[string]any{"patterns": []any{b.row("patterns", "patterns")}}
		}, []string{"tables/patterns", "credential.key", "already used"}},
		"field of an agent":  {set("agents", "agents", "profil", "x"), []string{"tables/agents", "profil"}},
		"wrong type":         {set("limits", "limits", "max", "5"), []string{"tables/limits", "max"}},
		"fraction":           {set("limits", "limits", "max", 5.5), []string{"tables/limits", "max"}},
		"list for an object": {func(b *Bundle) { b.Data["tables"].(map[string]any)["limits"] = []any{} }, []string{"tables/limits"}},
		"tool of a limit":    {set("limits", "limits", "tools", []any{"ad"}), []string{"tables/limits", "calls", "ad", "misspelt"}},
		"tool of a breaker":  {set("breakers", "breakers", "tools", []any{"ad"}), []string{"tables/breakers", "fails", "ad", "misspelt"}},
		"kind of a limit":    {set("limits", "limits", "kinds", []any{"TOOL_CAL"}), []string{"tables/limits", "calls", "TOOL_CAL"}},
		"kind of a breaker":  {set("breakers", "breakers", "kinds", []any{"TOOL_CAL"}), []string{"tables/breakers", "fails", "TOOL_CAL"}},
		"a limit twice": {func(b *Bundle) {
			b.table("limits")["limits"] = append(b.table("limits")["limits"].([]any), b.row("limits", "limits"))
		}, []string{"calls", "twice"}},
		"a breaker twice": {func(b *Bundle) {
			b.table("breakers")["breakers"] = append(b.table("breakers")["breakers"].([]any), b.row("breakers", "breakers"))
		}, []string{"fails", "twice"}},
		"more limits than count": {func(b *Bundle) {
			var rows []any
			for i := range 257 {
				rows = append(rows, map[string]any{"name": fmt.Sprintf("l%d", i), "measure": "calls", "scope": []any{"session"}, "window_seconds": 60, "max": 5})
			}
			b.table("limits")["limits"] = rows
		}, []string{"tables/limits", "256"}},
		"pattern that misses":    {set("patterns", "patterns", "regex", "kay-[a-z]{4}"), []string{"tables/patterns", "credential.key"}},
		"pattern that is no RE2": {set("patterns", "patterns", "regex", "key-(?=a)"), []string{"tables/patterns", "credential.key"}},
	}
	for field, value := range map[string]any{
		"measure": "cents", "scope": []any{}, "window_seconds": 0, "max": -1, "counts": "all", "on_exceed": "allow", "on_unavailable": "allow", "name": "",
	} {
		cases["limit with a bad "+field] = refusal{set("limits", "limits", field, value), []string{"tables/limits", field}}
	}
	for field, value := range map[string]any{
		"scope": []any{}, "name": "", "consecutive_failures": 0, "failure_rate_percent": 101, "rate_window_seconds": 3601, "minimum_calls": -1,
		"open_seconds": 86_401, "jitter_percent": 51, "probe_seconds": "5",
	} {
		cases["breaker with a bad "+field] = refusal{set("breakers", "breakers", field, value), []string{"tables/breakers"}}
	}
	cases["window of no rate"] = refusal{func(b *Bundle) {
		row := b.row("breakers", "breakers")
		row["consecutive_failures"], row["minimum_calls"] = 5, 5
	}, []string{"tables/breakers", "fails", "failure_rate_percent"}}
	checkRefusals(t, cases)
}

func TestEveryDefectIsNamedAtOnce(t *testing.T) {
	b := small(t)
	b.row("limits", "limits")["max"] = -1
	b.table("agents")["default_profile"] = "lax"
	b.table("memory")["ttl_seconds"] = 0
	_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
	wantError(t, err, "max", "lax", "ttl_seconds", "small")
}

func TestProfile(t *testing.T) {
	b := small(t)
	b.table("profiles")["profiles"] = []any{
		map[string]any{"name": "strict", "approve_high": "always", "tools": []any{"add"}},
		map[string]any{"name": "wide", "approve_high": "always", "tools": []any{"mail"}},
	}
	b.table("agents")["agents"] = []any{
		map[string]any{"agent": "both", "profile": "wide"}, map[string]any{"agent": "one", "tenant": "acme", "profile": "wide"},
	}
	tables := load(t, b).Tables
	for _, tc := range []struct {
		tenant, agent, profile string
		known                  bool
	}{
		{"acme", "both", "wide", true},
		{"other", "both", "wide", true},
		{"acme", "one", "wide", true},
		{"other", "one", "strict", false},
		{"acme", "nobody", "strict", false},
		{"acme", "", "strict", false},
		{"acme", "BOTH", "strict", false},
	} {
		profile, known := tables.Profile(tc.tenant, tc.agent)
		if profile != tc.profile || known != tc.known {
			t.Errorf("%s of %s: %s, known %v; want %s, %v", tc.agent, tc.tenant, profile, known, tc.profile, tc.known)
		}
	}
	if !tables.KnowsTool("mail") || !tables.KnowsTool("add") || tables.KnowsTool("Mail") || len(tables.ToolNames()) != 2 {
		t.Errorf("known tools: %v", tables.ToolNames())
	}
}
