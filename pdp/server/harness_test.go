package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. It is never waited out by a test that passes.
const patience = 20 * time.Second

// fakeEngine answers with what a test gives it.
type fakeEngine struct {
	decide  func(context.Context, identity.Caller, decision.Request) (decision.Response, error)
	outcome func(context.Context, identity.Caller, decision.Outcome) (decision.OutcomeResult, error)
	observe func(context.Context, identity.Caller, decision.Observation) (decision.Observed, error)
	// delegations are those that were asked for.
	delegations []decision.Delegation
}

func (e *fakeEngine) Decide(ctx context.Context, c identity.Caller, r decision.Request) (decision.Response, error) {
	if e.decide != nil {
		return e.decide(ctx, c, r)
	}
	return decision.Response{DecisionID: "d-1", Effect: decision.Allow, ActionDigest: "pc1:00", BundleRevision: "r1"}, nil
}

func (e *fakeEngine) DecideBatch(ctx context.Context, c identity.Caller, rs []decision.Request) []decision.Result {
	out := make([]decision.Result, len(rs))
	for i, r := range rs {
		out[i].Response, out[i].Err = e.Decide(ctx, c, r)
	}
	return out
}

func (e *fakeEngine) ReportOutcome(ctx context.Context, c identity.Caller, o decision.Outcome) (decision.OutcomeResult, error) {
	if e.outcome != nil {
		return e.outcome(ctx, c, o)
	}
	return decision.OutcomeResult{Applied: true}, nil
}

func (e *fakeEngine) Observe(ctx context.Context, c identity.Caller, o decision.Observation) (decision.Observed, error) {
	if e.observe != nil {
		return e.observe(ctx, c, o)
	}
	return decision.Observed{Whole: true}, nil
}

func (e *fakeEngine) Delegate(_ context.Context, _ identity.Caller, d decision.Delegation) (decision.Delegated, error) {
	e.delegations = append(e.delegations, d)
	return decision.Delegated{Token: "t", ID: "i", ExpiresAt: time.Unix(1_800_000_000, 0)}, nil
}

// fakeAdmin remembers what it was asked.
type fakeAdmin struct {
	mu         sync.Mutex
	hub        *event.Hub
	reloadErr  error
	recoverErr error
	ledger     LedgerReport
	switched   []killswitch.Switch
	tenants    []string
}

func (a *fakeAdmin) saw(tenant string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tenants = append(a.tenants, tenant)
}

func (a *fakeAdmin) Status(_ context.Context, tenant string) (StatusReport, error) {
	a.saw(tenant)
	return StatusReport{Version: "test", BundleRevision: "r1", Ledger: a.ledger}, nil
}

func (a *fakeAdmin) Reload(context.Context) (string, bool, error) { return "r1", false, a.reloadErr }

func (a *fakeAdmin) Usage(_ context.Context, tenant string, _ UsageFilter) (UsageReport, error) {
	a.saw(tenant)
	return UsageReport{Rows: []UsageRow{{Agent: "a", Booked: 7, Amnesia: true}}, Amnesia: true}, nil
}

func (a *fakeAdmin) RecoverLimits(_ context.Context, _ identity.Caller, tenant string) (bool, error) {
	a.saw(tenant)
	return a.recoverErr == nil, a.recoverErr
}

func (a *fakeAdmin) ResetBreaker(_ context.Context, _ identity.Caller, tenant, _, _ string) (int, error) {
	a.saw(tenant)
	return 1, nil
}

func (a *fakeAdmin) MintDelegation(_ context.Context, _ identity.Caller, tenant, _ string, _ decision.Delegation) (decision.Delegated, error) {
	a.saw(tenant)
	return decision.Delegated{Token: "t", ID: "i"}, nil
}

func (a *fakeAdmin) RevokeDelegation(_ context.Context, _ identity.Caller, tenant, _, _ string) (bool, error) {
	a.saw(tenant)
	return true, nil
}

func (a *fakeAdmin) SetKillSwitch(_ context.Context, _ identity.Caller, s killswitch.Switch, _ bool) ([]killswitch.Switch, int, error) {
	if s.Agent == "" && s.Session == "" && s.Tool == "" && !s.WholeTenant {
		return nil, 0, killswitch.ErrNothing
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.switched = append(a.switched, s)
	return a.switched, 2, nil
}

func (a *fakeAdmin) ListMemory(_ context.Context, of memory.Owner, _ string, _ int) (memory.Listing, error) {
	a.saw(of.Tenant)
	return memory.Listing{Items: []memory.Item{quarantinedItem}, Sequence: 7, All: memory.Usage{Items: 1, Bytes: 3}}, a.recoverErr
}

func (a *fakeAdmin) QuarantineMemory(_ context.Context, _ identity.Caller, of memory.Owner, _ memory.Quarantine, _ string) (int, int, error) {
	a.saw(of.Tenant)
	return 2, 1, a.recoverErr
}

func (a *fakeAdmin) RollbackMemory(_ context.Context, _ identity.Caller, of memory.Owner, _ memory.Since, _ string) ([]memory.Item, int, error) {
	a.saw(of.Tenant)
	return []memory.Item{quarantinedItem}, 3, a.recoverErr
}

// quarantinedItem has a good version, which is current, and a newer one in quarantine.
var quarantinedItem = memory.Item{ID: memory.ID{Layer: "long", Key: "k"}, Current: 1, Versions: []memory.Version{
	{Sequence: 1, Digest: "d1"}, {Sequence: 7, Digest: "d7", Labels: []string{memory.LabelUntrusted}, Quarantined: true},
}}

func (a *fakeAdmin) Events() *event.Hub { return a.hub }

// fakeTokens knows the tokens `agent`, `gateway`, `approver`, `auditor`, `admin`, `both` (agent and approver), and
// `other-` before any of them for another tenant.
type fakeTokens struct{}

func (fakeTokens) Authenticate(_ context.Context, header string) (identity.Caller, error) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return identity.Caller{}, identity.ErrBadCredential
	}
	c := identity.Caller{Subject: token, CredentialID: token, Tenant: "default", Method: "bearer"}
	role, other := strings.CutPrefix(token, "other-")
	if other {
		c.Tenant = "other"
	}
	switch role {
	case "agent":
		c.Agents = []string{"a"}
	case "gateway":
		c.Agents = []string{identity.AnyAgent}
	case "both":
		c.Agents, c.Roles = []string{"a"}, []identity.Role{identity.RoleAgent, identity.RoleApprover}
		return c, nil
	case "approver", "auditor", "admin":
	default:
		return identity.Caller{}, identity.ErrBadCredential
	}
	c.Roles = []identity.Role{identity.Role(role)}
	return c, nil
}

