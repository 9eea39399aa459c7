package notify

import (
	"context"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

var quiet = slog.New(slog.DiscardHandler)

// secretFile writes a key and returns its file.
func secretFile(t *testing.T, key string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("whsec_"+base64.StdEncoding.EncodeToString([]byte(key))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var testKey = strings.Repeat("k", 32)

func target(t *testing.T, url string) Target {
	t.Helper()
	return Target{Name: "soc", URL: url, Tenants: []string{"*"}, Keys: []Key{{"k1", secretFile(t, testKey)}}}
}

// names is a resolver that knows what it is told.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) (out []netip.Addr, err error) {
	for _, a := range n[host] {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// memory is a store of marks.
type memory struct {
	mu  sync.Mutex
	all map[string][]byte
	err error
}

func (m *memory) Records(context.Context, string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.all), m.err
}

func (m *memory) Swap(_ context.Context, _, key string, old, record []byte, _ int64) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, false, m.err
	}
	is, ok := m.all[key]
	if ok != (old != nil) || string(is) != string(old) {
		return is, false, nil
	}
	if m.all == nil {
		m.all = map[string][]byte{}
	}
	m.all[key] = record
	return record, true, nil
}

// open is a queue of approvals on a real store.
func open(t *testing.T, window int) *approval.Queue {
	t.Helper()
	store, err := embedded.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	asks, err := store.OpenApprovals(window)
	if err != nil {
		t.Fatal(err)
	}
	q, err := approval.New(approval.Config{MaxPendingPerAgent: 1000}, asks, plain{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

type plain struct{}

func (plain) Encrypt(_ string, _, text []byte) ([]byte, error) { return text, nil }
func (plain) Decrypt(_ string, _, text []byte) ([]byte, error) { return text, nil }

const secretArgument = "4111 1111 1111 1111"

func ask(t *testing.T, q *approval.Queue, tenant string) approval.Approval {
	t.Helper()
	a, err := q.Create(t.Context(), approval.Ask{
		Tenant: tenant, Agent: "billing", RequestedBy: "gateway", Kind: "tool_call", Tool: "send_email", Digest: "pc1:aa",
		BundleRevision: "r1", DecisionID: "d1", View: []byte(secretArgument), Action: []byte(secretArgument),
		Reasons: []approval.Reason{{Code: "SINK_UNKNOWN", Rule: "sinks", Message: "the receiver is not known", Severity: "high"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func reject(t *testing.T, q *approval.Queue, id string) {
	t.Helper()
	voter := approval.Voter{Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleApprover}}
	if _, err := q.SubmitVerdict(t.Context(), id, voter, approval.Ballot{Verdict: approval.Reject}); err != nil {
		t.Fatal(err)
	}
}
