package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/console"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// browser is a person's, before the console of a running server. It goes where it is sent.
type browser struct {
	*http.Client
	t    *testing.T
	base string // with the place of the session, once somebody is signed in
}

// withConsole starts a server with a console on loopback.
func withConsole(t *testing.T, change func(*Config, *rig)) *rig {
	t.Helper()
	return start(t, func(c *Config, r *rig) {
		c.Console = "127.0.0.1:0"
		if change != nil {
			change(c, r)
		}
	})
}

func newBrowser(t *testing.T, base string, secure *tls.Config) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: secure}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{&http.Client{Jar: jar, Transport: transport, Timeout: patience}, t, base}
}

func (b *browser) read(resp *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if at := resp.Request.URL; strings.HasPrefix(at.Path, "/~") {
		before, _, _ := strings.Cut(at.Path, "/approvals")
		if base := at.Scheme + "://" + at.Host + before; b.base != base { // several tabs only read it
			b.base = base
		}
	}
	return resp.StatusCode, string(text)
}

func (b *browser) open(path string) (int, string) {
	b.t.Helper()
	return b.read(b.Get(b.base + path))
}

func (b *browser) send(path string, form url.Values) (int, string) {
	b.t.Helper()
	return b.read(b.PostForm(b.base+path, form))
}

// signIn signs in, and leads to the list.
func (b *browser) signIn(key string) (int, string) {
	b.t.Helper()
	return b.send("/sign-in", url.Values{"credential": {key}})
}

