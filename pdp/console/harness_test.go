package console

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// fakeDesk has the credentials and approvals that a test gives it, and remembers what would have changed something.
type fakeDesk struct {
	mu      sync.Mutex
	callers map[string]identity.Caller // by header
	asks    map[string]*pb.Approval
	pages   []*pb.ReviewView // of every ask
	acts    []string
	verdict *pb.SubmitVerdictRequest // the last
	refuse  error                    // what verdicts are refused with
	applied bool
	down    error // what Who fails with
}

func (d *fakeDesk) Who(_ context.Context, c Credential) (identity.Caller, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return identity.Caller{}, d.down
	}
	who, ok := d.callers[c.Header]
	if !ok {
		return identity.Caller{}, &Refusal{Unknown, "BAD_CREDENTIAL", "the credential is not valid"}
	}
	if identity.Allowed(who, identity.RoleAgent, identity.RoleGateway) {
		return identity.Caller{}, &Refusal{Forbidden, "ROLE_NOT_ALLOWED", "the credential has no role that may call this method"}
	}
	return who, nil
}

func (d *fakeDesk) ListApprovals(_ context.Context, _ Credential, in *pb.ListApprovalsRequest) (*pb.ListApprovalsResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &pb.ListApprovalsResponse{}
	for _, a := range d.asks {
		if len(in.GetStates()) == 0 || pending(a) {
			out.Approvals = append(out.Approvals, a)
		}
	}
	return out, nil
}

func (d *fakeDesk) GetApproval(_ context.Context, _ Credential, in *pb.GetApprovalRequest) (*pb.GetApprovalResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.asks[in.GetApprovalId()]
	if a == nil {
		return nil, errMissing
	}
	out := &pb.GetApprovalResponse{Approval: a}
	if pending(a) {
		out.View = d.page(in.GetOffset())
	}
	return out, nil
}

func (d *fakeDesk) page(offset int64) *pb.ReviewView {
	for _, p := range d.pages {
		if p.GetOffset() == offset {
			return p
		}
	}
	return &pb.ReviewView{Offset: offset}
}

func (d *fakeDesk) RevealApproval(_ context.Context, _ Credential, in *pb.RevealApprovalRequest) (*pb.RevealApprovalResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, fmt.Sprintf("reveal %s %d %s", in.GetApprovalId(), in.GetOffset(), in.GetReason()))
	return &pb.RevealApprovalResponse{View: &pb.ReviewView{ActionJson: "SECRET", Offset: in.GetOffset()}}, d.refuse
}

func (d *fakeDesk) SubmitVerdict(_ context.Context, _ Credential, in *pb.SubmitVerdictRequest) (*pb.SubmitVerdictResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.verdict = in
	d.acts = append(d.acts, fmt.Sprintf("%s %s %s", in.GetVerdict(), in.GetApprovalId(), in.GetComment()))
	if d.refuse != nil {
		return nil, d.refuse
	}
	a := d.asks[in.GetApprovalId()]
	if !d.applied {
		if pending(a) {
			return &pb.SubmitVerdictResponse{Approval: a, Reason: "ALREADY_VOTED"}, nil
		}
		return &pb.SubmitVerdictResponse{Approval: a, Reason: "APPROVAL_EXPIRED"}, nil
	}
	a.State = pb.ApprovalState_APPROVAL_STATE_APPROVED
	if in.GetVerdict() == pb.Verdict_VERDICT_REJECT {
		a.State = pb.ApprovalState_APPROVAL_STATE_REJECTED
	}
	return &pb.SubmitVerdictResponse{Approval: a, Applied: true}, nil
}

func (d *fakeDesk) CancelApproval(_ context.Context, _ Credential, in *pb.CancelApprovalRequest) (*pb.CancelApprovalResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, "withdraw "+in.GetApprovalId()+" "+in.GetReason())
	return &pb.CancelApprovalResponse{Approval: d.asks[in.GetApprovalId()], Applied: true}, nil
}

// done is what would have changed something, since it was asked last.
func (d *fakeDesk) done() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.acts
	d.acts = nil
	return out
}

const (
	askID  = "01a2151f-26c3-757a-b64f-d54722c084dc"
	digest = "pc1:aa"
	host   = "127.0.0.1:7080"
)

// bench is a console with its desk and clock. Ann approves, Olga audits, Bob is another approver; the key `agent` is a machine's.
type bench struct {
	*Console
	t    *testing.T
	desk *fakeDesk
	now  time.Time
	tls  *tls.ConnectionState
}