// fakeCheck is a condition whose state a test sets.
type fakeCheck struct {
	mu  sync.Mutex
	err error
}

func (c *fakeCheck) Name() string { return "bundle" }
func (c *fakeCheck) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *fakeCheck) set(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// lockedBuffer is a log that a test may read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// rig is a running server and all that stands behind it.
type rig struct {
	*Server
	t         *testing.T
	engine    *fakeEngine
	approvals *fakeApprovals
	admin     *fakeAdmin
	check     *fakeCheck
	logs      *lockedBuffer
	conn      *grpc.ClientConn
	deps      *Deps
	stop      context.CancelFunc
	done      chan struct{} // closed when Run has returned
	runErr    error         // then
}

func fakeDeps(t *testing.T) (*rig, Deps) {
	t.Helper()
	r := &rig{
		t: t, engine: &fakeEngine{}, approvals: newFakeApprovals(), check: &fakeCheck{}, logs: &lockedBuffer{},
		admin: &fakeAdmin{hub: event.NewHub(time.Now)},
	}
	return r, Deps{
		Engine: r.engine, Approvals: r.approvals, Admin: r.admin, Authenticator: fakeTokens{}, Checks: []Check{r.check},
		Metrics: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// start runs a server on loopback, changed as a test wants it, and ends it with the test.
func start(t *testing.T, change func(*Config, *rig)) *rig {
	t.Helper()
	r, deps := fakeDeps(t)
	cfg := Config{Listen: "127.0.0.1:0", DevMode: true, Heartbeat: time.Hour, HealthEvery: 5 * time.Millisecond, StreamWorkers: 4}
	r.deps = &deps
	if change != nil {
		change(&cfg, r)
	}
	srv, err := Complete(cfg, deps)
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	r.Server = srv
	ctx, stop := context.WithCancel(t.Context())
	r.stop, r.done = stop, make(chan struct{})
	go func() {
		defer close(r.done)
		r.runErr = srv.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if r.conn != nil {
			_ = r.conn.Close()
		}
		http.DefaultClient.CloseIdleConnections()
		if err := r.wait(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-srv.Listening():
	case <-r.done:
		t.Fatalf("Run: %v", r.runErr)
	}
	r.conn, err = grpc.NewClient(srv.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wait is what Run returned.
func (r *rig) wait() error {
	select {
	case <-r.done:
		return r.runErr
	case <-time.After(patience):
		return errors.New("Run did not return")
	}
}

// as is a context with a credential and an end.
func (r *rig) as(token string) context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func (r *rig) decisions() portcullisv1.DecisionServiceClient {
	return portcullisv1.NewDecisionServiceClient(r.conn)
}

func (r *rig) url(path string) string { return "http://" + r.Addr().String() + path }

// wire reads what is in an error on the other side of the wire.
func wire(err error) (code codes.Code, reason, field string) {
	st := status.Convert(err)
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				reason = d.GetReason()
			}
		case *errdetails.BadRequest:
			field = d.GetFieldViolations()[0].GetField()
		}
	}
	return st.Code(), reason, field
}

func wantWire(t *testing.T, err error, code codes.Code, reason, field string) {
	t.Helper()
	gotCode, gotReason, gotField := wire(err)
	if gotCode != code || gotReason != reason || gotField != field {
		t.Errorf("got %v %q field %q (%v), want %v %q field %q", gotCode, gotReason, gotField, err, code, reason, field)
	}
}

// toolCall is a question that nothing is wrong with.
func toolCall() *portcullisv1.DecideRequest {
	return &portcullisv1.DecideRequest{
		Principal: &portcullisv1.Principal{Agent: "a", Session: "s"},
		Action: &portcullisv1.Action{
			Kind: portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL, Tool: "calculator",
			Args: &portcullisv1.Action_ArgumentsJson{ArgumentsJson: `{"expression":"6*7"}`},
		},
	}
}

func dial(t *testing.T, r *rig) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
