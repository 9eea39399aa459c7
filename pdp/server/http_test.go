package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

const decidePath = "/portcullis.v1.DecisionService/Decide"

const question = `{"principal":{"agent":"a","session":"s"},
"action":{"kind":"ACTION_KIND_TOOL_CALL","tool":"calculator","arguments_json":"{\"expression\":\"6*7\"}"}}`

// send makes a request as curl would: nothing but what is in headers.
func send(t *testing.T, r *rig, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func get(t *testing.T, r *rig, path string) string {
	t.Helper()
	_, text := send(t, r, http.MethodGet, path, "")
	return text
}

func TestAPlainCurlDecides(t *testing.T) {
	r := start(t, nil)
	resp, text := send(t, r, http.MethodPost, decidePath, question, "content-type", "application/json", "authorization", "Bearer agent")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	if out["effect"] != "EFFECT_ALLOW" || out["decisionId"] != "d-1" {
		t.Errorf("got %s", text)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("there is a CORS header")
	}
}

// TestHTTPErrorsAreTheSame checks that what goes wrong in JSON has the codes, reasons and fields of gRPC.
func TestHTTPErrorsAreTheSame(t *testing.T) {
	const secret = "hunter2"
	cases := []struct {
		name, token, body   string
		status              int
		code, reason, field string
	}{
		{"no credential", "", question, 401, "unauthenticated", "NO_CREDENTIAL", ""},
		{"wrong role", "admin", question, 403, "permission_denied", "ROLE_NOT_ALLOWED", ""},
		{"a rule is broken", "agent", `{"principal":{"agent":"a"},"action":{"kind":"ACTION_KIND_TOOL_CALL"}}`, 400, "invalid_argument", "INVALID_FIELD", "principal.session"},
		{"empty body", "agent", ``, 400, "invalid_argument", "INVALID_FIELD", "principal"},
		{"no JSON", "agent", `{"principal":` + secret, 400, "invalid_argument", "MALFORMED_MESSAGE", "principal"},
		{"wrong type", "agent", `{"principal":{"agent":["` + secret + `"]}}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "principal.agent"},
		{"camel case names", "agent", `{"approvalId":{"` + secret + `":1}}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "approval_id"},
		{"misspelt field", "agent", `{"aproval_id":"` + secret + `"}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "aproval_id"},
		{"field twice", "agent", `{"requestId":"a","request_id":"` + secret + `"}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "request_id"},
		{"unknown kind", "agent", `{"action":{"kind":"` + secret + `"}}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "action.kind"},
		{"invalid UTF-8", "agent", `{"requestId":"` + "\xff\xfe" + secret + `"}`, 400, "invalid_argument", "MALFORMED_MESSAGE", "request_id"},
		{"10,000 levels", "agent", `{"action":{"arguments":{"` + secret + `":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_002), 400, "invalid_argument", "MALFORMED_MESSAGE", "action.arguments"},
		{"200 levels", "agent", strings.Replace(question, `"arguments_json":"{\"expression\":\"6*7\"}"`, `"arguments":`+strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200), 1), 400, "invalid_argument", action.ReasonTooDeep, "action.arguments"},
	}
	r := start(t, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"content-type", "application/json"}
			if c.token != "" {
				headers = append(headers, "authorization", "Bearer "+c.token)
			}
			resp, text := send(t, r, http.MethodPost, decidePath, c.body, headers...)
			code, reason, field := connectError(t, text)
			if resp.StatusCode != c.status || code != c.code || c.reason != "" && (reason != c.reason || field != c.field) {
				t.Errorf("got %d %s %s %q, want %d %s %s %q: %s", resp.StatusCode, code, reason, field, c.status, c.code, c.reason, c.field, text)
			}
			if strings.Contains(text, secret) {
				t.Errorf("the error repeats a value: %s", text)
			}
		})
	}
}

