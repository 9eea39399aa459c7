package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// awaitHealth waits until health says so of a service.
func (r *rig) awaitHealth(service string, serving bool) {
	r.t.Helper()
	want := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		want = healthpb.HealthCheckResponse_SERVING
	}
	ctx, cancel := context.WithCancel(r.as(""))
	defer cancel()
	stream, err := healthpb.NewHealthClient(r.conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		got, err := stream.Recv()
		if err != nil {
			r.t.Fatalf("health of %q: %v", service, err)
		}
		if got.GetStatus() == want {
			return
		}
	}
}

func TestHealthFollowsItsConditions(t *testing.T) {
	r := start(t, nil)
	for _, service := range serviceNames {
		r.awaitHealth(service, true)
	}
	r.check.set(errors.New("no bundle in /some/place"))
	for _, service := range serviceNames {
		r.awaitHealth(service, false)
	}
	resp, text := send(t, r, "GET", "/readyz", "")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "bundle") || strings.Contains(text, "/some/place") {
		t.Errorf("readyz: %s %q", resp.Status, text)
	}
	status, err := portcullisv1.NewAdminServiceClient(r.conn).GetStatus(r.as("auditor"), &portcullisv1.GetStatusRequest{})
	if err != nil || status.GetServing() || status.GetComponents()[0].GetMessage() != "no bundle in /some/place" {
		t.Errorf("status: %v %v", status, err)
	}
	r.check.set(nil)
	r.awaitHealth("", true)
}

// hangingCheck never comes back until it is let go.
type hangingCheck struct {
	release chan struct{}
	runs    *atomic.Int32
}

func (hangingCheck) Name() string { return "stuck" }
func (c hangingCheck) Check(context.Context) error {
	c.runs.Add(1)
	<-c.release
	return nil
}

func TestACheckThatHangsCountsAsFailing(t *testing.T) {
	hanging := hangingCheck{make(chan struct{}), new(atomic.Int32)}
	v := newVitals([]Check{hanging}, time.Millisecond, start(t, nil).log)
	for range 2 {
		v.look(t.Context())
		if ok, names := v.ready(); ok || names[0] != "stuck" {
			t.Errorf("ready %v %v", ok, names)
		}
	}
	if n := hanging.runs.Load(); n != 1 {
		t.Errorf("it was started %d times", n)
	}
	close(hanging.release)
}

// TestATolerablePartKeepsTheServerServing: what all replicas share must not take all of them out of service.
func TestATolerablePartKeepsTheServerServing(t *testing.T) {
	check := &fakeCheck{}
	v := newVitals([]Check{check}, patience, start(t, nil).log)
	for _, c := range []struct {
		err           error
		ok, tolerated bool
	}{
		{nil, true, false},
		{Tolerable(nil), true, false},
		{Tolerable(errors.New("the store is gone")), true, true},
		{fmt.Errorf("limits: %w", Tolerable(errors.New("the store is gone"))), true, true},
		{errors.New("the disk is full"), false, false},
		{errors.Join(errors.New("the disk is full"), Tolerable(errors.New("the store is gone"))), false, false},
	} {
		check.set(c.err)
		v.look(t.Context())
		ok, _ := v.ready()
		part := v.components()[0]
		if ok != c.ok || part.Tolerated != c.tolerated || part.OK != (c.err == nil) {
			t.Errorf("%v: ready %v, %+v", c.err, ok, part)
		}
	}
}

func TestDrainEndsStreamsAndRefusesCalls(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(_ *Config, r *rig) {
		r.engine.decide = func(context.Context, identity.Caller, decision.Request) (decision.Response, error) {
			close(entered)
			<-release
			return decision.Response{Effect: decision.Allow}, nil
		}
	})
	r.approvals.add("018f-drain")
	stream, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: "018f-drain"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := r.decisions().Decide(r.as("agent"), toolCall())
		answered <- err
	}()
	<-entered
	r.stop()
	if m, err := stream.Recv(); err != nil || !m.GetDraining() {
		t.Errorf("before the end of the stream: %v %v", m, err)
	}
	_, err = stream.Recv()
	wantWire(t, err, codes.Unavailable, "DRAINING", "")
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("a call that was under way: %v", err)
	}
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestDrainEndsStreamsOverHTTP(t *testing.T) {
	r := start(t, nil)
	r.approvals.add("018f-drain")
	req, _ := http.NewRequestWithContext(r.as(""), http.MethodPost, r.url("/portcullis.v1.DecisionService/WatchVerdict"), bytes.NewReader(envelope([]byte(`{"approvalId":"018f-drain"}`))))
	req.Header.Set("Content-Type", "application/connect+json")
	req.Header.Set("Authorization", "Bearer agent")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	r.stop()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "APPROVAL_STATE_PENDING") || !strings.Contains(string(text), `"code":"unavailable"`) {
		t.Errorf("%v %q", err, text)
	}
}