func signedIn(t *testing.T, r *rig, key string) *browser {
	t.Helper()
	b := newBrowser(t, r.Console(), nil)
	if status, page := b.signIn(key); status != http.StatusOK || !strings.Contains(page, "<h1>Waiting</h1>") {
		t.Fatalf("%s is not signed in: %d\n%s", key, status, page)
	}
	return b
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// verdict is the form of an ask's page, filled in.
func (b *browser) verdict(id, says string) url.Values {
	b.t.Helper()
	status, page := b.open("/approvals/" + id)
	_, form, found := strings.Cut(page, `/verdict">`)
	if status != http.StatusOK || !found {
		b.t.Fatalf("no form for a verdict: %d\n%s", status, page)
	}
	form, _, _ = strings.Cut(form, "</form>")
	out := url.Values{"verdict": {says}, "comment": {"seen"}}
	for _, m := range hiddenField.FindAllStringSubmatch(form, -1) {
		out.Set(m[1], m[2])
	}
	return out
}

// revocable are the tokens of the harness, of which some can be taken away or given other rights.
type revocable struct {
	fakeTokens
	mu   sync.Mutex
	gone map[string]bool
}

func (a *revocable) Authenticate(ctx context.Context, header string) (identity.Caller, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone[header] {
		return identity.Caller{}, identity.ErrBadCredential
	}
	return a.fakeTokens.Authenticate(ctx, header)
}

func (a *revocable) revoke(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone["Bearer "+token] = true
}

func TestApproveOnTheConsole(t *testing.T) {
	r := withConsole(t, nil)
	r.approvals.add(askID)
	stream, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: askID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	b := signedIn(t, r, "approver")
	if _, list := b.open("/approvals"); !strings.Contains(list, "/approvals/"+askID) {
		t.Fatalf("the ask is not on the list:\n%s", list)
	}
	form := b.verdict(askID, "approve")
	if status, page := b.send("/approvals/"+askID+"/verdict", form); status != 200 || !strings.Contains(page, "<h1>Approved</h1>") {
		t.Fatalf("%d\n%s", status, page)
	}
	heard, err := stream.Recv()
	if err != nil || heard.GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED || heard.GetComment() != "seen" {
		t.Errorf("the agent heard %v, %v", heard, err)
	}
	if status, page := b.send("/approvals/"+askID+"/verdict", form); status != http.StatusConflict || !strings.Contains(page, "nothing was changed") {
		t.Errorf("a second click: %d\n%s", status, page)
	}
	if logged := r.logs.String(); !strings.Contains(logged, "method=/portcullis.v1.ApprovalService/SubmitVerdict") || !strings.Contains(logged, "subject=approver") || !strings.Contains(logged, "via=console") {
		t.Errorf("the log does not say who did what by which way:\n%s", logged)
	}
}

// TestThreat_B12_NoMachineSignsIn to the console, and none learns why.
func TestThreat_B12_NoMachineSignsIn(t *testing.T) {
	r := withConsole(t, nil)
	var answers []string
	for _, key := range []string{"agent", "gateway", "both", "nobody", ""} {
		b := newBrowser(t, r.Console(), nil)
		status, page := b.signIn(key)
		answers = append(answers, page)
		at, _ := url.Parse(r.Console())
		if status != http.StatusUnauthorized || len(b.Jar.Cookies(at)) > 0 || page != answers[0] {
			t.Errorf("%s: status %d, or another page", key, status)
		}
	}
}

// TestThreat_B6_WhoAskedCannotApproveOnAPage.
func TestThreat_B6_WhoAskedCannotApproveOnAPage(t *testing.T) {
	r := withConsole(t, nil)
	r.approvals.add(askID, func(a *approval.Approval) { a.RequestedBy = "approver" })
	b := signedIn(t, r, "approver")
	status, page := b.send("/approvals/"+askID+"/verdict", b.verdict(askID, "approve"))
	if status != http.StatusForbidden || !strings.Contains(page, "SELF_APPROVAL") || len(r.approvals.comments) > 0 {
		t.Errorf("status %d\n%s", status, page)
	}
}

// TestTheConsoleIsNoOtherWay: what the contract refuses to a credential, the console refuses to it.
func TestTheConsoleIsNoOtherWay(t *testing.T) {
	t.Run("other tenants", func(t *testing.T) {
		r := withConsole(t, nil)
		r.approvals.add(askID)
		b := signedIn(t, r, "other-approver")
		if _, list := b.open("/approvals?show=all"); strings.Contains(list, askID) {
			t.Error("the list has another tenant's ask")
		}
		if status, page := b.open("/approvals/" + askID); status != http.StatusNotFound || strings.Contains(page, "send_email") {
			t.Errorf("another tenant's ask: %d\n%s", status, page)
		}
	})
	for name, c := range map[string]struct {
		reason    string
		meanwhile func(*rig)
		status    int
	}{
		"an action that changed": {meanwhile: func(r *rig) { r.change(askID, func(a *approval.Approval) { a.Digest = "pc1:bb" }) }, status: 409, reason: "DIGEST_MISMATCH"},
		"an ask that ended": {meanwhile: func(r *rig) {
			r.change(askID, func(a *approval.Approval) { a.State = approval.Approved })
		}, status: 409, reason: "APPROVAL_APPROVED"},
		"the store is down": {meanwhile: func(r *rig) { r.approvals.mu.Lock(); r.approvals.err = errBroken; r.approvals.mu.Unlock() }, status: 500, reason: "INTERNAL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := withConsole(t, nil)
			r.approvals.add(askID)
			b := signedIn(t, r, "approver")
			form := b.verdict(askID, "approve")
			c.meanwhile(r)
			status, page := b.send("/approvals/"+askID+"/verdict", form)
			if status != c.status || !strings.Contains(page, c.reason) || strings.Contains(page, "/var/secret") {
				t.Errorf("status %d, want %d with %s:\n%s", status, c.status, c.reason, page)
			}
			if len(r.approvals.comments) > 0 {
				t.Error("a vote was counted")
			}
		})
	}
	t.Run("auditors and admins", func(t *testing.T) {
		r := withConsole(t, nil)
		r.approvals.add(askID)
		form := signedIn(t, r, "approver").verdict(askID, "approve")
		for _, key := range []string{"auditor", "admin"} {
			b := signedIn(t, r, key)
			_, list := b.open("/approvals")
			form.Set("token", hiddenField.FindStringSubmatch(list)[2])
			for _, says := range []string{"approve", "reject"} {
				form.Set("verdict", says)
				if status, page := b.send("/approvals/"+askID+"/verdict", form); status < 400 {
					t.Errorf("%s says %s: %d\n%s", key, says, status, page)
				}
			}
			form.Set("offset", "0")
			form.Set("reason", "curious")
			if status, _ := b.send("/approvals/"+askID+"/reveal", form); status != http.StatusForbidden {
				t.Errorf("%s reveals: %d", key, status)
			}
		}
		if len(r.approvals.comments)+len(r.approvals.reveals) > 0 {
			t.Error("something was done")
		}
	})
}