func connectError(t *testing.T, text string) (code, reason, field string) {
	t.Helper()
	var out struct {
		Code    string
		Details []struct{ Type, Value string }
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, d := range out.Details {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(d.Value, "="))
		if err != nil {
			t.Fatal(err)
		}
		info, bad := &errdetails.ErrorInfo{}, &errdetails.BadRequest{}
		switch d.Type {
		case "google.rpc.ErrorInfo":
			if err := proto.Unmarshal(raw, info); err != nil {
				t.Fatal(err)
			}
			reason = info.GetReason()
		case "google.rpc.BadRequest":
			if err := proto.Unmarshal(raw, bad); err != nil {
				t.Fatal(err)
			}
			field = bad.GetFieldViolations()[0].GetField()
		}
	}
	return out.Code, reason, field
}

func TestWhatHTTPRefuses(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.MaxMessageBytes, c.AllowedHosts = 1<<16, []string{"pdp.example"} })
	agent := []string{"content-type", "application/json", "authorization", "Bearer agent"}
	large := `{"requestId":"` + strings.Repeat("x", 1<<17) + `"}`
	cases := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"another host's name", "POST", decidePath, question, append([]string{"Host", "evil.example"}, agent...), 421},
		{"another host's name on any page", "GET", "/metrics", "", []string{"Host", "evil.example:7070"}, 421},
		{"an allowed name", "POST", decidePath, question, append([]string{"Host", "pdp.example:443"}, agent...), 200},
		{"localhost", "POST", decidePath, question, append([]string{"Host", "localhost:7070"}, agent...), 200},
		{"IPv6 loopback", "POST", decidePath, question, append([]string{"Host", "[::1]:7070"}, agent...), 200},
		{"a page of another origin", "POST", decidePath, question, append([]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, agent...), 403},
		{"a form", "POST", decidePath, question, []string{"content-type", "application/x-www-form-urlencoded", "authorization", "Bearer agent"}, 415},
		{"plain text", "POST", decidePath, question, []string{"content-type", "text/plain", "authorization", "Bearer agent"}, 415},
		{"no type", "POST", decidePath, question, []string{"authorization", "Bearer agent"}, 415},
		{"GET", "GET", decidePath, "", agent, 405},
		{"compressed", "POST", decidePath, question, append([]string{"content-encoding", "gzip"}, agent...), 415},
		{"too large", "POST", decidePath, large, agent, 413},
		{"unknown method", "POST", "/portcullis.v1.DecisionService/Nothing", question, agent, 404},
		{"unknown page", "GET", "/nothing", "", nil, 404},
		{"a broken envelope", "POST", decidePath, "\x00\x00\x00\xff\xff", []string{"content-type", "application/grpc-web+proto", "authorization", "Bearer agent"}, 400},
		{"a compressed envelope", "POST", decidePath, "\x01\x00\x00\x00\x00", []string{"content-type", "application/connect+json"}, 400},
		{"gRPC in HTTP/1.1", "POST", decidePath, "", []string{"content-type", "application/grpc"}, 415},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp, text := send(t, r, c.method, c.path, c.body, c.headers...)
			if resp.StatusCode != c.status {
				t.Errorf("got %s, want %d: %s", resp.Status, c.status, text)
			}
		})
	}
	t.Run("too large without a length", func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url(decidePath), io.MultiReader(strings.NewReader(large)))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s", resp.Status)
		}
	})
}