func TestHoldAnswersWhileHealthSaysNo(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.Hold = 300 * time.Millisecond })
	r.awaitHealth("", true)
	r.stop()
	r.awaitHealth("", false)
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("during the hold: %v", err)
	}
}

func TestDrainDeadlineCutsOffWhatDoesNotEnd(t *testing.T) {
	entered := make(chan struct{})
	r := start(t, func(c *Config, r *rig) {
		c.Drain = 20 * time.Millisecond
		r.engine.decide = func(ctx context.Context, _ identity.Caller, _ decision.Request) (decision.Response, error) {
			close(entered)
			<-ctx.Done() // for ever, but for the server's end
			return decision.Response{}, ctx.Err()
		}
	})
	answered := make(chan error, 1)
	go func() {
		_, err := r.decisions().Decide(r.as("agent"), toolCall())
		answered <- err
	}()
	<-entered
	r.stop()
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if <-answered == nil {
		t.Error("a call that was cut off has an answer")
	}
}

func TestPortInUse(t *testing.T) {
	r := start(t, nil)
	_, deps := fakeDeps(t)
	srv, err := Complete(Config{Listen: r.Addr().String(), DevMode: true}, deps)
	if err != nil {
		t.Fatal(err)
	}
	err = srv.Run(t.Context())
	if !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), r.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if srv.Addr() != nil {
		t.Error("it has an address")
	}
}

func TestAQuietConnectionIsLetGo(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.PeekTimeout = 20 * time.Millisecond })
	conn := dial(t, r)
	_, _ = conn.Write([]byte("PR")) // and no more
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("others: %v", err)
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.MaxConnections = 2 })
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil { // one
		t.Fatal(err)
	}
	held := dial(t, r) // two; it says something, so that it has surely been accepted
	_, _ = held.Write([]byte("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if _, err := held.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	over := dial(t, r)
	_ = over.SetReadDeadline(time.Now().Add(patience))
	if _, err := over.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third connection: %v", err)
	}
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestShutdownDoesNotWaitForQuietConnections(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.PeekTimeout, c.Drain = time.Hour, time.Hour })
	conn := dial(t, r)
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil { // accepted after conn
		t.Fatal(err)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	_, _ = conn.Read(make([]byte, 1))
}

func TestThreat_C5_OffLoopbackNeedsTLSAndRealCredentials(t *testing.T) {
	cert, key := certificate(t)
	cases := []struct {
		name    string
		cfg     Config
		exposed bool
	}{
		{"loopback in development", Config{Listen: "127.0.0.1:0", DevMode: true}, false},
		{"IPv6 loopback", Config{Listen: "[::1]:0", DevMode: true}, false},
		{"localhost", Config{Listen: "localhost:0"}, false},
		{"everywhere in development", Config{Listen: "0.0.0.0:0", DevMode: true}, true},
		{"everywhere, short", Config{Listen: ":7070"}, true},
		{"a name", Config{Listen: "pdp.example:7070"}, true},
		{"IPv6 everywhere", Config{Listen: "[::]:0"}, true},
		{"everywhere without TLS", Config{Listen: "0.0.0.0:0"}, true},
		{"everywhere in development with TLS", Config{Listen: "0.0.0.0:0", DevMode: true, CertFile: cert, KeyFile: key}, true},
		{"everywhere with both", Config{Listen: "0.0.0.0:0", CertFile: cert, KeyFile: key}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, deps := fakeDeps(t)
			srv, err := Complete(c.cfg, deps)
			if errors.Is(err, ErrExposed) != c.exposed || err == nil == c.exposed {
				t.Errorf("got %v", err)
			}
			if srv != nil {
				srv.stop()
			}
		})
	}
}

func TestCompleteNamesWhatIsMissing(t *testing.T) {
	_, err := Complete(Config{CertFile: "x"}, Deps{})
	for _, want := range []string{"a certificate needs its key", "needs an engine", "needs an authenticator", "needs at least one health check"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v has no %q", err, want)
		}
	}
	_, deps := fakeDeps(t)
	if _, err := Complete(Config{CertFile: "no-such", KeyFile: "no-such"}, deps); err == nil || !strings.Contains(err.Error(), "tls") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	r := start(t, func(c *Config, _ *rig) { c.CertFile, c.KeyFile = cert, key })
	pool := x509.NewCertPool()
	text, _ := os.ReadFile(cert)
	pool.AppendCertsFromPEM(text)
	conn, err := grpc.NewClient(r.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := portcullisv1.NewDecisionServiceClient(conn).Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("gRPC over TLS: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
	defer client.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.Addr().String()+"/healthz", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 1 {
		t.Errorf("HTTP over TLS: %s %s", resp.Proto, resp.Status)
	}
	old := &tls.Dialer{Config: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}}
	if c, err := old.DialContext(t.Context(), "tcp", r.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("TLS 1.2 is spoken")
	}
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err == nil {
		t.Error("plain text is answered on a port with TLS")
	}
}

// certificate writes one for 127.0.0.1 and returns its files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
