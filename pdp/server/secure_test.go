package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: ecKey(t), next: 1}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for 127.0.0.1 with a SPIFFE id, or without where it is empty.
func (a *authority) issue(id string) tls.Certificate {
	a.t.Helper()
	return a.issueUntil(id, time.Now().Add(time.Hour))
}

func (a *authority) issueUntil(id string, end time.Time) tls.Certificate {
	a.t.Helper()
	a.next++
	key := ecKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"pdp.corp"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if id != "" {
		u, err := url.Parse(id)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write puts a certificate and its key into files.
func (a *authority) write(cert tls.Certificate, certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, certFile, "CERTIFICATE", cert.Certificate[0])
	writePEM(a.t, keyFile, "PRIVATE KEY", der)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mutual is a server with TLS whose callers are those of a file, and the authority of both sides.
type mutual struct {
	*rig
	*authority
	dir  string
	live *identity.Live
}

const mutualRows = `certificates:
  - {id: mailer, spiffe: "spiffe://corp/mailer", subject: mailer, roles: [agent], tenant: default, agents: [a]}
  - {id: ann, spiffe: "spiffe://corp/ann", subject: ann, roles: [approver], tenant: default}
`

func startMutual(t *testing.T) *mutual {
	t.Helper()
	return startMutualWith(t, func(*Config) {})
}

func startMutualWith(t *testing.T, change func(*Config)) *mutual {
	t.Helper()
	m := &mutual{authority: newAuthority(t), dir: t.TempDir()}
	m.write(m.issue(""), m.file("cert.pem"), m.file("key.pem"))
	writePEM(t, m.file("ca.pem"), "CERTIFICATE", m.cert.Raw)
	m.allow(mutualRows)
	var err error
	if m.live, err = identity.Open(m.file("callers.yaml"), time.Now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); m.live.Run(following) }()
	t.Cleanup(func() { stop(); <-done })
	m.rig = start(t, func(c *Config, r *rig) {
		c.DevMode, c.HealthEvery, c.Hold = false, 10*time.Millisecond, -1
		c.CertFile, c.KeyFile, c.ClientCAFile = m.file("cert.pem"), m.file("key.pem"), m.file("ca.pem")
		r.deps.Authenticator = m.live
		change(c)
	})
	return m
}

func (m *mutual) file(name string) string { return filepath.Join(m.dir, name) }

func (m *mutual) allow(rows string) {
	if err := os.WriteFile(m.file("callers.yaml"), []byte(rows), 0o600); err != nil {
		m.authority.t.Fatal(err)
	}
}

// dial is a client that shows a certificate, if there is one.
func (m *mutual) dial(certs ...tls.Certificate) *grpc.ClientConn {
	m.authority.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(m.cert)
	conn, err := grpc.NewClient(m.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, Certificates: certs, MinVersion: tls.VersionTLS13})))
	if err != nil {
		m.authority.t.Fatal(err)
	}
	m.authority.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func decideOn(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := portcullisv1.NewDecisionServiceClient(conn).Decide(ctx, toolCall())
	return err
}

