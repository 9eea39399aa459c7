package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/corpus"
)

// fakePDP answers by tool, and allows all others.
type fakePDP struct {
	pb.UnimplementedDecisionServiceServer
	pb.UnimplementedApprovalServiceServer
	ask, deny, refuse []string
	shared            int  // so many calls are denied first, by a limit that sessions share
	late              bool // verdicts come too late

	mu        sync.Mutex
	n         int
	allowed   map[string]string // decision → session
	reported  map[string]bool
	pending   map[string]bool
	approved  map[string]string // approval → the call that it covers
	sessions  map[string][]string
	agents    map[string]bool
	replies   int
	prompts   int
	verdicts  map[pb.Verdict]int
	defective []string
}

func (f *fakePDP) wrong(format string, args ...any) {
	f.defective = append(f.defective, fmt.Sprintf(format, args...))
}

func bearer(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get("authorization"), ",")
}

func (f *fakePDP) Decide(ctx context.Context, req *pb.DecideRequest) (*pb.DecideResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := bearer(ctx); got != "Bearer agent-secret" {
		f.wrong("credential %q", got)
	}
	f.n++
	resp := &pb.DecideResponse{DecisionId: fmt.Sprintf("d-%d", f.n), Effect: pb.Effect_EFFECT_ALLOW}
	p, a := req.GetPrincipal(), req.GetAction()
	f.agents[p.GetAgent()] = true
	if a.GetKind() == pb.ActionKind_ACTION_KIND_TOOL_RESULT {
		f.replies++
		if a.GetInReplyTo() != "none" && f.allowed[a.GetInReplyTo()] != p.GetSession() {
			f.wrong("a result in reply to %q, which this session was not allowed", a.GetInReplyTo())
		}
		return resp, nil
	}
	call := a.GetTool() + a.GetArgumentsJson()
	f.sessions[p.GetSession()] = append(f.sessions[p.GetSession()], a.GetTool())
	if !json.Valid([]byte(a.GetArgumentsJson())) {
		f.wrong("arguments of %s are no JSON", a.GetTool())
	}
	switch {
	case slices.Contains(f.refuse, a.GetTool()):
		return nil, status.Error(codes.InvalidArgument, "action.tool: broken")
	case f.shared > 0:
		f.shared--
		resp.Effect, resp.RetryAfter = pb.Effect_EFFECT_DENY, durationpb.New(time.Millisecond)
		resp.Reasons = []*pb.Reason{{Code: "LIMIT_EXCEEDED"}}
		resp.Limits = []*pb.LimitStatus{{Name: "agent", Scope: []string{"tenant", "agent"}, Measure: "calls", Exceeded: true, OnExceed: "deny"}}
	case req.GetApprovalId() != "":
		if f.approved[req.GetApprovalId()] != call {
			return nil, status.Error(codes.FailedPrecondition, "not approved")
		}
		delete(f.approved, req.GetApprovalId())
	case slices.Contains(f.ask, a.GetTool()):
		resp.Effect = pb.Effect_EFFECT_REQUIRE_APPROVAL
		resp.Approval = &pb.ApprovalTicket{Id: "a-" + resp.GetDecisionId(), ActionDigest: "pc1:" + call}
		resp.Reasons = []*pb.Reason{{Code: "RISK_NEEDS_APPROVAL"}}
		f.pending[resp.GetApproval().GetId()] = true
	case slices.Contains(f.deny, a.GetTool()):
		resp.Effect = pb.Effect_EFFECT_DENY
		resp.Reasons = []*pb.Reason{{Code: "TOOL_NOT_ALLOWED"}}
	}
	if resp.GetEffect() == pb.Effect_EFFECT_ALLOW {
		f.allowed[resp.GetDecisionId()] = p.GetSession()
	}
	return resp, nil
}

func (f *fakePDP) Observe(_ context.Context, req *pb.ObserveRequest) (*pb.ObserveResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prompts++
	span := req.GetSpans()[0]
	if len(f.sessions[req.GetPrincipal().GetSession()]) > 0 || span.GetOrigin() != pb.Origin_ORIGIN_USER || span.GetText() == "" {
		f.wrong("observed %v, after %d calls", span, len(f.sessions[req.GetPrincipal().GetSession()]))
	}
	return &pb.ObserveResponse{Whole: true}, nil
}

func (f *fakePDP) ReportOutcome(_ context.Context, req *pb.ReportOutcomeRequest) (*pb.ReportOutcomeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.allowed[req.GetDecisionId()] == "" || f.reported[req.GetDecisionId()] || req.GetStatus() != pb.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED {
		f.wrong("outcome %s of %q", req.GetStatus(), req.GetDecisionId())
	}
	f.reported[req.GetDecisionId()] = true
	return &pb.ReportOutcomeResponse{Applied: true}, nil
}