// change changes an ask behind everybody's back.
func (r *rig) change(id string, change func(*approval.Approval)) {
	r.approvals.mu.Lock()
	defer r.approvals.mu.Unlock()
	a, err := r.approvals.find(id)
	if err != nil {
		r.t.Fatal(err)
	}
	change(a)
}

// TestARevealOnTheConsoleIsOnRecord before it is seen, and is not seen if it cannot be.
func TestARevealOnTheConsoleIsOnRecord(t *testing.T) {
	r := withConsole(t, nil)
	r.approvals.add(askID)
	b := signedIn(t, r, "approver")
	if _, page := b.open("/approvals/" + askID); strings.Contains(page, "send_email&#34;") || !strings.Contains(page, "⟦masked") {
		t.Fatalf("nothing is masked:\n%s", page)
	}
	form := b.verdict(askID, "")
	form.Set("offset", "0")
	path := "/approvals/" + askID + "/reveal"
	if status, _ := b.send(path, form); status != http.StatusBadRequest || len(r.approvals.reveals) > 0 {
		t.Errorf("without a reason: %d, %v", status, r.approvals.reveals)
	}
	form.Set("reason", "is it hers?")
	if status, page := b.send(path, form); status != 200 || !strings.Contains(page, `&#34;send_email&#34;`) || !slices.Equal(r.approvals.reveals, []string{"approver " + askID + " 0 is it hers?"}) {
		t.Errorf("%d %v\n%s", status, r.approvals.reveals, page)
	}
	r.approvals.unrecorded = approval.Unrecorded(errBroken)
	if status, page := b.send(path, form); status < 500 || strings.Contains(page, `&#34;send_email&#34;`) {
		t.Errorf("what could not be recorded was shown: %d\n%s", status, page)
	}
}

// TestThreat_C2_ARevokedKeyEndsItsSession, between the page and the verdict.
func TestThreat_C2_ARevokedKeyEndsItsSession(t *testing.T) {
	tokens := &revocable{gone: map[string]bool{}}
	r := withConsole(t, func(_ *Config, r *rig) { r.deps.Authenticator = tokens })
	r.approvals.add(askID)
	b := signedIn(t, r, "approver")
	form := b.verdict(askID, "approve")
	tokens.revoke("approver")
	if status, page := b.send("/approvals/"+askID+"/verdict", form); status != http.StatusUnauthorized || len(r.approvals.comments) > 0 {
		t.Errorf("%d\n%s", status, page)
	}
	if _, page := b.open("/approvals"); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Errorf("still signed in:\n%s", page)
	}
}

// TestOneVerdictOfMany: several tabs and gRPC at the same time; one is applied, each of the others is told that it was not.
func TestOneVerdictOfMany(t *testing.T) {
	r := withConsole(t, nil)
	for i := range 5 {
		id := fmt.Sprintf("%s-%d", askID, i)
		r.approvals.add(id)
		b := signedIn(t, r, "approver")
		form := b.verdict(id, "approve")
		const tabs = 6
		outcomes := make([]bool, 2*tabs)
		var wg sync.WaitGroup
		for tab := range tabs {
			wg.Go(func() {
				status, page := b.send("/approvals/"+id+"/verdict", form)
				outcomes[tab] = status == http.StatusOK && strings.Contains(page, "<h1>Approved</h1>")
				if !outcomes[tab] && (status != http.StatusConflict || !strings.Contains(page, "nothing was changed")) {
					t.Errorf("status %d\n%s", status, page)
				}
			})
			wg.Go(func() {
				resp, err := portcullisv1.NewApprovalServiceClient(r.conn).SubmitVerdict(r.as("approver"), &portcullisv1.SubmitVerdictRequest{ApprovalId: id, Verdict: portcullisv1.Verdict_VERDICT_REJECT})
				if err != nil {
					t.Error(err)
				}
				outcomes[tabs+tab] = resp.GetApplied()
			})
		}
		wg.Wait()
		if n := len(slices.DeleteFunc(outcomes, func(applied bool) bool { return !applied })); n != 1 {
			t.Errorf("%d verdicts were applied", n)
		}
	}
}