func TestACertificateIsACredential(t *testing.T) {
	m := startMutual(t)
	if err := decideOn(t.Context(), m.dial(m.issue("spiffe://corp/mailer"))); err != nil {
		t.Errorf("the mailer: %v", err)
	}
	wantWire(t, decideOn(t.Context(), m.dial(m.issue("spiffe://corp/ann"))), codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	wantWire(t, decideOn(t.Context(), m.dial(m.issue("spiffe://corp/nobody"))), codes.Unauthenticated, "BAD_CREDENTIAL", "")
	wantWire(t, decideOn(t.Context(), m.dial()), codes.Unauthenticated, "NO_CREDENTIAL", "")
	other := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer nonsense")
	wantWire(t, decideOn(other, m.dial(m.issue("spiffe://corp/mailer"))), codes.Unauthenticated, "BAD_CREDENTIAL", "")
	if log := m.logs.String(); !strings.Contains(log, "no row has the SPIFFE id") || strings.Contains(log, "nonsense") {
		t.Errorf("the log lacks why, or repeats what was shown:\n%s", log)
	}
	if err := decideOn(t.Context(), m.dial(newAuthority(t).issue("spiffe://corp/mailer"))); err == nil {
		t.Error("a certificate of another authority is taken")
	}
	// By HTTP/1.1, too.
	pool := x509.NewCertPool()
	pool.AddCert(m.cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{m.issue("spiffe://corp/mailer")}, MinVersion: tls.VersionTLS13}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post("https://"+m.Addr().String()+"/portcullis.v1.DecisionService/Decide", "application/json",
		strings.NewReader(`{"principal":{"agent":"a","session":"s"},"action":{"kind":"ACTION_KIND_TOOL_CALL","tool":"calculator"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// TestThreat_C2_ARevokedCertificateIsRefusedOnAnOpenConnection, and what it listened to ends.
func TestThreat_C2_ARevokedCertificateIsRefusedOnAnOpenConnection(t *testing.T) {
	m := startMutual(t)
	m.approvals.add(askID)
	cert := m.issue("spiffe://corp/ann")
	conn := m.dial(cert)
	reviews := portcullisv1.NewApprovalServiceClient(conn)
	stream, err := reviews.WatchApprovals(t.Context(), &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	m.allow(mutualRows + fmt.Sprintf("revoked:\n  - {serial: %q}\n", parsed.SerialNumber.Text(16)))
	for {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	wantWire(t, err, codes.Unauthenticated, "BAD_CREDENTIAL", "")
	_, err = reviews.ListApprovals(t.Context(), &portcullisv1.ListApprovalsRequest{})
	wantWire(t, err, codes.Unauthenticated, "BAD_CREDENTIAL", "")
	if err := decideOn(t.Context(), m.dial(m.issue("spiffe://corp/mailer"))); err != nil {
		t.Errorf("others are refused, too: %v", err)
	}
}

// TestTheFilesOfTLSAreFollowed: a new certificate is shown, a wrong one is not, and new authorities count.
func TestTheFilesOfTLSAreFollowed(t *testing.T) {
	m := startMutual(t)
	shown := func(certs ...tls.Certificate) (string, error) {
		pool := x509.NewCertPool()
		pool.AddCert(m.cert)
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: certs, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}}).DialContext(t.Context(), "tcp", m.Addr().String())
		if err != nil {
			return "", err
		}
		defer conn.Close()
		secured := conn.(*tls.Conn)
		return secured.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
	}
	serial := func() string {
		t.Helper()
		s, err := shown()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := serial()
	m.write(m.issue(""), m.file("cert.pem"), m.file("key.pem"))
	waitUntil(t, "the new certificate is shown", func() bool { return serial() != first })
	second := serial()
	if err := os.WriteFile(m.file("key.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the wrong key is logged", func() bool { return strings.Contains(m.logs.String(), "files of TLS were not taken") })
	if got := serial(); got != second {
		t.Errorf("with a wrong key it shows %s, want %s", got, second)
	}
	families, err := m.deps.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	gauges := map[string]float64{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "portcullis_tls_") {
			gauges[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	if ends := gauges["portcullis_tls_not_after_timestamp_seconds"]; gauges["portcullis_tls_load_failed"] != 1 || ends < float64(time.Now().Unix()) {
		t.Errorf("the gauges are %v", gauges)
	}
	m.write(m.issue(""), m.file("cert.pem"), m.file("key.pem"))
	next := newAuthority(t)
	writePEM(t, m.file("ca.pem"), "CERTIFICATE", next.cert.Raw)
	waitUntil(t, "the next authority's certificate is a credential", func() bool {
		return decideOn(t.Context(), m.dial(next.issue("spiffe://corp/mailer"))) == nil
	})
	if err := decideOn(t.Context(), m.dial(m.issue("spiffe://corp/mailer"))); err == nil {
		t.Error("the old authority's still is")
	}
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(10 * time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestThreat_C5_NothingStartsHalfSecured: each is a refusal to start, with what is wrong.
func TestThreat_C5_NothingStartsHalfSecured(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	a.write(a.issue(""), file("cert.pem"), file("key.pem"))
	a.write(a.issue(""), file("other.pem"), file("otherkey.pem"))
	a.write(a.issueUntil("", time.Now().Add(-time.Minute)), file("past.pem"), file("pastkey.pem"))
	writePEM(t, file("ca.pem"), "CERTIFICATE", a.cert.Raw)
	if err := os.WriteFile(file("empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"a certificate of the past": {Config{Listen: "0.0.0.0:0", CertFile: file("past.pem"), KeyFile: file("pastkey.pem")}, "ended at"},
		"a leaf as an authority":    {Config{Listen: "0.0.0.0:0", CertFile: file("cert.pem"), KeyFile: file("key.pem"), ClientCAFile: file("cert.pem")}, "no authority's"},
		"TLS of 1999":               {Config{Listen: "127.0.0.1:0", CertFile: file("cert.pem"), KeyFile: file("key.pem"), TLSMin: tls.VersionTLS10}, "1.2 or 1.3"},
		"in plain text":             {Config{Listen: "0.0.0.0:0"}, "there is no TLS"},
		"a key of another":          {Config{Listen: "0.0.0.0:0", CertFile: file("cert.pem"), KeyFile: file("otherkey.pem")}, "private key does not match"},
		"no key":                    {Config{Listen: "0.0.0.0:0", CertFile: file("cert.pem")}, "needs its key"},
		"an empty certificate":      {Config{Listen: "0.0.0.0:0", CertFile: file("empty.pem"), KeyFile: file("key.pem")}, "load certificate"},
		"a certificate not there":   {Config{Listen: "0.0.0.0:0", CertFile: file("none.pem"), KeyFile: file("key.pem")}, "no such file"},
		"authorities not there":     {Config{Listen: "0.0.0.0:0", CertFile: file("cert.pem"), KeyFile: file("key.pem"), ClientCAFile: file("none.pem")}, "no such file"},
		"no authorities":            {Config{Listen: "0.0.0.0:0", CertFile: file("cert.pem"), KeyFile: file("key.pem"), ClientCAFile: file("empty.pem")}, "holds no certificate"},
		"authorities, and no TLS":   {Config{ClientCAFile: file("ca.pem")}, "of no use"},
		"in development, reachable": {Config{Listen: "0.0.0.0:0", DevMode: true, CertFile: file("cert.pem"), KeyFile: file("key.pem")}, "no real authentication"},
	} {
		_, deps := fakeDeps(t)
		if s, err := Complete(c.cfg, deps); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			if s != nil {
				s.stop()
			}
		}
	}
}

// TestOnePortForAllOverTLS: a client that offers HTTP/2 and HTTP/1.1, as curl and browsers do, gets JSON; gRPC offers h2 alone.
func TestOnePortForAllOverTLS(t *testing.T) {
	m := startMutual(t)
	pool := x509.NewCertPool()
	pool.AddCert(m.cert)
	for name, offered := range map[string][]string{"both": {"h2", "http/1.1"}, "one": {"http/1.1"}, "none": nil} {
		conf := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{m.issue("spiffe://corp/mailer")}, NextProtos: offered, MinVersion: tls.VersionTLS13}
		conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", m.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body := `{"principal":{"agent":"a","session":"s"},"action":{"kind":"ACTION_KIND_TOOL_CALL","tool":"calculator"}}`
		_, _ = fmt.Fprintf(conn, "POST /portcullis.v1.DecisionService/Decide HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
		said, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 200 ") || !strings.Contains(string(said), "EFFECT_ALLOW") {
			t.Errorf("%s: %v %s", name, err, said)
		}
	}
	if err := decideOn(t.Context(), m.dial(m.issue("spiffe://corp/mailer"))); err != nil {
		t.Errorf("gRPC: %v", err)
	}
	for host, want := range map[string]int{"pdp.corp": 200, "PDP.corp:443": 200, "evil.example": 421, "corp": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+m.Addr().String()+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestOldVersionsOfTLS(t *testing.T) {
	for oldest, want := range map[uint16]bool{0: false, tls.VersionTLS12: true, tls.VersionTLS13: false} {
		m := startMutualWith(t, func(c *Config) { c.TLSMin = oldest })
		pool := x509.NewCertPool()
		pool.AddCert(m.cert)
		for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: want, tls.VersionTLS13: true} {
			conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version}}).DialContext(t.Context(), "tcp", m.Addr().String())
			if (err == nil) != ok {
				t.Errorf("oldest %x, asked for %x: %v", oldest, version, err)
			}
			if err == nil {
				_ = conn.Close()
			}
		}
	}
}

// TestThreat_C2_AnAuthorityThatIsNoneAnyMore: what it signed is refused on connections that are open, and ends their streams.
func TestThreat_C2_AnAuthorityThatIsNoneAnyMore(t *testing.T) {
	m := startMutual(t)
	m.approvals.add(askID)
	conn := m.dial(m.issue("spiffe://corp/ann"))
	stream, err := portcullisv1.NewApprovalServiceClient(conn).WatchApprovals(t.Context(), &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	mailer := m.dial(m.issue("spiffe://corp/mailer"))
	if err := decideOn(t.Context(), mailer); err != nil {
		t.Fatal(err)
	}
	writePEM(t, m.file("ca.pem"), "CERTIFICATE", newAuthority(t).cert.Raw)
	for err == nil {
		_, err = stream.Recv()
	}
	wantWire(t, err, codes.Unauthenticated, "BAD_CREDENTIAL", "")
	wantWire(t, decideOn(t.Context(), mailer), codes.Unauthenticated, "BAD_CREDENTIAL", "")
}

// TestThreat_C2_AStreamEndsWithItsCredential, and when the credential means something else.
func TestThreat_C2_AStreamEndsWithItsCredential(t *testing.T) {
	m := startMutual(t)
	m.approvals.add(askID)
	watch := func(cert tls.Certificate) portcullisv1.ApprovalService_WatchApprovalsClient {
		stream, err := portcullisv1.NewApprovalServiceClient(m.dial(cert)).WatchApprovals(t.Context(), &portcullisv1.WatchApprovalsRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	until := func(stream portcullisv1.ApprovalService_WatchApprovalsClient) (err error) {
		for err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	short := m.issueUntil("spiffe://corp/ann", time.Now().Add(2*time.Second))
	wantWire(t, until(watch(short)), codes.Unauthenticated, "BAD_CREDENTIAL", "")

	stream := watch(m.issue("spiffe://corp/ann"))
	m.allow(strings.Replace(mutualRows, "roles: [approver]", "roles: [approver], groups: [payments]", 1))
	wantWire(t, until(stream), codes.Unauthenticated, "BAD_CREDENTIAL", "")
}

func TestAuthoritiesAreAuthorities(t *testing.T) {
	a := newAuthority(t)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	good := block("CERTIFICATE", a.cert.Raw)
	if _, known, err := authorities([]byte("# ours\n" + good + good + block("CERTIFICATE", newAuthority(t).cert.Raw))); err != nil || len(known) != 2 {
		t.Errorf("%d, %v", len(known), err)
	}
	for name, raw := range map[string]string{
		"empty": "", "text": "hello", "a leaf": good + block("CERTIFICATE", a.issue("").Certificate[0]), "a key": good + block("PRIVATE KEY", []byte("x")),
		"broken": good + block("CERTIFICATE", []byte("x")), "cut off": good + good[:len(good)/2],
	} {
		if _, _, err := authorities([]byte(raw)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestThreat_C2_OneAccountLeavesRoom: a credential that runs wild, or was stolen, does not use up its tenant.
func TestThreat_C2_OneAccountLeavesRoom(t *testing.T) {
	a := newAdmission("calls", 100, 3, 2)
	eve, ann, other := account{"t", "eve"}, account{"t", "ann"}, account{"u", "eve"}
	for i, c := range []struct {
		who account
		ok  bool
	}{{eve, true}, {eve, true}, {eve, false}, {ann, true}, {ann, false}, {other, true}} {
		if err := a.enterAccount(c.who); (err == nil) != c.ok {
			t.Errorf("call %d of %+v: %v", i, c.who, err)
		}
	}
	for _, who := range []account{eve, eve, ann, other} {
		a.leaveAccount(who)
	}
	if len(a.tenants)+len(a.accounts) != 0 {
		t.Errorf("left over: %v %v", a.tenants, a.accounts)
	}
}
