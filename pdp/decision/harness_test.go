package decision

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/policies"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	gateway = identity.Caller{
		Subject: "gateway", Roles: []identity.Role{identity.RoleGateway}, Tenant: "default", Agents: []string{identity.AnyAgent},
		Method: "bearer", CredentialID: "c1",
	}
	errBroken = errors.New("broken on purpose")
)

// builtIn is the default bundle with the agents of development mode. Only what callers say counts as money, and adding up
// may be repeated: tests that are about estimates and loops bring their own tables.
var builtIn = sync.OnceValue(func() *policy.Bundle {
	base, err := policy.ReadFS(policies.FS, "default")
	if err != nil {
		panic(err)
	}
	demo, err := fs.Sub(bundles.Demo, "demo")
	if err != nil {
		panic(err)
	}
	over, err := policy.ReadFS(demo, "demo")
	if err != nil {
		panic(err)
	}
	for _, o := range []*policy.Bundle{over, {Source: "quiet", Data: map[string]any{"tables": map[string]any{
		"estimates": map[string]any{"estimates": []any{
			map[string]any{"name": "calls", "cost_micro_usd": 0}, map[string]any{"name": "model_outputs", "cost_micro_usd": 0, "tokens": 0},
		}},
		"loops": map[string]any{"exempt_tools": []any{"calculator"}},
	}}}} {
		if base, err = base.Overlay(o); err != nil {
			panic(err)
		}
	}
	return base
})

var builtInSnapshot = sync.OnceValue(func() *policy.Snapshot { return compiled(builtIn()) })

func compiled(b *policy.Bundle) *policy.Snapshot {
	tools, err := policy.NewToolchain(bundles.Capabilities, schema.Input)
	if err != nil {
		panic(err)
	}
	s, err := policy.Load(context.Background(), b, policy.LoadOptions{Toolchain: tools, SkipTests: true, Now: time.Now})
	if err != nil {
		panic(err)
	}
	return s
}

// tuned is the default bundle with tables laid over it, each as `tables` has them.
func tuned(tb testing.TB, tables map[string]any) *policy.Snapshot {
	tb.Helper()
	b, err := builtIn().Overlay(&policy.Bundle{Source: "tuned", Data: map[string]any{"tables": tables}})
	if err != nil {
		tb.Fatal(err)
	}
	return compiled(b)
}

// limitRow is a hard limit on calls.
func limitRow(name string, most int, more map[string]any) map[string]any {
	row := map[string]any{
		"name": name, "measure": "calls", "scope": []any{"session"}, "window_seconds": 60, "max": most,
		"counts": "allowed", "on_exceed": "deny", "on_unavailable": "deny",
	}
	maps.Copy(row, more)
	return row
}

func limitTable(rows ...any) map[string]any {
	return map[string]any{"limits": map[string]any{"limits": rows}}
}

// room is an engine over real rooms in a folder of its own, with a clock that stands until it is moved.
type room struct {
	t       testing.TB
	dir     string
	engine  *Engine
	rooms   Deps
	config  Config
	holder  policy.Holder
	records *faultyStore
	history *faultyStore
	ledger  *faultyLedger
	fuses   *faultyFuses
	asks    *faultyAsks
	log     *faultyLog
	heard   *observed
	close   func()

	mu  sync.Mutex
	now time.Time
}

