package console

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// addresses are one of each route, with its method, from the console's own table.
func addresses(b *bench) (gets, posts []string) {
	for pattern := range b.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.ReplaceAll(strings.ReplaceAll(path, "{$}", ""), "{id}", askID)
		switch method {
		case http.MethodGet:
			gets = append(gets, path)
		case http.MethodPost:
			posts = append(posts, path)
		default:
			b.t.Fatalf("%s has another method", pattern)
		}
	}
	return gets, posts
}

// complete is a form that would do what any address is for.
func (br *browser) complete() url.Values {
	form := br.form("verdict")
	for name, value := range map[string]string{"verdict": "approve", "comment": "c", "reason": "r", "offset": "0", "credential": "ann", "next": Home} {
		form.Set(name, value)
	}
	return form
}

// TestAGetChangesNothing, at no address, whatever it carries; and what changes something takes no other method than POST.
func TestAGetChangesNothing(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	form := ann.complete()
	gets, posts := addresses(b)
	if len(gets) != 5 || len(posts) != 5 {
		t.Fatalf("%d and %d addresses", len(gets), len(posts))
	}
	sessions := len(b.sessions.byID)
	for _, path := range append(gets, posts...) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, "QUERY"} {
			got := ann.send(method, path+"?"+form.Encode(), "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
			if acts := b.desk.done(); len(acts) > 0 || len(b.sessions.byID) != sessions || ann.cookie == nil {
				t.Fatalf("%s %s has done %v (%d sessions)", method, path, acts, len(b.sessions.byID))
			}
			if method != http.MethodGet && method != http.MethodHead && got.Code < 400 {
				t.Errorf("%s %s: status %d", method, path, got.Code)
			}
		}
	}
	for _, path := range posts {
		if got := ann.get(path); path != "/sign-in" && got.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: status %d", path, got.Code)
		}
	}
}

// TestFormsOfOthersDoNothing: a page of another site, a form without this session's token, and one that no page of ours sends.
func TestFormsOfOthersDoNothing(t *testing.T) {
	b := newBench(t)
	bobs := b.signedIn("bob").form("verdict").Get("token")
	const urlencoded = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		header map[string]string
		change func(form url.Values) string
		kind   string
		signIn bool // also no way to sign in
		status int
	}{
		"no token":                {change: func(f url.Values) string { f.Del("token"); return f.Encode() }, status: 403},
		"an empty token":          {change: func(f url.Values) string { f.Set("token", ""); return f.Encode() }, status: 403},
		"another session's token": {change: func(f url.Values) string { f.Set("token", bobs); return f.Encode() }, status: 403},
		"an invented token":       {change: func(f url.Values) string { f.Set("token", strings.Repeat("A", 43)); return f.Encode() }, status: 403},
		"of another site":         {header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, signIn: true, status: 403},
		"of another port":         {header: map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8080"}, signIn: true, status: 403},
		"of an old browser":       {header: map[string]string{"Origin": "https://evil.example"}, signIn: true, status: 403},
		"of no origin":            {header: map[string]string{"Origin": "null"}, signIn: true, status: 403},
		"plain text":              {kind: "text/plain", signIn: true, status: 400},
		"several parts":           {kind: "multipart/form-data; boundary=x", signIn: true, status: 400},
		"JSON":                    {kind: "application/json", signIn: true, status: 400},
		"without a kind":          {kind: "-", signIn: true, status: 400},
		"too large":               {change: func(f url.Values) string { return f.Encode() + "&x=" + strings.Repeat("x", maxFormBytes) }, signIn: true, status: 400},
		"a field twice":           {change: func(f url.Values) string { return f.Encode() + "&token=x&credential=bob" }, signIn: true, status: 400},
		"no UTF-8":                {change: func(f url.Values) string { return f.Encode() + "&x=%ff" }, signIn: true, status: 400},
		"broken escapes":          {change: func(f url.Values) string { return f.Encode() + "&x=%zz" }, signIn: true, status: 400},
		"another host":            {header: map[string]string{"Host": "evil.example"}, signIn: true, status: 421},
		"another host and port":   {header: map[string]string{"Host": "evil.example:7080"}, signIn: true, status: 421},
		"no host":                 {header: map[string]string{"Host": "-"}, signIn: true, status: 421},
		"token in the address":    {change: func(f url.Values) string { f.Del("token"); return f.Encode() }, status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			ann := b.signedIn("ann")
			form := ann.complete()
			body, kind := form.Encode(), urlencoded
			if c.change != nil {
				body = c.change(form)
			}
			if c.kind != "" {
				kind = strings.Trim(c.kind, "-")
			}
			ann.header = c.header
			if h := c.header["Host"]; h != "" {
				ann.host = strings.Trim(h, "-")
			}
			cookie, sessions := *ann.cookie, len(b.sessions.byID)
			_, posts := addresses(b)
			for _, path := range posts {
				if path == "/sign-in" && !c.signIn {
					continue
				}
				query := ""
				if name == "token in the address" {
					query = "?" + ann.b.browserToken(&cookie)
				}
				if got := ann.send(http.MethodPost, path+query, kind, strings.NewReader(body)); got.Code != c.status {
					t.Errorf("POST %s: status %d, want %d", path, got.Code, c.status)
				}
				if acts := b.desk.done(); len(acts) > 0 || len(b.sessions.byID) != sessions {
					t.Fatalf("POST %s has done %v (%d sessions of %d)", path, acts, len(b.sessions.byID), sessions)
				}
				ann.cookie = &cookie
			}
		})
	}
}

