package approval_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

func TestMain(m *testing.M) {
	if where := os.Getenv(deskVariable); where != "" {
		desk(where)
		return
	}
	goleak.VerifyTestMain(m)
}

const canary = "canary-argument-7391"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// handClock is moved by hand.
type handClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a queue on a real store, with a clock moved by hand.
type world struct {
	*approval.Queue
	t     *testing.T
	cfg   approval.Config
	clock *handClock
	keys  *seal.Keys
	dir   string
	db    *embedded.Store
	store *embedded.Approvals
}

func newWorld(t *testing.T, cfg approval.Config) *world {
	t.Helper()
	keys, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cfg: cfg, clock: &handClock{t: start}, keys: keys, dir: t.TempDir()}
	w.open(approval.ReplayWindow)
	return w
}

func (w *world) open(window int) {
	w.t.Helper()
	var err error
	if w.db, err = embedded.Open(w.dir); err != nil {
		w.t.Fatal(err)
	}
	db := w.db
	w.t.Cleanup(func() { _ = db.Close() })
	if w.store, err = w.db.OpenApprovals(window); err != nil {
		w.t.Fatal(err)
	}
	if w.Queue, err = approval.New(w.cfg, w.store, w.keys, w.clock.now); err != nil {
		w.t.Fatal(err)
	}
}

// crash is another world on a copy of the files as they lie on disk at this moment, with nothing shut down: what a
// kill -9 leaves.
func (w *world) crash() *world {
	w.t.Helper()
	after := &world{t: w.t, cfg: w.cfg, clock: &handClock{t: w.clock.now()}, keys: w.keys, dir: w.t.TempDir()}
	if err := os.CopyFS(after.dir, os.DirFS(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	after.open(approval.ReplayWindow)
	return after
}

func ask() approval.Ask {
	return approval.Ask{
		Tenant: "acme", Agent: "bot", Session: "s1", Run: "r1", User: "uma", RequestedBy: "gateway-1",
		Kind: "tool_call", Tool: "send_email", Server: "mail", SchemaDigest: "sd1", Digest: "pc1:aa", BundleRevision: "rev1",
		Reasons: []approval.Reason{{Code: "HIGH_RISK", Rule: "risk.high", Message: "High risk.", Severity: "high"}},
		Rules:   []string{"risk.high"}, DecisionID: "d-ask",
		View: []byte(`{"view":"` + canary + `"}`), Action: []byte(`{"to":"` + canary + `"}`),
		EstimateCostMicroUSD: 100, EstimateTokens: 10,
	}
}

func redemption() approval.Redemption {
	a := ask()
	return approval.Redemption{
		Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, User: a.User, RequestedBy: a.RequestedBy,
		Digest: a.Digest, Tool: a.Tool, SchemaDigest: a.SchemaDigest, BundleRevision: a.BundleRevision,
		EstimateCostMicroUSD: a.EstimateCostMicroUSD, EstimateTokens: a.EstimateTokens,
	}
}

func person(name string) approval.Voter {
	return approval.Voter{Subject: name, Tenant: "acme", Roles: []identity.Role{identity.RoleApprover}}
}

func (w *world) ask(change ...func(*approval.Ask)) approval.Approval {
	w.t.Helper()
	a := ask()
	for _, c := range change {
		c(&a)
	}
	created, err := w.Create(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	return created
}

func quorum(n int) func(*approval.Ask) { return func(a *approval.Ask) { a.Quorum = n } }

func (w *world) vote(id, who string, v approval.Verdict) approval.Result {
	w.t.Helper()
	r, err := w.SubmitVerdict(w.t.Context(), id, person(who), approval.Ballot{Verdict: v})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) get(id string) approval.Approval {
	w.t.Helper()
	a, err := w.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) wantState(id string, want approval.State) {
	w.t.Helper()
	if got := w.get(id).State; got != want {
		w.t.Fatalf("state is %s, want %s", got, want)
	}
}

func (w *world) wantUse(id string, want approval.Use) {
	w.t.Helper()
	if got := w.get(id).Use; got != want {
		w.t.Fatalf("use is %q, want %q", got, want)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}