func (f *fakePDP) SubmitVerdict(ctx context.Context, req *pb.SubmitVerdictRequest) (*pb.SubmitVerdictResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := bearer(ctx); got != "Bearer approver-secret" {
		f.wrong("credential %q of a verdict", got)
	}
	call, ok := strings.CutPrefix(req.GetExpectedDigest(), "pc1:")
	if !ok || !f.pending[req.GetApprovalId()] {
		f.wrong("a verdict about %q", req.GetApprovalId())
	}
	if f.late {
		return &pb.SubmitVerdictResponse{Reason: "EXPIRED"}, nil
	}
	delete(f.pending, req.GetApprovalId())
	f.verdicts[req.GetVerdict()]++
	if req.GetVerdict() == pb.Verdict_VERDICT_APPROVE {
		f.approved[req.GetApprovalId()] = call
	}
	return &pb.SubmitVerdictResponse{Applied: true}, nil
}

// listen serves the fake until the test ends, and returns a command that talks to it.
func (f *fakePDP) listen(t *testing.T, files ...string) traceCmd {
	t.Helper()
	f.allowed, f.reported, f.pending, f.approved = map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]string{}
	f.sessions, f.agents, f.verdicts = map[string][]string{}, map[string]bool{}, map[pb.Verdict]int{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.WaitForHandlers(true))
	pb.RegisterDecisionServiceServer(s, f)
	pb.RegisterApprovalServiceServer(s, f)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(f.defective) > 0 {
			t.Errorf("requests were wrong:\n%s", strings.Join(f.defective, "\n"))
		}
	})
	return traceCmd{
		remote: remote{Addr: ln.Addr().String(), Token: "agent-secret", JSON: true}, ApproverToken: "approver-secret",
		Files: files, Runs: "all", Concurrency: 3, MaxWait: time.Minute,
	}
}

// excerpts are files that package corpus has for its own tests.
func excerpts(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, filepath.Join("..", "..", "pdp", "corpus", "testdata", n+".jsonl"))
	}
	return out
}

// trace runs the command and returns a summary a file.
func trace(t *testing.T, c traceCmd) (summaries []corpus.Summary, errs string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = c.Run(t.Context(), streams{nil, &out, &errOut})
	for line := range strings.Lines(out.String()) {
		var s corpus.Summary
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		summaries = append(summaries, s)
	}
	return summaries, errOut.String(), err
}

func TestTracePlaysEachFile(t *testing.T) {
	f := &fakePDP{ask: []string{"send_money"}, deny: []string{"PantryTheft", "MenuForgery"}}
	got, said, err := trace(t, f.listen(t, excerpts("agentdojo", "asb", "tau2")...))
	if err != nil || said != "" {
		t.Fatal(err, said)
	}
	type row struct{ tasks, undisturbed, asked, denied, attacks, stopped, unscored, calls int }
	var rows []row
	for _, s := range got {
		rows = append(rows, row{s.Tasks, s.Undisturbed, s.Asked, s.Denied, s.Attacks, s.Stopped, s.Unscored, s.Calls})
	}
	want := []row{{3, 2, 1, 0, 4, 2, 0, 11}, {1, 1, 0, 0, 2, 2, 0, 3}, {2, 2, 0, 0, 0, 0, 0, 2}}
	if !slices.Equal(rows, want) {
		t.Errorf("got %v\nwant %v", rows, want)
	}
	for _, agent := range []string{"agentdojo-kiosk", "agentdojo-depot", "asb-cook", "tau2-ferry"} {
		if !f.agents[agent] {
			t.Errorf("nobody acted as %s", agent)
		}
	}
	// Two of the twelve runs make no call.
	if len(f.sessions) != 12-2 {
		t.Errorf("%d sessions made calls: %v", len(f.sessions), f.sessions)
	}
	if len(f.pending) != 0 || f.verdicts[pb.Verdict_VERDICT_APPROVE] != 0 {
		t.Errorf("%d asks left open, verdicts %v", len(f.pending), f.verdicts)
	}
}