// browserToken is the right token of a session, as a query.
func (b *bench) browserToken(cookie *http.Cookie) string {
	secret, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		b.t.Fatal(err)
	}
	return url.Values{"token": {keysOf(secret).formToken()}, "credential": {"ann"}}.Encode()
}

// TestThreat_B12_AnAgentCannotSignIn, and hears what everybody hears whose credential is of no use here.
func TestThreat_B12_AnAgentCannotSignIn(t *testing.T) {
	b := newBench(t)
	var answers []string
	for _, key := range []string{"agent", "nobody", "", strings.Repeat("x", 5000), "ann\x00", "Bearer ann"} {
		br := b.browser()
		got := br.post("/sign-in", url.Values{"credential": {key}})
		answers = append(answers, fmt.Sprint(got.Code, got.Body.String()))
		if got.Code != http.StatusUnauthorized || br.cookie != nil || answers[0] != answers[len(answers)-1] {
			t.Errorf("%.20q: status %d, cookie %v, or another answer", key, got.Code, br.cookie)
		}
	}
	if len(b.sessions.byID) > 0 {
		t.Error("there is a session")
	}
}

// TestSessionsCannotBePlanted: a session has a secret of the server's own, whatever cookie came with the credential, and the
// session that was there before ends.
func TestSessionsCannotBePlanted(t *testing.T) {
	b := newBench(t)
	planted := &http.Cookie{Name: plainCookie, Value: encode([]byte(strings.Repeat("p", secretBytes)))}
	ann := b.browser()
	ann.cookie = planted
	if got := ann.post("/sign-in", url.Values{"credential": {"ann"}}); got.Code != http.StatusSeeOther || ann.cookie.Value == planted.Value {
		t.Fatalf("status %d, and the cookie is the one that came", got.Code)
	}
	first := *ann.cookie
	if got := ann.post("/sign-in", url.Values{"credential": {"ann"}}); got.Code != http.StatusSeeOther || ann.cookie.Value == first.Value {
		t.Fatal("a second session has the cookie of the first")
	}
	thief := b.browser()
	thief.base = ann.base
	for _, value := range []string{planted.Value, first.Value, "", "x", strings.Repeat("A", 43), strings.Repeat("A", 4000)} {
		thief.cookie = &http.Cookie{Name: plainCookie, Value: value}
		if got := thief.get(Home); got.Code != http.StatusSeeOther {
			t.Errorf("cookie %.10q: status %d", value, got.Code)
		}
	}
	right := *ann.cookie
	for _, both := range [][2]*http.Cookie{{planted, &right}, {&right, planted}} { // one of them from another port, say
		ann.header, ann.cookie = map[string]string{"Cookie": both[0].Name + "=" + both[0].Value}, both[1]
		if got := ann.get(Home); got.Code != http.StatusSeeOther {
			t.Errorf("of two cookies one counts: status %d", got.Code)
		}
	}
}

