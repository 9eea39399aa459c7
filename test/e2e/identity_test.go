package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	portcullisclient "github.com/portcullis-pdp/portcullis/clients/go"
)

// corporation is a server as a company would run it, with an authority for certificates and an issuer of tokens.
type corporation struct {
	*pdp
	t       *testing.T
	ca      *x509.Certificate
	caKey   *ecdsa.PrivateKey
	signing *ecdsa.PrivateKey
	issuer  string
	serial  int64
	file    string // of callers
	rows    string
	keys    map[string]string // files with credentials
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certified signs a certificate, and writes it and its key beside each other.
func (c *corporation) certified(name, spiffe string) (cert, key string, serial int64) {
	c.t.Helper()
	c.serial++
	private := newKey(c.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	if spiffe != "" {
		id, err := url.Parse(spiffe)
		if err != nil {
			c.t.Fatal(err)
		}
		template.URIs = []*url.URL{id}
	}
	parent := c.ca
	if parent == nil { // the authority itself
		template.Subject, template.IsCA, template.BasicConstraintsValid, template.KeyUsage = pkix.Name{CommonName: "Acme"}, true, true, x509.KeyUsageCertSign
		template.ExtKeyUsage, template.IPAddresses, template.DNSNames = nil, nil, nil
		parent, c.caKey = template, private
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, c.caKey)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.ca == nil {
		if c.ca, err = x509.ParseCertificate(raw); err != nil {
			c.t.Fatal(err)
		}
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	cert = mustWrite(c.t, filepath.Join(c.dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
	return cert, mustWrite(c.t, filepath.Join(c.dir, name+"-key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), c.serial
}

// key makes an API key as an operator does, and returns its row.
func (c *corporation) key(name string, args ...string) string {
	c.t.Helper()
	made := portcullis(c.t, append([]string{"keys", "new", "--tenant", "acme", "--id", name}, args...)...).ok(c.t)
	c.keys[name] = mustWrite(c.t, filepath.Join(c.dir, name+".token"), made.out)
	_, row, _ := strings.Cut(made.err, "\n")
	return row
}

// token signs a JWT for the staff, and writes it to a file.
func (c *corporation) token(name string, change map[string]any) string {
	c.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: crypto.Signer(c.signing), KeyID: "k1"}}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	claims := map[string]any{"iss": c.issuer, "aud": "portcullis", "sub": name, "email": name + "@acme.example", "groups": []string{"approvers"}, "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, change)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		c.t.Fatal(err)
	}
	return mustWrite(c.t, filepath.Join(c.dir, name+".jwt"), text)
}

func incorporate(t *testing.T) *corporation {
	t.Helper()
	dir := t.TempDir()
	c := &corporation{t: t, pdp: &pdp{dir: dir, data: filepath.Join(dir, "data")}, signing: newKey(t), keys: map[string]string{}}
	ca, _, _ := c.certified("ca", "")
	cert, key, _ := c.certified("server", "")
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &c.signing.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	t.Cleanup(srv.Close)
	c.issuer = srv.URL
	c.rows = "credentials:\n" +
		c.key("gateway", "--role", "gateway", "--agent", "mailer", "--owner", "ann@acme.example") +
		c.key("ann-desktop", "--role", "approver") + c.key("bob", "--role", "approver") + c.key("root", "--role", "admin") + `
certificates:
  - {id: mailer, spiffe: "spiffe://acme.example/agents/mailer", subject: mailer-agent, roles: [agent], tenant: acme, agents: [mailer], owner: carol}
  - {id: carol, spiffe: "spiffe://acme.example/people/carol", subject: carol, roles: [approver], tenant: acme}
issuers:
  - id: staff
    issuer: ` + c.issuer + `
    audience: portcullis
    algorithms: [ES256]
    jwks_url: ` + c.issuer + `
    tenant: acme
    person_claim: email
    rules:
      - {claim: groups, equals: approvers, roles: [approver]}
people:
  - {person: ann@acme.example, subjects: [ann-desktop]}
  - {person: carol, subjects: [carol@acme.example]}
`
	c.file = mustWrite(t, filepath.Join(dir, "callers.yaml"), c.rows)
	addr := filepath.Join(dir, "addr")
	c.begin(exec.Command(mustTool(t, "portcullis"), "serve", "--listen", "127.0.0.1:0", "--addr-file", addr, "--data-dir", c.data,
		"--credentials", c.file, "--key-file", filepath.Join(dir, "keys", "keys.json"), "--tls-cert", cert, "--tls-key", key, "--client-ca", ca,
		"--bundle", overlay(t, "agents", "agents:\n  - {agent: mailer, profile: filtered}\n")))
	t.Cleanup(func() {
		if err := c.terminate(); err != nil {
			t.Errorf("%v\n%s", err, c.said.String())
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", c.said.String())
		}
	})
	eventually(t, startWithin, "the address is written", func() bool { return exists(addr) })
	c.addr = mustRead(t, addr)
	eventually(t, startWithin, "it serves", func() bool { return c.as("--token-file", c.keys["root"]).run("", "status").code == 0 })
	return c
}

// caller runs commands with a credential.
type caller struct {
	c     *corporation
	flags []string
}

func (c *corporation) as(flags ...string) caller { return caller{c, flags} }

func (c *corporation) by(name string) caller {
	if file, ok := c.keys[name]; ok {
		return c.as("--token-file", file)
	}
	return c.as("--tls-cert", filepath.Join(c.dir, name+".pem"), "--tls-key", filepath.Join(c.dir, name+"-key.pem"))
}

func (a caller) run(in string, args ...string) said {
	a.c.t.Helper()
	return a.c.feed(a.c.t, in, append(append(args, "--tls-ca", filepath.Join(a.c.dir, "ca.pem")), a.flags...)...)
}

// asks asks for a mail of its own and returns the approval.
func (a caller) asks(about string) string {
	a.c.t.Helper()
	got := a.run(`{"principal": {"agent": "mailer", "session": "s"}, "action": {"kind": "ACTION_KIND_TOOL_CALL", "tool": "send_email", "arguments_json": "{\"to\": \"x@example.com\", \"body\": \"`+about+`\"}"}}`, "decide", "--json", "-")
	var answer struct{ Approval struct{ ID string } }
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || answer.Approval.ID == "" {
		a.c.t.Fatalf("%v %s%s", err, got.out, got.err)
	}
	return answer.Approval.ID
}

// TestIdentity: certificates, keys and tokens at one server, by the CLI, curl and grpcurl.
func TestIdentity(t *testing.T) {
	t.Parallel()
	c := incorporate(t)
	ca := filepath.Join(c.dir, "ca.pem")
	mailerCert, mailerKey, serial := c.certified("mailer", "spiffe://acme.example/agents/mailer")
	c.certified("carol", "spiffe://acme.example/people/carol")
	c.certified("stranger", "spiffe://acme.example/agents/stranger")
	ann := c.as("--token-file", c.token("ann", nil))
	dave := c.as("--token-file", c.token("dave", nil))
	carolToken := c.as("--token-file", c.token("carol", nil))
	const question = `{"principal": {"agent": "mailer", "session": "s"}, "action": {"kind": "ACTION_KIND_TOOL_CALL", "tool": "calculator"}}`
	tls := []string{"-cacert", ca, "-cert", mailerCert, "-key", mailerKey}

	if got := run(t, grpcurl(t, append(tls, "-d", question, c.addr, "portcullis.v1.DecisionService/Decide")...)).ok(t); !strings.Contains(got.out, "EFFECT_ALLOW") {
		t.Errorf("grpcurl with a certificate: %s", got.out)
	}
	curl := func(args ...string) said {
		return run(t, exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--cacert", ca, "-H", "content-type: application/json", "-d", question, "https://" + c.addr + "/portcullis.v1.DecisionService/Decide"}, args...)...))
	}
	if got := curl("--cert", mailerCert, "--key", mailerKey).ok(t); !strings.Contains(got.out, "EFFECT_ALLOW") {
		t.Errorf("curl with a certificate: %s", got.out)
	}
	if got := curl("-H", "authorization: Bearer "+strings.TrimSpace(mustRead(t, c.keys["gateway"]))).ok(t); !strings.Contains(got.out, "EFFECT_ALLOW") {
		t.Errorf("curl with a key: %s", got.out)
	}
	if got := curl().ok(t); !strings.Contains(got.out, "unauthenticated") {
		t.Errorf("curl with nothing: %s", got.out)
	}
	t.Run("TestThreat_C3_CertificateAndTokenDisagree", func(t *testing.T) {
		if got := curl("--cert", mailerCert, "--key", mailerKey, "-H", "authorization: Bearer "+strings.TrimSpace(mustRead(t, c.keys["gateway"]))).ok(t); !strings.Contains(got.out, "unauthenticated") {
			t.Errorf("two callers in one call: %s", got.out)
		}
		if got := c.by("mailer").run(strings.Replace(question, `"mailer"`, `"stranger"`, 1), "decide", "-"); !strings.Contains(got.err, "PRINCIPAL_MISMATCH") {
			t.Errorf("another agent in the body: %s%s", got.out, got.err)
		}
	})
	pair, err := ctls.LoadX509KeyPair(mailerCert, mailerKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.ca)
	client, err := portcullisclient.New(portcullisclient.Config{
		Addr: c.addr, TLS: &ctls.Config{RootCAs: pool, Certificates: []ctls.Certificate{pair}, MinVersion: ctls.VersionTLS13},
		Principal: portcullisclient.Principal{Agent: "mailer", Session: "library"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if d := client.Decide(t.Context(), portcullisclient.ToolCall("calculator", map[string]any{"expression": "6*7"})); !d.Allowed() {
		t.Errorf("the Go client with a certificate: %+v", d)
	}
	if got := c.by("stranger").run(question, "decide", "-"); !strings.Contains(got.err, "BAD_CREDENTIAL") {
		t.Errorf("a certificate without an account: %s%s", got.out, got.err)
	}
	if got := c.as("--token-file", c.token("eve", map[string]any{"aud": "payroll"})).run("", "approvals", "list"); !strings.Contains(got.err, "BAD_CREDENTIAL") {
		t.Errorf("a token for somebody else: %s%s", got.out, got.err)
	}
	for _, oldest := range []string{"--tlsv1.2", "--tlsv1.3"} {
		if got := curl("--cert", mailerCert, "--key", mailerKey, oldest, "--tls-max", strings.TrimPrefix(oldest, "--tlsv")); (got.code == 0) != (oldest == "--tlsv1.3") {
			t.Errorf("%s: exit code %d %s", oldest, got.code, got.err)
		}
	}

	// Who asked, by whichever of their accounts, and who runs the agent, cannot approve.
	t.Run("TestThreat_B6_NobodyApprovesWhatIsTheirs", func(t *testing.T) {
		for _, row := range []struct {
			asks, name string
			votes      caller
			applied    bool
			says       string
		}{
			{"gateway", "the owner by a token", ann, false, "SELF_APPROVAL"},
			{"gateway", "the owner by a key of another name", c.by("ann-desktop"), false, "SELF_APPROVAL"},
			{"gateway", "the agent's own credential", c.by("gateway"), false, "ROLE_NOT_ALLOWED"},
			{"gateway", "another agent's credential", c.by("mailer"), false, "ROLE_NOT_ALLOWED"},
			{"gateway", "an admin", c.by("root"), false, "ROLE_NOT_ALLOWED"},
			{"gateway", "somebody else by a token", dave, true, ""},
			{"gateway", "somebody else by a certificate", c.by("carol"), true, ""},
			{"mailer", "the owner by a certificate", c.by("carol"), false, "SELF_APPROVAL"},
			{"mailer", "the owner by a token", carolToken, false, "SELF_APPROVAL"},
			{"mailer", "somebody else by a key", c.by("bob"), true, ""},
			{"mailer", "another agent's owner", ann, true, ""},
		} {
			id := c.by(row.asks).asks(row.asks + " " + row.name)
			got := row.votes.run("", "approvals", "approve", id)
			if (got.code == 0) != row.applied || !strings.Contains(got.err, row.says) {
				t.Errorf("%s asks, %s approves: %d %s%s", row.asks, row.name, got.code, got.out, got.err)
			}
			if row.says == "SELF_APPROVAL" { // and that they tried is on record
				eventually(t, 5*time.Second, "the decision log has it", func() bool {
					logged := c.feed(t, "", "log", "query", "--data-dir", c.data, "--type", "verdict", "--approval", id, "--json")
					return strings.Contains(logged.ok(t).out, `"applied":false,"reason":"SELF_APPROVAL"`)
				})
			}
		}
	})
	t.Run("TestThreat_B12_AnAgentsCertificateGivesNoVerdict", func(t *testing.T) {
		id := c.by("gateway").asks("forged")
		got := run(t, grpcurl(t, append(tls, "-d", `{"approval_id": "`+id+`", "verdict": "VERDICT_APPROVE"}`, c.addr, "portcullis.v1.ApprovalService/SubmitVerdict")...))
		if got.code == 0 || !strings.Contains(got.err, "PermissionDenied") {
			t.Errorf("%d %s%s", got.code, got.out, got.err)
		}
		both := c.key("both", "--role", "approver")
		mustWrite(t, filepath.Join(c.dir, "both.yaml"), "credentials:\n"+strings.Replace(both, "roles: [approver]", "roles: [approver, agent]\n  agents: [a]", 1))
		if got := serve(t, c.dir, nil, "--credentials", "both.yaml", "--key-file", "keys/other.json", "--data-dir", "other"); got.code != 2 || !strings.Contains(got.err, "could approve itself") {
			t.Errorf("a credential of both kinds: %d %s", got.code, got.err)
		}
	})
	t.Run("TestThreat_C2_RevokedWhileConnected", func(t *testing.T) {
		mustWrite(t, c.file, c.rows+fmt.Sprintf("revoked:\n  - {serial: %q}\n", fmt.Sprintf("%X", serial)))
		took := eventually(t, 5*time.Second, "the certificate is refused", func() bool {
			return strings.Contains(c.by("mailer").run(question, "decide", "-").err, "BAD_CREDENTIAL")
		})
		t.Logf("refused after %s", took)
		c.by("gateway").asks("and others go on")
	})
}
