package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

var (
	consoleAddress = regexp.MustCompile(`msg=console .*url=(http://127\.0\.0\.1:[0-9]+)`)
	hiddenField    = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)
)

// reviewer is a person before a browser.
type reviewer struct {
	*http.Client
	t    *testing.T
	base string // with the place of the session, once somebody is signed in
}

// reviewer opens the console of a server that was started with one.
func (p *pdp) reviewer(t *testing.T) *reviewer {
	t.Helper()
	var address []string
	eventually(t, startWithin, "the server says where its console is", func() bool {
		address = consoleAddress.FindStringSubmatch(p.said.String())
		return address != nil
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &reviewer{&http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}, t, address[1]}
}

func (r *reviewer) page(status int, resp *http.Response, err error) string {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		r.t.Fatalf("status %d, want %d (%v):\n%s", resp.StatusCode, status, err, text)
	}
	if at := resp.Request.URL; strings.HasPrefix(at.Path, "/~") {
		before, _, _ := strings.Cut(at.Path, "/approvals")
		r.base = at.Scheme + "://" + at.Host + before
	}
	return string(text)
}

// form is what a page would send to an address.
func (r *reviewer) form(page, path string) url.Values {
	r.t.Helper()
	at, err := url.Parse(r.base)
	if err != nil {
		r.t.Fatal(err)
	}
	return form(r.t, page, at.Path+path)
}

func (r *reviewer) opens(status int, path string) string {
	r.t.Helper()
	resp, err := r.Get(r.base + path)
	return r.page(status, resp, err)
}

func (r *reviewer) sends(status int, path string, form url.Values) string {
	r.t.Helper()
	resp, err := r.PostForm(r.base+path, form)
	return r.page(status, resp, err)
}

// form is what a page would send to an address.
func form(t *testing.T, page, action string) url.Values {
	t.Helper()
	_, inside, found := strings.Cut(page, `action="`+action+`">`)
	if !found {
		t.Fatalf("no form for %s in\n%s", action, page)
	}
	inside, _, _ = strings.Cut(inside, "</form>")
	out := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(inside, -1) {
		out.Set(m[1], m[2])
	}
	return out
}

// TestThreat_B10_OneVerdictFromManyTabs: the console and gRPC say yes and no at the same time; one of them is applied, and that is what
// the agent hears.
func TestThreat_B10_OneVerdictFromManyTabs(t *testing.T) {
	t.Parallel()
	p := start(t, "--console", "127.0.0.1:0")
	a, s := p.agent(t), session(t)
	r := p.reviewer(t)
	r.sends(200, "/sign-in", url.Values{"credential": {mustRead(t, p.approverToken())}})
	grpc := p.approver(t)
	for i := range 3 {
		id := a.wants(t, email(fmt.Sprint(s, i)), ask).GetApproval().GetId()
		states := hear(t, a, id)
		verdict := r.form(r.opens(200, "/approvals/"+id), "/approvals/"+id+"/verdict")
		verdict.Set("verdict", "approve")
		var yes, no atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				resp, err := r.PostForm(r.base+"/approvals/"+id+"/verdict", verdict)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				switch resp.StatusCode {
				case http.StatusOK:
					yes.Add(1)
				case http.StatusConflict:
				default:
					t.Errorf("a tab: status %d", resp.StatusCode)
				}
			})
			wg.Go(func() {
				resp, err := grpc.SubmitVerdict(t.Context(), &pb.SubmitVerdictRequest{ApprovalId: id, Verdict: pb.Verdict_VERDICT_REJECT})
				if err != nil {
					t.Error(err)
				}
				if resp.GetApplied() {
					no.Add(1)
				}
			})
		}
		wg.Wait()
		if yes.Load()+no.Load() != 1 {
			t.Fatalf("%d yes and %d no were applied", yes.Load(), no.Load())
		}
		if yes.Load() == 1 {
			heard(t, states, pending, approved)
		} else {
			heard(t, states, pending, rejected)
		}
	}
}

// TestConsole: a person signs in, reads, approves, and the agent that waits hears it; the decision log says who and how.
func TestConsole(t *testing.T) {
	t.Parallel()
	p := start(t, "--console", "127.0.0.1:0")
	a, s := p.agent(t), session(t)
	id := a.wants(t, email(s), ask).GetApproval().GetId()
	states := hear(t, a, id)

	r := p.reviewer(t)
	signIn := r.opens(200, "/approvals/"+id)
	if !strings.Contains(signIn, "<h1>Sign in</h1>") {
		t.Fatalf("who is not signed in sees\n%s", signIn)
	}
	credentials := form(t, signIn, "/sign-in")
	credentials.Set("credential", mustRead(t, p.agentToken()))
	r.sends(401, "/sign-in", credentials)
	credentials.Set("credential", mustRead(t, p.approverToken()))
	page := r.sends(200, "/sign-in", credentials)
	for _, what := range []string{"send_email", "ann@example.com", "demo-filtered", "RISK_NEEDS_APPROVAL", "dev-approver"} {
		if !strings.Contains(page, what) {
			t.Errorf("the reviewer does not see %s:\n%s", what, page)
		}
	}
	if list := r.opens(200, "/approvals"); !strings.Contains(list, "/approvals/"+id) {
		t.Errorf("it is not on the list:\n%s", list)
	}
	verdict := r.form(page, "/approvals/"+id+"/verdict")
	verdict.Set("verdict", "approve")
	verdict.Set("comment", "on the page")
	if said := r.sends(200, "/approvals/"+id+"/verdict", verdict); !strings.Contains(said, "<h1>Approved</h1>") {
		t.Fatalf("the reviewer is told\n%s", said)
	}
	heard(t, states, pending, approved)
	r.sends(409, "/approvals/"+id+"/verdict", verdict)
	a.wants(t, redeem(email(s), id), allow)

	logged := p.cli(t, "log", "query", "--json", "--type", "verdict", "--approval", id).ok(t).out
	if !strings.Contains(logged, `"subject":"dev-approver","roles":["approver"],"credential_id":"dev-approver","method":"bearer","via":"console"`) {
		t.Errorf("the decision log does not say who decided and how:\n%s", logged)
	}
	other := a.wants(t, email(s+"-other"), ask).GetApproval().GetId()
	act := r.form(r.opens(200, "/approvals/"+other), "/approvals/"+other+"/verdict")
	act.Set("offset", "0")
	act.Set("reason", "who is ann?")
	r.sends(200, "/approvals/"+other+"/reveal", act)
	if said := r.sends(200, "/approvals/"+other+"/withdraw", act); !strings.Contains(said, "<h1>Withdrawn</h1>") {
		t.Errorf("the reviewer is told\n%s", said)
	}
	acts := p.cli(t, "log", "query", "--json", "--type", "admin").ok(t).out
	for _, what := range []string{"approval_revealed", "approval_withdrawn"} {
		line := `"method":"bearer","via":"console"},"act":"` + what + `"`
		if !strings.Contains(acts, line) {
			t.Errorf("no %s in\n%s", line, acts)
		}
	}
	if out := r.sends(200, "/sign-out", r.form(r.opens(200, "/approvals"), "/sign-out")); !strings.Contains(out, "<h1>Sign in</h1>") {
		t.Errorf("signed out to\n%s", out)
	}
	if shown := r.opens(200, "/approvals"); !strings.Contains(shown, "<h1>Sign in</h1>") {
		t.Errorf("still signed in:\n%s", shown)
	}
}