// TestWebProtocols calls by gRPC-Web and by Connect with binary messages, and streams by Connect.
func TestWebProtocols(t *testing.T) {
	r := start(t, nil)
	raw, err := proto.Marshal(toolCall())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("connect binary", func(t *testing.T) {
		resp, text := send(t, r, "POST", decidePath, string(raw), "content-type", "application/proto", "authorization", "Bearer agent")
		out := &portcullisv1.DecideResponse{}
		if err := proto.Unmarshal([]byte(text), out); err != nil || out.GetDecisionId() != "d-1" {
			t.Errorf("%s %v %q", resp.Status, err, text)
		}
	})
	t.Run("connect binary, empty message", func(t *testing.T) {
		resp, text := send(t, r, "POST", "/portcullis.v1.AdminService/GetStatus", "", "content-type", "application/proto", "authorization", "Bearer admin")
		out := &portcullisv1.GetStatusResponse{}
		if err := proto.Unmarshal([]byte(text), out); err != nil || out.GetVersion() != "test" {
			t.Errorf("%s %v %q", resp.Status, err, text)
		}
	})
	t.Run("gRPC-Web", func(t *testing.T) {
		resp, text := send(t, r, "POST", decidePath, string(envelope(raw)), "content-type", "application/grpc-web+proto", "authorization", "Bearer agent")
		if resp.StatusCode != http.StatusOK || !strings.Contains(text, "d-1") || !strings.Contains(strings.ToLower(text), "grpc-status: 0") {
			t.Errorf("%s %q", resp.Status, text)
		}
	})
	t.Run("connect stream", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body := envelope([]byte(`{}`))
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url("/portcullis.v1.ApprovalService/WatchApprovals"), bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/connect+json")
		req.Header.Set("Authorization", "Bearer approver")
		r.approvals.add("018f-web")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		first := make([]byte, envelopeBytes)
		in := bufio.NewReader(resp.Body)
		if _, err := io.ReadFull(in, first); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, binary.BigEndian.Uint32(first[1:]))
		if _, err := io.ReadFull(in, text); err != nil || !strings.Contains(string(text), "018f-web") {
			t.Errorf("%v %q", err, text)
		}
	})
}

func envelope(message []byte) []byte {
	out := make([]byte, envelopeBytes+len(message))
	binary.BigEndian.PutUint32(out[1:], uint32(len(message)))
	copy(out[envelopeBytes:], message)
	return out
}

func TestBufferedBytesAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *Config, r *rig) {
		c.MaxMessageBytes, c.MaxBufferedBytes = 1<<10, 1<<10
		r.engine.decide = func(context.Context, identity.Caller, decision.Request) (decision.Response, error) {
			close(entered)
			<-release
			return decision.Response{Effect: decision.Allow}, nil
		}
	})
	padded := question + strings.Repeat(" ", 600)
	first := make(chan int, 1)
	go func() {
		resp, _ := send(t, r, "POST", decidePath, padded, "content-type", "application/json", "authorization", "Bearer agent")
		first <- resp.StatusCode
	}()
	<-entered
	resp, _ := send(t, r, "POST", decidePath, padded, "content-type", "application/json", "authorization", "Bearer agent")
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a second large request: %s", resp.Status)
	}
	close(release)
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first: %d", code)
	}
}

func TestPages(t *testing.T) {
	r := start(t, nil)
	r.awaitHealth("", true)
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "policy decision point", "/healthz": "ok", "/readyz": "ready",
		"/metrics": `grpc_server_handled_total{grpc_code="OK",grpc_method="Decide",grpc_service="portcullis.v1.DecisionService",grpc_type="unary"} 1`,
	} {
		if got := get(t, r, path); !strings.Contains(got, want) {
			t.Errorf("%s: %q has no %q", path, got, want)
		}
	}
}

func TestMetricsNeedARoleOffLoopback(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("shown")) })
	for token, want := range map[string]int{"": 401, "nobody": 401, "agent": 403, "approver": 403, "auditor": 200, "admin": 200} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/metrics", nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := &recorder{header: http.Header{}, code: 200}
		guardMetrics(next, fakeTokens{}, nil, Config{Listen: "0.0.0.0:7070"}).ServeHTTP(w, req)
		if w.code != want {
			t.Errorf("%q: %d, want %d", token, w.code, want)
		}
	}
}

func TestHostsOfAnUnspecifiedListener(t *testing.T) {
	handler := checkHost(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), nil, Config{Listen: "0.0.0.0:7070"})
	for host, want := range map[string]int{"192.0.2.7:7070": 200, "localhost": 200, "name.example": 421, "[2001:db8::1]:7070": 200, "": 421} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil)
		req.Host = host
		w := &recorder{header: http.Header{}, code: 200}
		handler.ServeHTTP(w, req)
		if w.code != want {
			t.Errorf("%q: %d, want %d", host, w.code, want)
		}
	}
}

type recorder struct {
	header http.Header
	code   int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(code int)        { r.code = code }
