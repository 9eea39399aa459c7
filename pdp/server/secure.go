package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// maxPEMBytes bounds each file of certificates.
const maxPEMBytes = 1 << 20

// secrets are the server's certificate and the authorities of its clients, as their files are now. A handshake takes
// what is there; files that are wrong change nothing, and are logged once. It is safe for concurrent use.
type secrets struct {
	cfg     Config
	log     *slog.Logger
	current atomic.Pointer[tls.Config]
	seen    [sha256.Size]byte // of all files; run's own
	failed  atomic.Bool
}

// newSecrets reads the files; nil without TLS.
func newSecrets(cfg Config, log *slog.Logger) (*secrets, error) {
	if cfg.CertFile == "" {
		return nil, nil //nolint:nilnil // no TLS is a valid answer
	}
	s := &secrets{cfg: cfg, log: log}
	files, err := s.read()
	if err != nil {
		return nil, err
	}
	made, err := s.make(files)
	if err != nil {
		return nil, err
	}
	s.seen = files.sum()
	s.current.Store(made)
	return s, nil
}

// config is what a listener needs: each handshake asks for what is current.
func (s *secrets) config() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil },
	}
}

type pemFiles struct{ cert, key, authorities []byte }

func (f pemFiles) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{f.cert, f.key, f.authorities} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (s *secrets) read() (f pemFiles, err error) {
	for _, in := range []struct {
		what, path string
		into       *[]byte
	}{{"certificate", s.cfg.CertFile, &f.cert}, {"key", s.cfg.KeyFile, &f.key}, {"authorities of clients", s.cfg.ClientCAFile, &f.authorities}} {
		if in.path == "" {
			continue
		}
		if *in.into, err = os.ReadFile(in.path); err != nil {
			return f, fmt.Errorf("tls: read the %s: %w", in.what, err)
		}
		if len(*in.into) > maxPEMBytes {
			return f, fmt.Errorf("tls: %s has %d bytes, at most %d", in.path, len(*in.into), maxPEMBytes)
		}
	}
	return f, nil
}

func (s *secrets) make(f pemFiles) (*tls.Config, error) {
	cert, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("tls: load certificate and key: %w", err)
	}
	out := &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if s.cfg.ClientCAFile != "" {
		out.ClientCAs = x509.NewCertPool()
		if !out.ClientCAs.AppendCertsFromPEM(f.authorities) {
			return nil, fmt.Errorf("tls: %s holds no certificate of an authority", s.cfg.ClientCAFile)
		}
		out.ClientAuth = tls.VerifyClientCertIfGiven
		out.SessionTicketsDisabled = true // each connection proves that it has the key, to the authorities of now
	}
	return out, nil
}

// run follows the files until ctx ends.
func (s *secrets) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.look()
		}
	}
}

func (s *secrets) look() {
	files, err := s.read()
	sum := files.sum()
	if err == nil && sum == s.seen {
		s.failed.Store(false)
		return
	}
	var made *tls.Config
	if err == nil {
		made, err = s.make(files)
	}
	if err != nil {
		if !s.failed.Swap(true) {
			s.log.Error("the files of TLS were not taken; those that were read before hold", "error", err.Error())
		}
		return
	}
	s.seen = sum
	s.failed.Store(false)
	s.current.Store(made)
	s.log.Info("the files of TLS were read again")
}

// secured tells gRPC of the handshake that the splitter has done.
type secured struct{}

func (secured) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c, ok := conn.(*tls.Conn); ok {
		return conn, credentials.TLSInfo{
			State:          c.ConnectionState(),
			CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		}, nil
	}
	return conn, plainInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
}

func (secured) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("server: not for clients")
}

func (secured) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "portcullis"}
}
func (secured) Clone() credentials.TransportCredentials { return secured{} }
func (secured) OverrideServerName(string) error         { return nil }

// plainInfo is of a connection without TLS.
type plainInfo struct{ credentials.CommonAuthInfo }

func (plainInfo) AuthType() string { return "none" }

// withCertificate hands on the certificate with which the caller has proved itself, if TLS verified one.
func withCertificate(ctx context.Context) (proved context.Context, shown bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return ctx, false
	}
	return identity.WithCertificate(ctx, info.State.VerifiedChains[0][0]), true
}

// rechecks are the open streams, each of which is asked for again when those who may call have changed: a credential that
// was taken away does not go on hearing (threat C2). It is safe for concurrent use.
type rechecks struct {
	mu   sync.Mutex
	next int
	open map[int]func()
}

func newRechecks() *rechecks { return &rechecks{open: map[int]func(){}} }

func (r *rechecks) add(check func()) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	n := r.next
	r.open[n] = check
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, n)
	}
}

func (r *rechecks) all() {
	r.mu.Lock()
	checks := make([]func(), 0, len(r.open))
	for _, check := range r.open {
		checks = append(checks, check)
	}
	r.mu.Unlock()
	for _, check := range checks {
		check()
	}
}

// recheckEvery is how often streams are checked although nothing has changed: credentials run out.
const recheckEvery = time.Minute

// run checks all streams when those who may call have changed, and every now and then, until ctx ends.
func (r *rechecks) run(ctx context.Context, who identity.Authenticator) {
	changes := func() <-chan struct{} { return nil }
	if live, ok := who.(interface{ Changed() <-chan struct{} }); ok {
		changes = live.Changed
	}
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	changed := changes()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			changed = changes()
		case <-tick.C:
		}
		r.all()
	}
}