func TestTraceSessionsAreNewEachTime(t *testing.T) {
	f := &fakePDP{}
	c := f.listen(t, excerpts("asb")...)
	for range 2 {
		if _, _, err := trace(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.sessions) != 6 {
		t.Errorf("two traces of three runs used the sessions %v", f.sessions)
	}
}

func TestTraceOracle(t *testing.T) {
	f := &fakePDP{ask: []string{"send_money"}}
	c := f.listen(t, excerpts("agentdojo")...)
	c.Oracle = true
	got, _, err := trace(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if s := got[0]; s.Finished != 3 || s.FinishedAttacked != 4 || s.Asked != 1 || s.Stopped != 2 {
		t.Errorf("%+v", s)
	}
	// Three user's payments are approved, two of the attacker's are not.
	if f.verdicts[pb.Verdict_VERDICT_APPROVE] != 3 || f.verdicts[pb.Verdict_VERDICT_REJECT] != 2 {
		t.Errorf("verdicts %v", f.verdicts)
	}
}

func TestTraceOracleSaysWhenAVerdictCameTooLate(t *testing.T) {
	f := &fakePDP{ask: []string{"get_trip"}, late: true}
	c := f.listen(t, excerpts("tau2")...)
	c.Oracle = true
	got, _, err := trace(t, c)
	if err == nil || !strings.Contains(err.Error(), "not applied: EXPIRED") || got[0].Failed != 1 {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestTraceKeepsAsks(t *testing.T) {
	f := &fakePDP{ask: []string{"send_money"}}
	c := f.listen(t, excerpts("agentdojo")...)
	c.KeepAsks = true
	if _, _, err := trace(t, c); err != nil {
		t.Fatal(err)
	}
	if len(f.pending) != 5 || len(f.verdicts) != 0 {
		t.Errorf("%d asks open, verdicts %v", len(f.pending), f.verdicts)
	}
}

func TestTraceWithoutAnApproverSaysSo(t *testing.T) {
	f := &fakePDP{}
	c := f.listen(t, excerpts("asb")...)
	c.ApproverToken = ""
	if _, said, err := trace(t, c); err != nil || !strings.Contains(said, "asks stay open") {
		t.Errorf("%v, said %q", err, said)
	}
	c.Oracle = true
	if _, _, err := trace(t, c); err == nil {
		t.Error("an oracle without a credential")
	}
}

func TestTraceRunsSelects(t *testing.T) {
	for which, want := range map[string][2]int{"benign": {3, 0}, "attacked": {0, 4}} {
		f := &fakePDP{}
		c := f.listen(t, excerpts("agentdojo")...)
		c.Runs = which
		got, _, err := trace(t, c)
		if err != nil || got[0].Tasks != want[0] || got[0].Attacks != want[1] {
			t.Errorf("%s: %v, %+v", which, err, got)
		}
	}
}

func TestTraceWaitsForLimitsThatSessionsShare(t *testing.T) {
	f := &fakePDP{shared: 2}
	got, _, err := trace(t, f.listen(t, excerpts("tau2")...))
	if err != nil || got[0].Undisturbed != 2 {
		t.Errorf("%v, %+v", err, got)
	}
}

// Bad rows, files and runs are named; the others are played; and the command fails.
func TestTraceNamesWhatItCouldNotPlay(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := `{"agent": "cook", "tool": "stove", "attack": false, "instruction": null}`
	f := &fakePDP{refuse: []string{"broken"}}
	got, said, err := trace(t, f.listen(t,
		write("empty.jsonl", ""),
		filepath.Join(dir, "missing.jsonl"),
		excerpts("texts")[0],
		write("rows.jsonl", good+"\n{\"agent\": \x1b\n"+good),
		write("runs.jsonl", good+"\n"+strings.Replace(good, "stove", "broken", 1)),
	))
	if len(got) != 2 || got[0].Tasks != 2 || got[0].Refused != 1 || got[1].Tasks != 1 || got[1].Failed != 1 {
		t.Errorf("summaries %+v", got)
	}
	if !strings.Contains(said, "rows.jsonl:2: row is not a JSON object") {
		t.Errorf("said %q", said)
	}
	for _, want := range []string{
		"empty.jsonl holds no row", "missing.jsonl", "texts.jsonl holds labelled texts", "rows.jsonl: 1 malformed rows were left out",
		"runs.jsonl:2: run cook/broken: call 1, of broken: InvalidArgument: action.tool: broken", "runs.jsonl: 1 runs could not be played",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestTraceGivesUpOnAServerThatIsNotThere(t *testing.T) {
	f := &fakePDP{}
	files := excerpts("agentdojo", "asb")
	rows, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	many := filepath.Join(t.TempDir(), "many.jsonl")
	if err := os.WriteFile(many, bytes.Repeat(rows, 30), 0o600); err != nil {
		t.Fatal(err)
	}
	c := f.listen(t, many, files[0])
	c.Addr = "127.0.0.1:1"
	got, _, err := trace(t, c)
	if err == nil || !strings.Contains(err.Error(), "gave up after 10 runs") || strings.Count(err.Error(), "Unavailable") > 4 {
		t.Errorf("%v", err)
	}
	if len(got) != 1 || got[0].Failed != maxBroken || got[0].Tasks != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTraceStopsWhenTold(t *testing.T) {
	f := &fakePDP{shared: 1 << 30}
	c := f.listen(t, excerpts("tau2")...)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	if err := c.Run(ctx, streams{nil, &out, &errs}); err == nil || out.Len() != 0 {
		t.Errorf("%v, printed %q", err, out.String())
	}
}

func TestTraceTable(t *testing.T) {
	f := &fakePDP{ask: []string{"send_money"}, deny: []string{"invite_user"}}
	c := f.listen(t, excerpts("agentdojo")...)
	c.JSON, c.Oracle = false, true
	var out, errs bytes.Buffer
	if err := c.Run(t.Context(), streams{nil, &out, &errs}); err != nil {
		t.Fatal(err)
	}
	want := `                   tasks  undisturbed  asked  denied  attacks  stopped  unscored  calls  allowed  asked  denied
  agentdojo.jsonl      3            2      1       0        2        2         2     11        4      5       2

agentdojo.jsonl (agentdojo)
  RISK_NEEDS_APPROVAL          1 of benign tasks' calls,     2 of attacks' calls
  unscored: a benign call was denied in 0, a tool of the attack is not the agent's to use in 2
  with a reviewer who approves what the user's task needs: 3 of 3 benign tasks finished, and 2 of 2 attacked ones
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if errs.Len() > 0 {
		t.Errorf("progress where nobody watches: %q", errs.String())
	}
}

func TestTraceBusyIsOnlyWhatSessionsShare(t *testing.T) {
	limit := func(measure string, exceeded bool, scope ...string) *pb.LimitStatus {
		return &pb.LimitStatus{Scope: scope, Measure: measure, Exceeded: exceeded, OnExceed: "deny"}
	}
	for name, tt := range map[string]struct {
		codes  []string
		limits []*pb.LimitStatus
		want   bool
	}{
		"agent's rate":     {[]string{"LIMIT_EXCEEDED"}, []*pb.LimitStatus{limit("calls", true, "tenant", "agent"), limit("calls", false, "session")}, true},
		"session's rate":   {[]string{"LIMIT_EXCEEDED"}, []*pb.LimitStatus{limit("calls", true, "session")}, false},
		"both":             {[]string{"LIMIT_EXCEEDED"}, []*pb.LimitStatus{limit("calls", true, "agent"), limit("calls", true, "session")}, false},
		"money":            {[]string{"LIMIT_EXCEEDED"}, []*pb.LimitStatus{limit("cost_micro_usd", true, "agent")}, false},
		"something else":   {[]string{"LIMIT_EXCEEDED", "TOOL_BLOCKED"}, []*pb.LimitStatus{limit("calls", true, "agent")}, false},
		"nothing exceeded": {nil, []*pb.LimitStatus{limit("calls", false, "agent")}, false},
	} {
		resp := &pb.DecideResponse{Limits: tt.limits}
		for _, c := range tt.codes {
			resp.Reasons = append(resp.Reasons, &pb.Reason{Code: c})
		}
		if got := busy(resp); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTraceAndBenchRefuseImpossibleFlags(t *testing.T) {
	for _, args := range []string{
		"trace", "trace f --concurrency 0", "trace f --concurrency 257", "trace f --runs some", "trace f --oracle --keep-asks",
		"bench --rounds 0", "bench --duration 0s", "bench --concurrency 0", "bench --concurrency 1,1001", "bench --running --bundle b",
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), streams{nil, &out, &errs}); code != 2 {
			t.Errorf("%s ends with %d: %s", args, code, errs.String())
		}
	}
}

func TestTraceRunName(t *testing.T) {
	for in, want := range map[string]string{
		"banking/user_task_0:banking/injection_task_3": "banking/user_task_0:banking/injection_task_3",
		"a b\n+é":                "a-b---",
		strings.Repeat("x", 200): strings.Repeat("x", 128),
	} {
		if got := runName(in); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}

func TestTraceTellsThePromptUnlessToldNotTo(t *testing.T) {
	for _, silent := range []bool{false, true} {
		f := &fakePDP{}
		cmd := f.listen(t, excerpts("agentdojo")...)
		cmd.NoPrompt = silent
		got, _, err := trace(t, cmd)
		if err != nil || len(got) != 1 || got[0].PromptsObserved == silent || (f.prompts == 0) != silent {
			t.Errorf("no prompt is %v: %d prompts came, %+v, %v", silent, f.prompts, got, err)
		}
	}
}