func newBench(t *testing.T) *bench {
	t.Helper()
	person := func(name string, role identity.Role) identity.Caller {
		return identity.Caller{Subject: name, Person: name, CredentialID: name + "-1", Tenant: "acme", Roles: []identity.Role{role}, Method: "bearer"}
	}
	b := &bench{t: t, now: time.Unix(1_800_000_000, 0), desk: &fakeDesk{
		applied: true,
		callers: map[string]identity.Caller{
			"Bearer ann": person("ann", identity.RoleApprover), "Bearer bob": person("bob", identity.RoleApprover),
			"Bearer olga": person("olga", identity.RoleAuditor), "Bearer agent": person("mailer", identity.RoleAgent),
		},
		asks: map[string]*pb.Approval{askID: {
			Id: askID, State: pb.ApprovalState_APPROVAL_STATE_PENDING, Kind: pb.ActionKind_ACTION_KIND_TOOL_CALL, Tool: "send_email", ActionDigest: digest,
			Principal: &pb.Principal{Tenant: "acme", Agent: "mailer", Session: "s1"}, Quorum: 1, ApprovalsMissing: 1, Sequence: 1,
			Reasons:   []*pb.Reason{{Code: "RISK_NEEDS_APPROVAL", Message: "It is a risk.", Severity: pb.Severity_SEVERITY_HIGH}},
			CreatedAt: timestamppb.New(time.Unix(1_799_999_990, 0)), ExpiresAt: timestamppb.New(time.Unix(1_800_000_290, 0)),
		}},
		pages: []*pb.ReviewView{{ActionJson: `{"to":"x"}`, ActionBytes: 10, Masked: 1}},
	}}
	b.Console = New(Config{
		Named: func(h string) bool { return h == "127.0.0.1" || strings.EqualFold(h, "portcullis.example") }, SecureHost: "portcullis.example",
		Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler),
	}, b.desk)
	return b
}

// browser is what a person has open: it keeps the cookie.
type browser struct {
	b      *bench
	host   string
	base   string // of the session's paths
	cookie *http.Cookie
	header map[string]string
}

func (b *bench) browser() *browser { return &browser{b: b, host: host} }

// signedIn is a browser of somebody with that key.
func (b *bench) signedIn(key string) *browser {
	b.t.Helper()
	br := b.browser()
	if got := br.post("/sign-in", url.Values{"credential": {key}}); got.Code != http.StatusSeeOther || br.cookie == nil {
		b.t.Fatalf("%s is not signed in: %d %s", key, got.Code, got.Body)
	}
	return br
}

func (br *browser) send(method, target, kind string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(br.b.t.Context(), method, br.base+target, body)
	r.Host, r.TLS = br.host, br.b.tls
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range br.header {
		r.Header.Set(name, value)
	}
	if br.cookie != nil {
		r.AddCookie(br.cookie)
	}
	w := httptest.NewRecorder()
	br.b.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if br.cookie = c; c.MaxAge < 0 {
			br.cookie = nil
		}
	}
	if at, _, found := strings.Cut(w.Header().Get("Location"), Home); found && target == "/sign-in" && method == http.MethodPost {
		br.base = at
	}
	return w
}

func (br *browser) get(target string) *httptest.ResponseRecorder {
	return br.send(http.MethodGet, target, "", nil)
}

func (br *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	return br.send(http.MethodPost, target, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// formOf is the first form of a page that goes to an address.
func formOf(t *testing.T, page, action string) url.Values {
	t.Helper()
	_, after, found := strings.Cut(page, `action="`+action+`">`)
	if !found {
		t.Fatalf("no form for %s in\n%s", action, page)
	}
	inside, _, _ := strings.Cut(after, "</form>")
	out := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(inside, -1) {
		out.Set(m[1], m[2])
	}
	return out
}

// form is that of the page of the ask.
func (br *browser) form(act string) url.Values {
	br.b.t.Helper()
	page := br.get(Home + "/" + askID)
	return formOf(br.b.t, page.Body.String(), br.base+Home+"/"+askID+"/"+act)
}

func shows(t *testing.T, got *httptest.ResponseRecorder, status int, what ...string) {
	t.Helper()
	if got.Code != status {
		t.Errorf("status %d, want %d:\n%s", got.Code, status, got.Body)
	}
	for _, w := range what {
		if !strings.Contains(got.Body.String(), w) {
			t.Errorf("no %q in\n%s", w, got.Body)
		}
	}
}
