package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const credentials = `credentials:
  - id: gateway
    sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
    subject: gateway
    roles: [gateway, agent]
    tenant: acme
    agents: ["*"]
`

// serve runs a server that is expected to end by itself. Settings are environment variables.
func serve(t *testing.T, dir string, settings []string, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, mustTool(t, "portcullis"), append([]string{"serve"}, args...)...)
	// The last of two values counts, so that a test may choose another port.
	cmd.Dir, cmd.Env = dir, append(environment(dir, "PORTCULLIS_LISTEN=127.0.0.1:0"), settings...)
	return run(t, cmd)
}

// TestRefusesToStart: what is wrong is said in one line, with an exit code that scripts can tell apart.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	const usage, failure, noPort = 2, 1, 4
	for _, c := range []struct {
		name string
		// files are written before; args run in their folder
		files    map[string]string
		settings []string
		args     []string
		code     int
		says     []string
	}{
		{name: "port in use", args: []string{"--dev", "--listen", taken.Addr().String()}, code: noPort, says: []string{"cannot listen on " + taken.Addr().String(), "in use"}},
		{name: "data directory is a file", files: map[string]string{"data": ""}, args: []string{"--dev", "--data-dir", "data"}, code: usage, says: []string{"data directory", "data"}},
		{name: "decision log is a file", files: map[string]string{"data/decisions": ""}, args: []string{"--dev", "--data-dir", "data"}, code: failure, says: []string{"decision log", "decisions"}},
		{name: "database is broken", files: map[string]string{"data/state.db": strings.Repeat("no database", 10_000)}, args: []string{"--dev", "--data-dir", "data"}, code: failure, says: []string{"state.db"}},
		{name: "no bundle there", args: []string{"--dev", "--bundle", "nowhere"}, code: failure, says: []string{"nowhere", "no such file"}},
		{name: "bundle without anything", files: map[string]string{"empty/README": ""}, args: []string{"--dev", "--bundle", "empty"}, code: failure, says: []string{"bundle empty", "neither Rego nor tables"}},
		{name: "broken table", files: map[string]string{"b/tables/size/data.yaml": "max_tokens: ["}, args: []string{"--dev", "--bundle", "b"}, code: failure, says: []string{"tables/size/data.yaml", "line 1"}},
		{name: "broken rule", files: map[string]string{"b/rules/x.rego": "package portcullis.rules.x\n\ndeny contains if\n"}, args: []string{"--dev", "--bundle", "b"}, code: failure, says: []string{"x.rego:3"}},
		{name: "no entrypoint", files: map[string]string{"b/rules/x.rego": "package portcullis.rules.x\n\npassed := true\n"}, args: []string{"--dev", "--bundle", "b"}, code: failure, says: []string{"data.portcullis.decision"}},
		{name: "rule that calls out", files: map[string]string{"b/rules/x.rego": "package portcullis.rules.x\n\npassed if http.send({\"url\": \"http://127.0.0.1\", \"method\": \"get\"})\n"}, args: []string{"--dev", "--bundle", "b"}, code: failure, says: []string{"x.rego:3", "http.send"}},
		{name: "archive that is none", files: map[string]string{"b.tar.gz": "hello"}, args: []string{"--dev", "--bundle", "b.tar.gz"}, code: failure, says: []string{"b.tar.gz"}},
		{name: "development mode off loopback", args: []string{"--dev", "--listen", "0.0.0.0:0"}, code: failure, says: []string{"not loopback", "development mode"}},
		{name: "no TLS off loopback", files: map[string]string{"c.yaml": credentials}, args: []string{"--listen", "0.0.0.0:0", "--credentials", "c.yaml", "--key-file", "keys/keys.json", "--data-dir", "data"}, code: failure, says: []string{"not loopback", "TLS"}},
		{name: "no credentials", code: usage, says: []string{"--credentials", "--dev"}},
		{name: "credentials are not there", args: []string{"--credentials", "nowhere.yaml", "--key-file", "keys/keys.json"}, code: usage, says: []string{"nowhere.yaml"}},
		{name: "credentials with a role that is none", files: map[string]string{"c.yaml": strings.Replace(credentials, "agent]", "agnet]", 1)}, args: []string{"--credentials", "c.yaml", "--key-file", "keys/keys.json"}, code: usage, says: []string{"agnet"}},
		{name: "credentials with a field that is none", files: map[string]string{"c.yaml": credentials + "    agnts: []\n"}, args: []string{"--credentials", "c.yaml", "--key-file", "keys/keys.json"}, code: usage, says: []string{"agnts"}},
		{name: "key beside the data", files: map[string]string{"c.yaml": credentials}, args: []string{"--credentials", "c.yaml", "--key-file", "data/keys.json", "--data-dir", "data"}, code: usage, says: []string{"key file", "outside the data directory"}},
		{name: "operator's directory in the data directory", args: []string{"--dev", "--data-dir", "data", "--operator-dir", "data/operator"}, code: usage, says: []string{"operator"}},
		{name: "unknown setting", files: map[string]string{"p.yaml": "dev: true\nlistn: 127.0.0.1:0\n"}, args: []string{"--config", "p.yaml"}, code: usage, says: []string{"p.yaml", "listn"}},
		{name: "configuration that is no YAML", files: map[string]string{"p.yaml": "dev: ["}, args: []string{"--config", "p.yaml"}, code: usage, says: []string{"p.yaml"}},
		{name: "configuration is not there", args: []string{"--config", "p.yaml"}, code: usage, says: []string{"p.yaml"}},
		{name: "wrong value in the environment", settings: []string{"PORTCULLIS_LOG_MODE=never"}, args: []string{"--dev"}, code: usage, says: []string{"log-mode"}},
		{name: "Redis at no address", args: []string{"--dev", "--redis-url", "localhost"}, code: usage, says: []string{"--redis", "redis://"}},
		{name: "password on the command line", args: []string{"--dev", "--redis-url", "redis://app:hunter2@localhost"}, code: usage, says: []string{"no password"}},
		{name: "certificate of Redis is not there", settings: []string{"PORTCULLIS_REDIS_CA=nowhere.pem"}, args: []string{"--dev", "--redis-url", "rediss://localhost"}, code: usage, says: []string{"nowhere.pem"}},
		{name: "cluster of nothing", files: map[string]string{"p.yaml": "dev: true\nredis-cluster: true\n"}, args: []string{"--config", "p.yaml"}, code: usage, says: []string{"--redis-cluster", "without --redis-url"}},
		{name: "unknown flag", args: []string{"--dve"}, code: usage, says: []string{"--dve"}},
		{name: "address without a port", args: []string{"--dev", "--listen", "127.0.0.1"}, code: failure, says: []string{"listen address"}},
		{name: "certificate without its key", args: []string{"--dev", "--listen", "127.0.0.1:0", "--tls-cert", "c.pem"}, code: failure, says: []string{"tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range c.files {
				mustWrite(t, filepath.Join(dir, name), text)
			}
			got := serve(t, dir, c.settings, c.args...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			lines := strings.Split(strings.TrimSpace(got.err), "\n")
			for _, want := range c.says {
				if !strings.Contains(got.err, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if t.Failed() || len(lines) > 40 {
				t.Errorf("it says, in %d lines:\n%s", len(lines), got.err)
			}
		})
	}
}

func TestDataDirectoryInUse(t *testing.T) {
	t.Parallel()
	p := start(t)
	got := serve(t, t.TempDir(), nil, "--dev", "--listen", "127.0.0.1:0", "--data-dir", p.data, "--operator-dir", p.operator)
	if got.code != 1 || !strings.Contains(got.err, "data directory is in use by another process") {
		t.Fatalf("exit code %d: %s", got.code, got.err)
	}
	p.agent(t).wants(t, call("demo-basic", session(t), "calculator", ""), allow) // the first one goes on
}

// TestSettings: a flag wins over the environment, the environment over the file, the file over the default.
func TestSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := mustWrite(t, filepath.Join(dir, "p.yaml"), "dev: true\nlisten: 127.0.0.1:0\ndata-dir: from-file\noperator-dir: operator\nlog-format: json\nbundle: [overlay]\n")
	mustWrite(t, filepath.Join(dir, "overlay", "tables", "agents", "data.yaml"), "default_profile: basic\n")
	p := &pdp{dir: dir, data: filepath.Join(dir, "from-environment"), operator: filepath.Join(dir, "operator")}
	file := filepath.Join(dir, "addr")
	cmd := exec.Command(mustTool(t, "portcullis"), "serve", "--config", config, "--addr-file", file)
	cmd.Dir = dir
	cmd.Env = environment(dir, "PORTCULLIS_DATA_DIR="+p.data, "PORTCULLIS_ADDR_FILE="+filepath.Join(dir, "not-here"))
	p.begin(cmd)
	t.Cleanup(func() {
		if err := p.terminate(); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(p.said.String(), "{") && !strings.Contains(p.said.String(), `"msg":"listening"`) {
			t.Errorf("log-format of the file was not used:\n%s", p.said.String())
		}
	})
	if err := p.await(file); err != nil {
		t.Fatalf("%v\n%s", err, p.said.String())
	}
	if exists(filepath.Join(dir, "from-file")) || exists(filepath.Join(dir, "not-here")) {
		t.Error("the weaker setting was used")
	}
	p.agent(t).wants(t, call("stranger", session(t), "search", ""), allow) // the bundle of the file
}

