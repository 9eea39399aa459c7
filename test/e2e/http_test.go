package e2e

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fetch makes one plain HTTP request.
func (p *pdp) fetch(t *testing.T, method, path, body string, header map[string]string) (code int, answer string) {
	t.Helper()
	resp := p.do(t, method, path, body, header)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// do leaves the answer to be read.
func (p *pdp) do(t *testing.T, method, path, body string, header map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func (p *pdp) bearer(t *testing.T, tokenFile string) string {
	t.Helper()
	return "Bearer " + strings.TrimSpace(mustRead(t, tokenFile))
}

const decidePath = "/portcullis.v1.DecisionService/Decide"

// TestPlainHTTP: what curl without any special header sends is answered in JSON.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	question := `{"principal": {"agent": "demo-basic", "session": "` + session(t) + `"}, "action": {"kind": "ACTION_KIND_TOOL_CALL", "tool": "calculator"}}`
	agent, approver := p.bearer(t, p.agentToken()), p.bearer(t, p.approverToken())
	for name, c := range map[string]struct {
		method, path, body string
		header             map[string]string
		code               int
		says               string
	}{
		"allow":              {"POST", decidePath, question, map[string]string{"Authorization": agent, "Content-Type": "application/json"}, 200, "EFFECT_ALLOW"},
		"with a charset":     {"POST", decidePath, question, map[string]string{"Authorization": agent, "Content-Type": "application/json; charset=utf-8"}, 200, "EFFECT_ALLOW"},
		"deny is an answer":  {"POST", decidePath, strings.Replace(question, "calculator", "send_email", 1), map[string]string{"Authorization": agent, "Content-Type": "application/json"}, 200, "EFFECT_DENY"},
		"no credential":      {"POST", decidePath, question, map[string]string{"Content-Type": "application/json"}, 401, "unauthenticated"},
		"a wrong credential": {"POST", decidePath, question, map[string]string{"Authorization": agent + "x", "Content-Type": "application/json"}, 401, "unauthenticated"},
		"somebody else's":    {"POST", decidePath, question, map[string]string{"Authorization": approver, "Content-Type": "application/json"}, 403, "permission_denied"},
		"another tenant":     {"POST", decidePath, strings.Replace(question, `"agent"`, `"tenant": "acme", "agent"`, 1), map[string]string{"Authorization": agent, "Content-Type": "application/json"}, 403, "permission_denied"},
		"bad input":          {"POST", decidePath, "{}", map[string]string{"Authorization": agent, "Content-Type": "application/json"}, 400, "principal"},
		"a form":             {"POST", decidePath, "a=b", map[string]string{"Authorization": agent, "Content-Type": "application/x-www-form-urlencoded"}, 415, "content-type"},
		"GET":                {"GET", decidePath, "", map[string]string{"Authorization": agent}, 405, "POST"},
		"no such method":     {"POST", "/portcullis.v1.DecisionService/Decided", "{}", map[string]string{"Authorization": agent, "Content-Type": "application/json"}, 404, ""},
		"another origin":     {"POST", decidePath, question, map[string]string{"Authorization": agent, "Content-Type": "application/json", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"DNS rebinding":      {"GET", "/", "", map[string]string{"Host": "evil.example"}, 421, "host"},
		"about":              {"GET", "/", "", nil, 200, "curl"},
		"healthz":            {"GET", "/healthz", "", nil, 200, "ok"},
		"readyz":             {"GET", "/readyz", "", nil, 200, "ready"},
		"nothing there":      {"GET", "/nothing", "", nil, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, answer := p.fetch(t, c.method, c.path, c.body, c.header); code != c.code || !strings.Contains(answer, c.says) {
				t.Errorf("HTTP %d %s, want %d with %q", code, answer, c.code, c.says)
			}
		})
	}
}

// TestConnectStream hears a verdict over HTTP/1.1, as a browser would.
func TestConnectStream(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	id := p.agent(t).wants(t, email(session(t)), ask).GetApproval().GetId()
	message := `{"approvalId": "` + id + `"}`
	envelope := string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))) + message
	resp := p.do(t, http.MethodPost, "/portcullis.v1.DecisionService/WatchVerdict", envelope, map[string]string{
		"Authorization": p.bearer(t, p.agentToken()), "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1",
	})
	defer resp.Body.Close()
	stream := bufio.NewReader(resp.Body)
	read := func() (flags byte, state string) {
		head := make([]byte, 5)
		if _, err := io.ReadFull(stream, head); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(stream, body); err != nil {
			t.Fatal(err)
		}
		var m struct {
			State string
			Error json.RawMessage
		}
		if err := json.Unmarshal(body, &m); err != nil || m.Error != nil {
			t.Fatalf("%v %s", err, body)
		}
		return head[0], m.State
	}
	if _, state := read(); state != pending.String() {
		t.Fatalf("first %s", state)
	}
	p.cli(t, "approvals", "approve", id).ok(t)
	if _, state := read(); state != approved.String() {
		t.Fatalf("then %s", state)
	}
	if flags, _ := read(); flags != 2 {
		t.Fatalf("the stream does not end: flags %d", flags)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	a.wants(t, call("demo-basic", s, "calculator", ""), allow)
	a.wants(t, call("demo-basic", s, "send_email", ""), deny)
	a.wants(t, email(s), ask)
	var page string
	eventually(t, 5*time.Second, "the metrics have the decisions", func() bool {
		page = p.get(t, "/metrics")
		return strings.Contains(page, "portcullis_decisions_total")
	})
	for _, want := range []string{
		`(?m)^portcullis_decisions_total\{.*effect="allow".*\} 1$`,
		`(?m)^portcullis_decisions_total\{.*effect="deny".*\} 1$`,
		`(?m)^portcullis_decisions_total\{.*effect="require_approval".*\} 1$`,
		`(?m)^portcullis_.*pending.* 1$`,
		`(?m)^portcullis_.*bundle.* 1$`,
		`(?m)^grpc_server_handled_total\{.*Decide.*\} 3$`,
		`(?m)^go_goroutines `,
	} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("no metric matches %s", want)
		}
	}
	if strings.Contains(page, s) {
		t.Error("a session is a label: one series a session")
	}
	if t.Failed() {
		t.Logf("%s", page)
	}
}

// TestReflection: grpcurl finds services, their comments being in the proto files.
func TestReflection(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	got := run(t, grpcurl(t, "-plaintext", p.addr, "list")).ok(t).out
	for _, want := range []string{"portcullis.v1.DecisionService", "portcullis.v1.ApprovalService", "portcullis.v1.AdminService", "grpc.health.v1.Health"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not listed:\n%s", want, got)
		}
	}
	if got := run(t, grpcurl(t, "-plaintext", p.addr, "describe", "portcullis.v1.DecideRequest")).ok(t).out; !strings.Contains(got, "approval_id") {
		t.Errorf("described as\n%s", got)
	}
	if got := run(t, grpcurl(t, "-plaintext", "-d", `{}`, p.addr, "grpc.health.v1.Health/Check")).ok(t).out; !strings.Contains(got, "SERVING") {
		t.Errorf("health: %s", got)
	}
}