// TestThreat_C5_TheConsoleIsNotExposed: it stands under the rules of the other listener.
func TestThreat_C5_TheConsoleIsNotExposed(t *testing.T) {
	cert, key := certificate(t)
	for name, c := range map[string]struct {
		cfg  Config
		want string // empty: it is fine
	}{
		"loopback":                       {Config{Console: "127.0.0.1:0", DevMode: true}, ""},
		"everywhere, with TLS":           {Config{Console: "0.0.0.0:0", CertFile: cert, KeyFile: key}, ""},
		"everywhere in plain text":       {Config{Console: "0.0.0.0:0"}, "there is no TLS"},
		"everywhere, short":              {Config{Console: ":7080"}, "there is no TLS"},
		"a name in plain text":           {Config{Console: "portcullis.example:7080"}, "there is no TLS"},
		"everywhere in development":      {Config{Console: "0.0.0.0:0", DevMode: true, CertFile: cert, KeyFile: key}, "no real authentication"},
		"no port":                        {Config{Console: "127.0.0.1"}, "is not like"},
		"an address from outside":        {Config{Console: "127.0.0.1:0", ConsoleURL: "https://portcullis.example"}, ""},
		"one with a port and slash":      {Config{Console: "127.0.0.1:0", ConsoleURL: "https://portcullis.example:8443/"}, ""},
		"from outside in plain text":     {Config{Console: "127.0.0.1:0", ConsoleURL: "http://portcullis.example"}, "console url"},
		"from outside with a path":       {Config{Console: "127.0.0.1:0", ConsoleURL: "https://portcullis.example/console"}, "console url"},
		"from outside with a user":       {Config{Console: "127.0.0.1:0", ConsoleURL: "https://u:p@portcullis.example"}, "console url"},
		"from outside without a console": {Config{ConsoleURL: "https://portcullis.example"}, "there is no console"},
		"no address at all":              {Config{Console: "127.0.0.1:0", ConsoleURL: "portcullis.example"}, "console url"},
		"a script":                       {Config{Console: "127.0.0.1:0", ConsoleURL: "javascript:alert(1)"}, "console url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, deps := fakeDeps(t)
			s, err := Complete(c.cfg, deps)
			if s != nil {
				s.stop()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestConsoleLinks(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Console: "127.0.0.1:7080"}, "http://127.0.0.1:7080/approvals"},
		{Config{Console: "[::1]:7080"}, "http://[::1]:7080/approvals"},
		{Config{Console: "127.0.0.1:7080", CertFile: "x"}, "https://127.0.0.1:7080/approvals"},
		{Config{Console: "127.0.0.1:0"}, ""},
		{Config{Console: "0.0.0.0:7080", CertFile: "x"}, ""},
		{Config{Console: "0.0.0.0:7080", CertFile: "x", ConsoleURL: "https://portcullis.example"}, "https://portcullis.example/approvals"},
		{Config{Console: "127.0.0.1:0", ConsoleURL: "https://portcullis.example:8443/"}, "https://portcullis.example:8443/approvals"},
	} {
		if got := c.cfg.ConsoleLink(); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.cfg.Console, c.cfg.ConsoleURL, got, c.want)
		}
	}
}

// TestTheConsoleAnswersForItsOwnNames alone.
func TestTheConsoleAnswersForItsOwnNames(t *testing.T) {
	r := withConsole(t, func(c *Config, _ *rig) { c.ConsoleURL = "https://portcullis.example" })
	addr := r.pages.addr.String()
	for host, want := range map[string]int{
		addr: 200, "localhost": 200, "portcullis.example": 200, "PORTCULLIS.example:443": 200,
		"evil.example": 421, "portcullis.example.evil.example": 421, "192.0.2.1": 421, "0.0.0.0": 421, "127.0.0.1.evil.example": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/sign-in", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: status %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// TestTheConsoleOverTLS: a cookie that only this host has over TLS, and a certificate that signs in as long as it is good.
func TestTheConsoleOverTLS(t *testing.T) {
	m := startMutualWith(t, func(c *Config) { c.Console = "127.0.0.1:0" })
	m.approvals.add(askID)
	pool := x509.NewCertPool()
	pool.AddCert(m.cert)
	with := func(certs ...tls.Certificate) *browser {
		b := newBrowser(t, "https://"+m.pages.addr.String(), &tls.Config{RootCAs: pool, Certificates: certs, MinVersion: tls.VersionTLS13})
		b.Transport.(*http.Transport).ForceAttemptHTTP2 = true
		return b
	}
	if status, page := with().signIn(""); status != http.StatusUnauthorized {
		t.Errorf("nobody is signed in: %d\n%s", status, page)
	}
	if status, page := with(m.issue("spiffe://corp/mailer")).signIn(""); status != http.StatusUnauthorized {
		t.Errorf("an agent is signed in: %d\n%s", status, page)
	}
	cert := m.issue("spiffe://corp/ann")
	ann := with(cert)
	if status, page := ann.signIn(""); status != 200 || !strings.Contains(page, ">ann</b>") {
		t.Fatalf("%d\n%s", status, page)
	}
	at, _ := url.Parse(ann.base)
	if cookies := ann.Jar.Cookies(at); len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Errorf("cookies %v", cookies)
	}
	thief := with()
	thief.Jar, thief.base = ann.Jar, ann.base
	if _, page := thief.open("/approvals"); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Errorf("the cookie works without the certificate:\n%s", page)
	}
	if _, page := ann.open("/approvals"); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Errorf("a session that somebody else has tried goes on:\n%s", page)
	}
	if status, _ := ann.signIn(""); status != 200 {
		t.Fatal("not signed in again")
	}
	form := ann.verdict(askID, "approve")
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	changed := m.live.Changed()
	m.allow(mutualRows + fmt.Sprintf("revoked:\n  - {serial: %q}\n", parsed.SerialNumber.Text(16)))
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("the file is not followed")
	}
	if status, page := ann.send("/approvals/"+askID+"/verdict", form); status != http.StatusUnauthorized || len(m.approvals.comments) > 0 {
		t.Errorf("a revoked certificate approves: %d\n%s", status, page)
	}
}