// TestForReal: without development mode there is TLS, and who may do what stands in a file of hashes.
func TestForReal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	hashed := func(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }
	file := mustWrite(t, filepath.Join(dir, "credentials.yaml"), `credentials:
  - {id: gateway, sha256: `+hashed("gateway-token-0123456789")+`, subject: gateway, roles: [gateway, agent], tenant: acme, agents: [demo-basic, mailer]}
  - {id: ann, sha256: `+hashed("approver-token-0123456789")+`, subject: ann@acme.example, roles: [approver], tenant: acme}
  - {id: bob, sha256: `+hashed("other-token-0123456789")+`, subject: bob@other.example, roles: [approver], tenant: other}
  - {id: root, sha256: `+hashed("admin-token-0123456789")+`, subject: root@acme.example, roles: [admin], tenant: acme}
`)
	bundle := overlay(t, "agents", "agents:\n  - {agent: mailer, profile: filtered}\n")
	p := &pdp{dir: dir, data: filepath.Join(dir, "data")}
	addr := filepath.Join(dir, "addr")
	p.begin(exec.Command(mustTool(t, "portcullis"), "serve", "--listen", "127.0.0.1:0", "--addr-file", addr, "--data-dir", p.data,
		"--credentials", file, "--key-file", filepath.Join(dir, "keys", "keys.json"), "--tls-cert", cert, "--tls-key", key, "--bundle", bundle))
	t.Cleanup(func() {
		if err := p.terminate(); err != nil {
			t.Errorf("%v\n%s", err, p.said.String())
		}
	})
	eventually(t, startWithin, "the address is written", func() bool { return exists(addr) })
	p.addr = mustRead(t, addr)

	as := func(token, in string, args ...string) said {
		return p.feed(t, in, append(args, "--tls-ca", cert, "--token", token)...)
	}
	const gateway, ann, bob, admin = "gateway-token-0123456789", "approver-token-0123456789", "other-token-0123456789", "admin-token-0123456789"
	eventually(t, startWithin, "it serves", func() bool { return as(admin, "", "status").code == 0 })
	ask := func(agent, tool, more string) string {
		return `{"principal": {"agent": "` + agent + `", "session": "s"}, "action": {"kind": "ACTION_KIND_TOOL_CALL", "tool": "` + tool + `"}` + more + `}`
	}
	as(gateway, ask("mailer", "calculator", ""), "decide", "-").ok(t)
	if got := as(gateway, ask("demo-basic", "search", ""), "decide", "-"); got.code != 3 {
		t.Errorf("a demo agent without development mode: %d %s%s", got.code, got.out, got.err)
	}
	if got := as(gateway, ask("stranger", "calculator", ""), "decide", "-"); !strings.Contains(got.err, "PRINCIPAL_MISMATCH") {
		t.Errorf("an agent that is not the gateway's: %s%s", got.out, got.err)
	}
	if got := as(ann, ask("mailer", "calculator", ""), "decide", "-"); !strings.Contains(got.err, "PERMISSION_DENIED") && !strings.Contains(got.err, "PermissionDenied") {
		t.Errorf("an approver decides: %s%s", got.out, got.err)
	}
	asked := as(gateway, ask("mailer", "send_email", ""), "decide", "--json", "-")
	var answer struct{ Approval struct{ ID string } }
	if err := json.Unmarshal([]byte(asked.out), &answer); err != nil || answer.Approval.ID == "" {
		t.Fatalf("%v %s%s", err, asked.out, asked.err)
	}
	id := answer.Approval.ID
	if got := as(bob, "", "approvals", "approve", id); !strings.Contains(got.err, "APPROVAL_NOT_FOUND") {
		t.Errorf("another tenant's approver: %s%s", got.out, got.err)
	}
	if got := as(gateway, "", "approvals", "approve", id); !strings.Contains(got.err, "ROLE_NOT_ALLOWED") {
		t.Errorf("the gateway approves: %s%s", got.out, got.err)
	}
	as(ann, "", "approvals", "approve", id).ok(t)
	as(gateway, ask("mailer", "send_email", `, "approval_id": "`+id+`"`), "decide", "-").ok(t)

	if got := p.cli(t, "status", "--token", admin); got.code == 0 {
		t.Errorf("plain text was answered: %s", got.out)
	}
	if exists(filepath.Join(p.data, "agent.token")) {
		t.Error("a development token was made")
	}
}

// certificate makes one for this machine, signed by itself.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return mustWrite(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))),
		mustWrite(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}