func (r *room) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *room) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// began is when the clock of a room begins.
var began = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func newRoom(tb testing.TB, options ...func(*room)) *room {
	tb.Helper()
	r := &room{t: tb, dir: tb.TempDir(), now: began, heard: &observed{}}
	r.holder.Swap(builtInSnapshot())
	store := must[*embedded.Store](tb)(embedded.Open(r.dir))
	state := must[*embedded.KV](tb)(store.OpenKV("state"))
	evaluator := must[*policy.Evaluator](tb)(policy.NewEvaluator(10_000))
	source := ledger.Source{
		Wall: r.clock, Elapsed: func() time.Duration { return r.clock().Sub(began) }, Boot: func() (string, time.Duration) { return "", 0 },
	}
	counters := must[*embedded.Counters](tb)(store.OpenCounters(embedded.CountersConfig{}, source))
	r.records, r.history = &faultyStore{Records: state.Space("decision/")}, &faultyStore{Records: state.Space("session/")}
	r.ledger = &faultyLedger{Ledger: counters}
	r.asks = &faultyAsks{Store: must[*embedded.Approvals](tb)(store.OpenApprovals(approval.ReplayWindow))}
	keys := must[*seal.Keys](tb)(seal.LoadOrCreate(filepath.Join(tb.TempDir(), "key")))
	journal := must[*decisionlog.Log](tb)(decisionlog.Open(decisionlog.DefaultConfig(filepath.Join(r.dir, "decisions")), r.clock))
	r.log = &faultyLog{Log: journal}
	limits := must[*limit.Engine](tb)(limit.New(limit.Config{}, r.ledger, rand.Text()))
	shelf := must[*embedded.Records](tb)(store.OpenRecords(source))
	r.fuses = &faultyFuses{fuses: shelf}
	breakers := must[*breaker.Breakers](tb)(breaker.New(breaker.Config{}, r.fuses))
	r.rooms = Deps{
		Policies: &r.holder, Evaluator: evaluator, Limits: limits, Breakers: breakers,
		Sessions:  sessions(r, provenance.Config{}),
		Memory:    memory.New(must[*embedded.MemoryItems](tb)(store.OpenMemoryItems()), keys, r.clock),
		Approvals: must[*approval.Queue](tb)(approval.New(approval.Config{}, r.asks, keys, r.clock)),
		Switches:  must[*killswitch.Board](tb)(killswitch.Open(tb.Context(), store, r.clock)),
		Records:   r.records, Keys: keys, Log: r.log, Events: event.NewHub(r.clock), Observer: r.heard,
		Logger: slog.New(slog.DiscardHandler), Now: r.clock,
	}
	for _, o := range options {
		o(r)
	}
	r.config.EvalTimeout = cmp.Or(r.config.EvalTimeout, 10*time.Second) // the machine may be busy; the race detector is slow
	r.config.ScanTimeout = cmp.Or(r.config.ScanTimeout, 10*time.Second)
	r.engine = must[*Engine](tb)(New(r.config, r.rooms))
	r.close = sync.OnceFunc(func() {
		r.ledger.broken.Store(false)
		ctx := context.WithoutCancel(tb.Context())
		err := errors.Join(limits.Close(ctx), counters.Close(), shelf.Close(), journal.Close(ctx), state.Close(), store.Close())
		evaluator.Close()
		if err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	tb.Cleanup(r.close)
	return r
}

func sessions(r *room, cfg provenance.Config) *provenance.Sessions {
	r.t.Helper()
	s := must[*provenance.Sessions](r.t)(provenance.New(cfg, r.history, r.clock))
	r.t.Cleanup(s.Close)
	return s
}

func must[T any](tb testing.TB) func(v T, err error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// withTables lays tables over the default ones.
func withTables(tables map[string]any) func(*room) {
	return func(r *room) { r.holder.Swap(tuned(r.t, tables)) }
}

// call is a request to use a tool.
func call(agent, tool, arguments string) Request {
	req := Request{
		Principal: Principal{Tenant: "default", Agent: agent, Session: "s1"},
		Action:    action.Action{Kind: action.KindToolCall, Tool: tool},
	}
	if arguments != "" {
		args, err := action.ParseArguments(arguments, action.DefaultBounds())
		if err != nil {
			panic(err)
		}
		req.Action.Arguments, req.Action.ArgumentsBytes = args, len(arguments)
	}
	return req
}

// add is a call that the policies allow; mail one that they put to a person.
func add() Request { return call("demo-basic", "calculator", `{"sum": "2+2"}`) }

func mail() Request { return mailTo("ann@example.com") }

func mailTo(who string) Request {
	return call("demo-filtered", "send_email", `{"to": "`+who+`", "body": "Lunch?"}`)
}

// decide asks as the gateway.
func (r *room) decide(req Request) Response {
	r.t.Helper()
	resp, err := r.engine.Decide(r.t.Context(), gateway, req)
	if err != nil {
		r.t.Fatalf("decide: %v", err)
	}
	return resp
}

// want decides and checks the effect and that the code is among the reasons; an empty code wants none at all.
func (r *room) want(effect Effect, code string, req Request) Response {
	r.t.Helper()
	resp := r.decide(req)
	wantAnswer(r.t, resp, effect, code)
	return resp
}

func wantAnswer(tb testing.TB, resp Response, effect Effect, code string) {
	tb.Helper()
	if got := codes(resp.Reasons); resp.Effect != effect || code == "" && len(got) > 0 || code != "" && !slices.Contains(got, code) {
		tb.Fatalf("%s %v; want %s %s", resp.Effect, got, effect, code)
	}
}

// wantRefused decides and checks the reason of the error.
func (r *room) wantRefused(reason string, req Request) {
	r.t.Helper()
	resp, err := r.engine.Decide(r.t.Context(), gateway, req)
	if got := reasonOf(err); got != reason {
		r.t.Fatalf("%s %v, error %v; want the error %s", resp.Effect, codes(resp.Reasons), err, reason)
	}
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*approval.Error](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*action.Error](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*identity.MismatchError](err); ok {
		return "MISMATCH_" + strings.ToUpper(e.Field)
	}
	return ""
}

// approve lets somebody say yes, and returns the request that redeems it.
func (r *room) approve(req Request, asked Response) Request {
	r.t.Helper()
	if asked.Approval == nil {
		r.t.Fatalf("%s %v without an approval", asked.Effect, codes(asked.Reasons))
	}
	ann := approval.Voter{Subject: "ann", Tenant: "default", Roles: []identity.Role{identity.RoleApprover}}
	result, err := r.rooms.Approvals.SubmitVerdict(r.t.Context(), asked.Approval.ID, ann, approval.Ballot{Verdict: approval.Approve, ExpectedDigest: asked.ActionDigest})
	if err != nil || !result.Applied {
		r.t.Fatalf("approve: %+v, %v", result, err)
	}
	req.ApprovalID = asked.Approval.ID
	return req
}

// approved asks, lets somebody say yes, and returns the request that redeems it.
func (r *room) approved(req Request) Request {
	r.t.Helper()
	return r.approve(req, r.decide(req))
}

func (r *room) kill(s killswitch.Switch, on bool) {
	r.t.Helper()
	s.Tenant = "default"
	if _, err := r.rooms.Switches.Set(r.t.Context(), s, on); err != nil {
		r.t.Fatal(err)
	}
}

// used is how many units of a limit the subject of req has used.
func (r *room) used(name string, req Request) int64 {
	r.t.Helper()
	rows, _, err := r.rooms.Limits.Usage(r.t.Context(), "default", r.snapshot().Tables.LimitSet, limit.UsageFilter{Limit: name, Agent: req.Principal.Agent})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		if row.Subject.Session == "" || row.Subject.Session == req.Principal.Session {
			return row.Status.Used
		}
	}
	return 0
}

func (r *room) snapshot() *policy.Snapshot {
	r.t.Helper()
	return must[*policy.Snapshot](r.t)(r.holder.Active())
}

// report says what became of a decision.
func (r *room) report(resp Response, status OutcomeStatus, actual *action.Usage) OutcomeResult {
	r.t.Helper()
	return must[OutcomeResult](r.t)(r.engine.ReportOutcome(r.t.Context(), gateway, Outcome{resp.DecisionID, status, actual}))
}

// lines are the log's, of a type.
func (r *room) lines(kind decisionlog.Type) []decisionlog.Entry {
	r.t.Helper()
	var out []decisionlog.Entry
	for e, err := range decisionlog.Query(filepath.Join(r.dir, "decisions"), decisionlog.Filter{Type: kind}) {
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// observed counts what an Observer hears.
type observed struct {
	mu        sync.Mutex
	effects   map[Effect]int
	anomalies map[string]int
	breakers  []string
	limits    map[string]int // by name and outcome
}

func (o *observed) Decided(effect Effect, _ []string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.effects == nil {
		o.effects = map[Effect]int{}
	}
	o.effects[effect]++
}

func (o *observed) Anomaly(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.anomalies == nil {
		o.anomalies = map[string]int{}
	}
	o.anomalies[name]++
}

func (o *observed) Limited(name string, said LimitOutcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.limits == nil {
		o.limits = map[string]int{}
	}
	o.limits[name+" "+string(said)]++
}

// limited is what was heard of limits since it was asked last.
func (o *observed) limited() (out []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for said, n := range o.limits {
		out = append(out, fmt.Sprintf("%s %d", said, n))
	}
	o.limits = nil
	slices.Sort(out)
	return out
}

func (o *observed) BreakerChanged(state string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.breakers = append(o.breakers, state)
}