// TestAStolenCookieIsNoSession: without TLS, browsers hand a cookie to whatever listens on another port of the host. What they
// do not tell there is the address of the page.
func TestAStolenCookieIsNoSession(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	form := ann.complete() // what a thief could make of the cookie, which the token is made from, and more
	_, posts := addresses(b)
	for _, base := range []string{"", "/~", "/~" + strings.Repeat("A", 43), ann.base + "A", "/~" + url.PathEscape(ann.base), b.signedIn("ann").base} {
		thief := &browser{b: b, host: host, base: base, cookie: ann.cookie}
		if got := thief.get(Home); got.Code == http.StatusOK || strings.Contains(got.Body.String(), "send_email") {
			t.Errorf("at %q a stolen cookie reads: %d", base, got.Code)
		}
		for _, path := range posts {
			if !strings.HasPrefix(path, "/sign") {
				thief.post(path, form)
			}
		}
		thief.host = "portcullis.example" // as if it had come through the proxy, where the cookie is enough
		thief.cookie = &http.Cookie{Name: secureCookie, Value: ann.cookie.Value}
		if got := thief.get(Home); got.Code == http.StatusOK {
			t.Errorf("at %q a stolen cookie reads under another name: %d", base, got.Code)
		}
	}
	if acts := b.desk.done(); len(acts) > 0 {
		t.Errorf("a stolen cookie has done %v", acts)
	}
	shows(t, ann.get(Home), 200, "send_email") // and the session goes on
	b.tls = &tls.ConnectionState{}
	bob := b.signedIn("bob") // browsers send a Secure cookie to http://127.0.0.1:3000 as well
	thief := &browser{b: b, host: host, cookie: bob.cookie}
	if got := thief.get(Home); bob.base == "" || got.Code == http.StatusOK {
		t.Errorf("over TLS on the reviewer's own machine a stolen cookie reads: %d", got.Code)
	}
	shows(t, bob.get(Home), 200, "send_email")
	cid := &browser{b: b, host: "portcullis.example"}
	cid.post("/sign-in", url.Values{"credential": {"bob"}})
	if cid.base != "" {
		t.Errorf("over TLS, links from elsewhere would lead nowhere: %s", cid.base)
	}
	shows(t, cid.get(Home), 200, "send_email")
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true, "localhost": true, "LocalHost.": true, "pdp.localhost": true,
		"": false, "10.0.0.1": false, "localhost.example": false, "notlocalhost": false, "portcullis.example": false,
	} {
		if local(host) != want {
			t.Errorf("%q is the browser's own machine: %t", host, !want)
		}
	}
	if a, b := newPlace(), newPlace(); len(a) != 43 || a == b {
		t.Error("a place can be guessed")
	}
}

// TestEveryLinkStaysAtItsPlace: each address on the pages of a session without TLS has its place in it.
func TestEveryLinkStaysAtItsPlace(t *testing.T) {
	b := newBench(t)
	b.desk.pages = []*pb.ReviewView{{ActionJson: "one", ActionBytes: 20, Truncated: true, NextOffset: 10, Masked: 1}}
	ann := b.signedIn("ann")
	form := ann.complete()
	pages := []string{ann.get(Home).Body.String(), ann.get(Home + "?show=all").Body.String(), ann.get(Home + "/" + askID).Body.String(), ann.get(Home + "/nowhere").Body.String()}
	form.Set("verdict", "reject")
	pages = append(pages, ann.post(Home+"/"+askID+"/verdict", url.Values{}).Body.String(), ann.post(Home+"/"+askID+"/verdict", form).Body.String())
	links := 0
	for _, page := range pages {
		for _, m := range regexp.MustCompile(`(?:href|action|url)="?([/a-z][^"]*)"`).FindAllStringSubmatch(page, -1) {
			links++
			if m[1] != "/style.css" && !strings.HasPrefix(m[1], ann.base+"/") {
				t.Errorf("%s leads out of the session", m[0])
			}
		}
	}
	if links < 30 {
		t.Errorf("%d links", links)
	}
	if got := ann.get("/"); got.Header().Get("Location") != ann.base+Home {
		t.Errorf("/ leads to %s", got.Header().Get("Location"))
	}
}

func TestSignOut(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	old := *ann.cookie
	page := ann.get(Home)
	if got := ann.post("/sign-out", formOf(t, page.Body.String(), ann.base+"/sign-out")); got.Code != http.StatusSeeOther || ann.cookie != nil {
		t.Fatalf("status %d, cookie %v", got.Code, ann.cookie)
	}
	ann.cookie = &old
	if got := ann.get(Home); got.Code != http.StatusSeeOther {
		t.Error("the cookie still works")
	}
}