// TestASlowBrowserIsLetGo: headers and forms have to come in time, and connections are bounded.
func TestASlowBrowserIsLetGo(t *testing.T) {
	r := withConsole(t, func(c *Config, _ *rig) { c.PeekTimeout, c.ReadTimeout = 50*time.Millisecond, 100*time.Millisecond })
	for name, says := range map[string]string{
		"headers": "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
		"form":    "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ncredential=",
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.pages.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, says); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadAll(conn); os.IsTimeout(err) {
			t.Errorf("%s: it is waited for", name)
		}
		_ = conn.Close()
	}
	resp, err := newBrowser(t, r.Console(), nil).Get(r.Console() + "/" + strings.Repeat("x", 2*maxHeaderBytes))
	if err == nil { // else it was cut off while it still sent
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("large headers: status %d", resp.StatusCode)
		}
	}
}

// TestTheConsoleDrains: what comes while the server stops is told so, and Run ends although browsers hold connections.
func TestTheConsoleDrains(t *testing.T) {
	r := withConsole(t, nil)
	b := signedIn(t, r, "approver") // and keeps its connection
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	if _, err := b.Get(b.base + "/approvals"); err == nil {
		t.Error("it still answers")
	}
	if err := r.pages.calls.Invoke(t.Context(), portcullisv1.ApprovalService_ListApprovals_FullMethodName, &portcullisv1.ListApprovalsRequest{}, &portcullisv1.ListApprovalsResponse{}); err != error(errDraining) { //nolint:errorlint // this very one
		t.Errorf("a call after the end: %v", err)
	}
}

// TestStoppingWaitsForTheConsolesCalls: what they use must not be closed under them.
func TestStoppingWaitsForTheConsolesCalls(t *testing.T) {
	r := withConsole(t, nil)
	calls := r.pages.calls
	began, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	ctx := speaking(t.Context(), console.Credential{Header: "Bearer approver"})
	go func() {
		defer close(ended)
		if err := calls.check(ctx, portcullisv1.ApprovalService_ListApprovals_FullMethodName, func(context.Context) { close(began); <-release }); err != nil {
			t.Error(err)
		}
	}()
	<-began
	waited := make(chan struct{})
	go func() { defer close(waited); calls.wait() }()
	waitUntil(t, "somebody waits", func() bool {
		free := calls.running.TryRLock()
		if free {
			calls.running.RUnlock()
		}
		return !free
	})
	select {
	case <-waited:
		t.Error("a call is still under way")
	default:
	}
	close(release)
	<-ended
	<-waited
}

func TestTheConsolesPortInUse(t *testing.T) {
	r := withConsole(t, nil)
	_, deps := fakeDeps(t)
	srv, err := Complete(Config{Listen: "127.0.0.1:0", Console: r.pages.addr.String(), DevMode: true}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "for the console") {
		t.Errorf("got %v", err)
	}
}
