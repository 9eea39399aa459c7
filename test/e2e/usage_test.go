package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// usageJSON is what scripts read of `limits --json`.
type usageJSON struct {
	Rows []struct {
		Status struct {
			Name, Measure, Used, Max, Period string
			ResetsAt                         string `json:"resets_at"`
			OnExceed                         string `json:"on_exceed"`
		}
		Agent, Session, Booked string
		Amnesia                *bool
	}
	Truncated *bool
}

func TestLimitsCommand(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	req := call("demo-basic", s, "calculator", "")
	req.Action.Estimate = &pb.Usage{CostMicroUsd: 2_500_001}
	a.wants(t, req, allow)
	a.wants(t, call("demo-basic", s+"-other", "calculator", ""), allow)

	table := p.cli(t, "limits", "--session", s).ok(t).out
	for _, want := range []string{
		"LIMIT ", "RESETS IN", "session_cost", "agent=demo-basic session=" + s, "[#####...............]", " 25% ", "$2.500001 / $10.00", "session_calls_per_minute",
		"1 / 100 calls", " deny\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if strings.Contains(table, "tenant_calls_per_minute") || strings.Contains(table, "-other") || strings.Contains(table, "\x1b") {
		t.Errorf("--session %s:\n%s", s, table)
	}
	if all := p.cli(t, "limits", "show").ok(t).out; !strings.Contains(all, "tenant_calls_per_minute") || !strings.Contains(all, s+"-other") {
		t.Errorf("all:\n%s", all)
	}
	if one := p.cli(t, "limits", "--agent", "demo-basic", "--limit", "agent_calls_per_minute").ok(t).out; strings.Count(one, "\n") != 2 {
		t.Errorf("one:\n%s", one)
	}
	if none := p.cli(t, "limits", "--agent", "nobody").ok(t).out; none != "nothing is in use\n" {
		t.Errorf("none: %s", none)
	}
	if cut := p.cli(t, "limits", "--max", "1").ok(t).out; !strings.Contains(cut, "more rows") {
		t.Errorf("--max 1:\n%s", cut)
	}
	if other := p.cli(t, "limits", "--tenant", "acme"); other.code != 1 || !strings.Contains(other.err, "TENANT_MISMATCH") {
		t.Errorf("another tenant: %d %s%s", other.code, other.out, other.err)
	}

	var got usageJSON
	out := p.cli(t, "limits", "--session", s, "--limit", "session_cost", "--json").ok(t).out
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Rows) != 1 || got.Truncated == nil || got.Rows[0].Amnesia == nil {
		t.Fatalf("%v %s", err, out)
	}
	row := got.Rows[0]
	if row.Status.Used != "2500001" || row.Status.Max != "10000000" || row.Status.Measure != "cost_micro_usd" || row.Status.OnExceed != "deny" ||
		row.Status.Period == "" || row.Booked == "" || row.Session != s {
		t.Errorf("%+v", row)
	}
}

// TestLimitsWatch: it shows what changes, and ends well when it is interrupted.
func TestLimitsWatch(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	a.wants(t, call("demo-basic", s, "calculator", ""), allow)
	cmd := p.command(t, context.Background(), "limits", "--watch", "--every", "500ms", "--json", "--session", s, "--limit", "session_calls_per_minute")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, used := bufio.NewScanner(out), map[string]bool{}
	for !used["2"] && lines.Scan() {
		var got usageJSON
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil || len(got.Rows) != 1 {
			t.Errorf("%v %s", err, lines.Text())
			break
		}
		if len(used) == 0 {
			a.wants(t, call("demo-basic", s, "calculator", ""), allow)
		}
		used[got.Rows[0].Status.Used] = true
	}
	if !used["1"] || !used["2"] {
		t.Errorf("it showed %v", used)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	for lines.Scan() { // to the end, so that it is not stopped by a full pipe
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

// TestRecoverLimits where nothing was lost, by those who may not, and without a word of confirmation.
func TestRecoverLimits(t *testing.T) {
	t.Parallel()
	p := start(t)
	watched := p.watch(t)
	if got := p.cli(t, "limits", "recover").ok(t); !strings.Contains(got.out, "nothing was lost") {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := p.cli(t, "limits", "recover", "--yes", "--json").ok(t).out; got != `{"recovered":false}`+"\n" {
		t.Errorf("--json: %s", got)
	}
	for _, file := range []string{p.agentToken(), p.approverToken()} {
		token := strings.TrimSpace(mustRead(t, file))
		if got := p.cli(t, "limits", "recover", "--yes", "--token", token); got.code != 1 || !strings.Contains(got.err, "ROLE_NOT_ALLOWED") {
			t.Errorf("%s: %d %s%s", file, got.code, got.out, got.err)
		}
	}
	if got := p.cli(t, "limits", "recover", "--yes", "--tenant", "acme"); got.code != 1 || !strings.Contains(got.err, "TENANT_MISMATCH") {
		t.Errorf("another tenant: %d %s%s", got.code, got.out, got.err)
	}
	eventually(t, 10*time.Second, "what was tried is on record", func() bool {
		return strings.Contains(p.cli(t, "log", "query", "--json").ok(t).out, `"limits_recovered"`)
	})
	if watched.has("EVENT_TYPE_LEDGER") {
		t.Error("nothing was recovered, and an event says so")
	}
	if out := p.cli(t, "status").ok(t).out; !strings.Contains(out, "\nledger     embedded, ") {
		t.Errorf("status:\n%s", out)
	}
}

// TestThreat_E5_MetricsNameNobody: nothing that a request brings along becomes a label.
func TestThreat_E5_MetricsNameNobody(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.agent(t)
	const mark = "marked-7f3a"
	marked := func(agent string, kind pb.ActionKind) *pb.DecideRequest {
		req := call(agent, mark+"-session", mark+"-tool", `{"`+mark+`": "`+mark+`"}`)
		req.RequestId, req.Principal.User, req.Principal.Run = mark+"-request-"+agent+kind.String(), mark+"-user", mark+"-run"
		req.Action.Kind, req.Action.CallId, req.Action.Server, req.Action.FromAgent = kind, mark+"-call", mark+"-server", mark+"-from"
		return req
	}
	for _, agent := range []string{"demo-basic", mark + "-agent"} {
		for kind := range pb.ActionKind_name {
			_, _ = a.Decide(t.Context(), marked(agent, pb.ActionKind(kind))) // whatever it says
		}
	}
	req := marked("demo-basic", pb.ActionKind_ACTION_KIND_TOOL_CALL)
	req.RequestId, req.Action.Tool = mark+"-last", "calculator"
	if answer := a.decide(t, req); len(answer.GetLimits()) == 0 {
		t.Error("no limit was looked at")
	}
	page := p.get(t, "/metrics")
	if !strings.Contains(page, `portcullis_limit_checks_total{limit="session_calls_per_minute",outcome="charged"}`) || !strings.Contains(page, "portcullis_ledger_up 1") {
		t.Errorf("the limits are not in the metrics:\n%s", page)
	}
	for line := range strings.Lines(page) {
		if strings.Contains(line, mark) {
			t.Errorf("the request is in the metrics: %s", line)
		}
	}
}