func TestCookies(t *testing.T) {
	for name, c := range map[string]struct {
		tls    bool
		host   string
		cookie string
		secure bool
	}{
		"loopback":           {false, host, plainCookie, false},
		"TLS":                {true, host, secureCookie, true},
		"behind a TLS proxy": {false, "portcullis.example", secureCookie, true},
		"and its port":       {false, "Portcullis.example:443", secureCookie, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if c.tls {
				b.tls = &tls.ConnectionState{}
			}
			ann := b.browser()
			ann.host = c.host
			got := ann.post("/sign-in", url.Values{"credential": {"ann"}})
			k := ann.cookie
			if k == nil || k.Name != c.cookie || k.Secure != c.secure || !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" || k.MaxAge != 0 {
				t.Errorf("cookie %v", k)
			}
			if hsts := got.Header().Get("Strict-Transport-Security"); (hsts != "") != (c.secure && c.host != host) {
				t.Errorf("Strict-Transport-Security: %q", hsts)
			}
			if secret, err := base64.RawURLEncoding.DecodeString(k.Value); err != nil || len(secret) != 32 {
				t.Errorf("the cookie has %d bytes, %v", len(secret), err)
			}
			shows(t, ann.get(Home), 200)
		})
	}
}

// TestEveryAnswerIsGuarded: pages, refusals and errors have the headers, and none goes anywhere but here.
func TestEveryAnswerIsGuarded(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	gets, posts := addresses(b)
	for _, path := range append(append(gets, posts...), "/nowhere", "/pages/", "/pages/layout.html", "/approvals/", "/approvals/../x", "//evil.example", Home+"/no%20id", Home+"/"+askID+"/reveal") {
		for _, br := range []*browser{ann, b.browser(), {b: b, host: "evil.example"}} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				got := br.send(method, path, "", nil)
				for name, value := range headers {
					if got.Header().Get(name) != value {
						t.Errorf("%s %s (%d): %s is %q", method, path, got.Code, name, got.Header().Get(name))
					}
				}
				if to := got.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
					t.Errorf("%s %s leads to %s", method, path, to)
				}
			}
		}
	}
	for _, next := range []string{"https://evil.example", "//evil.example", "/approvals/..//evil.example", "/sign-out", "javascript:alert(1)", Home + "/" + askID + "/verdict", "\\evil"} {
		got := b.browser().post("/sign-in", url.Values{"credential": {"ann"}, "next": {next}})
		if to := got.Header().Get("Location"); !strings.HasPrefix(to, "/~") || len(to) != len("/~")+43+len(Home) || !strings.HasSuffix(to, Home) {
			t.Errorf("signing in with next %q leads to %s", next, got.Header().Get("Location"))
		}
	}
}

// TestAClientCertificateIsEnough to sign in, without anything typed.
func TestAClientCertificateIsEnough(t *testing.T) {
	b := newBench(t)
	b.tls = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	b.desk.callers[""] = b.desk.callers["Bearer ann"] // whom the connection stands for
	page := b.browser().get("/sign-in")
	shows(t, page, 200, "To sign in with it alone, leave this empty.")
	if strings.Contains(page.Body.String(), " required") {
		t.Error("a key is demanded")
	}
	ann := b.signedIn("")
	shows(t, ann.get(Home), 200, `<b class="given">ann</b>`)
	delete(b.desk.callers, "") // another connection, without the certificate
	if got := ann.get(Home); got.Code != http.StatusSeeOther {
		t.Errorf("the cookie works without the certificate: status %d", got.Code)
	}
}

// hostile is what an agent, a reviewer or a tool might write to get out of its place on the page.
const hostile = `</pre></title></textarea><script>alert(1)</script><img src=x onerror=alert(1)>" onfocus="alert(1)" {{.Token}} javascript:alert(1) https://evil.example ` +
	"\u202eeva\u202c\u200b\u0000\x1b[2J\u2066⟦masked 3 bytes⟧" + `&lt;b&gt;<a href="//evil.example">Approved</a>`

// TestThreat_A15_HostileTextStaysText: wherever the page shows what others wrote, it is neither markup nor invisible, and it
// makes no link.
func TestThreat_A15_HostileTextStaysText(t *testing.T) {
	b := newBench(t)
	a := b.desk.asks[askID]
	a.Tool, a.Server, a.Principal = hostile, hostile, &pb.Principal{Tenant: hostile, Agent: hostile, Session: hostile, Run: hostile, User: hostile}
	a.BundleRevision = hostile
	a.Reasons = []*pb.Reason{{Code: hostile, Message: hostile, Severity: pb.Severity_SEVERITY_HIGH}}
	a.Stages = []*pb.ApprovalStage{{Quorum: 1, Groups: []string{hostile}}}
	a.Votes = []*pb.Vote{{Subject: hostile, Comment: hostile, Verdict: pb.Verdict_VERDICT_APPROVE, Applied: true}}
	a.Grant = &pb.GrantStatus{Vary: []string{hostile}}
	printable := strings.Map(func(r rune) rune { // as pdp/review hands it over
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, hostile)
	b.desk.pages = []*pb.ReviewView{{
		ActionJson: printable, ActionBytes: 10, AgentSays: printable, SessionSaw: []string{hostile}, Masked: 1,
		Findings: []*pb.Finding{{Rule: hostile, Category: hostile, Pointer: hostile, Count: 2}}, Origins: []*pb.ValueOrigin{{Pointer: hostile, Origins: []string{hostile}}},
	}}
	who := b.desk.callers["Bearer ann"]
	who.Subject, who.Tenant = hostile, hostile
	b.desk.callers["Bearer ann"] = who
	ann := b.signedIn("ann")
	b.desk.refuse = &Refusal{Stale, hostile, hostile}
	pages := map[string]string{
		"list": ann.get(Home).Body.String(), "ask": ann.get(Home + "/" + askID).Body.String(),
		"refusal": ann.post(Home+"/"+askID+"/verdict", ann.complete()).Body.String(),
	}
	b.desk.refuse = nil
	pages["outcome"] = ann.post(Home+"/"+askID+"/verdict", ann.complete()).Body.String()
	for name, text := range pages {
		if !strings.Contains(text, "alert(1)") {
			t.Errorf("%s does not show what there is", name)
		}
		for _, r := range text {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Errorf("%s has %q in it", name, r)
			}
		}
		tree, err := html.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for n := range tree.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "script", "img", "iframe", "object", "style", "svg":
				t.Errorf("%s has a <%s>", name, n.Data)
			case "title":
				if strings.Contains(n.FirstChild.Data, "alert") {
					t.Errorf("%s: others wrote its title: %s", name, n.FirstChild.Data)
				}
			}
			for _, at := range n.Attr {
				if strings.HasPrefix(at.Key, "on") || at.Key == "style" || (at.Key == "href" || at.Key == "action") && (!strings.HasPrefix(at.Val, "/") && at.Val != "#content" || strings.HasPrefix(at.Val, "//")) {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, at.Key, at.Val)
				}
			}
		}
	}
	if shown := pages["ask"]; !strings.Contains(shown, `\u202eeva`) || !strings.Contains(shown, `\u27e6masked 3 bytes`) {
		t.Error("what is invisible is not spelt out")
	}
}

// TestThreat_A15_NothingIsOutOfSight: the style has no box that scrolls by itself or cuts, and no animation; the page shows
// the action before the form for the verdict, and spaces as they are.
func TestThreat_A15_NothingIsOutOfSight(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	style := ann.get("/style.css").Body.String()
	for _, never := range []string{"max-height", "overflow:", "overflow-y", "text-overflow", "clamp", "ellipsis", "animation", "transition", "@import", "url("} {
		if strings.Contains(style, never) {
			t.Errorf("the style has %s", never)
		}
	}
	if !strings.Contains(style, ".given, pre.action { unicode-bidi: isolate-override; direction: ltr; white-space: pre-wrap; }") {
		t.Error("what others wrote may turn around, or lose its spaces")
	}
	page := ann.get(Home + "/" + askID).Body.String()
	action, verdict := strings.Index(page, `<pre class="action">`), strings.Index(page, `value="approve"`)
	if action < 0 || verdict < action {
		t.Errorf("the button stands before the action: %d, %d", verdict, action)
	}
}

// TestAPanicIsAnAnswer, and says nothing of what it was about.
func TestAPanicIsAnAnswer(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	b.handler = b.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	if got := ann.get(Home); got.Code != 500 || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("status %d: %s", got.Code, got.Body)
	}
}
