package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	current atomic.Pointer[material]
	seen    [sha256.Size]byte // of all files; run's own
	failed  atomic.Bool
	changed func() // told after each change
}

// material is what one reading of the files made.
type material struct {
	config *tls.Config
	// authorities are the digests of those whose client certificates are taken.
	authorities map[[sha256.Size]byte]bool
	notAfter    time.Time
}

// newSecrets reads the files; nil without TLS.
func newSecrets(cfg Config, log *slog.Logger) (*secrets, error) {
	if cfg.CertFile == "" {
		return nil, nil //nolint:nilnil // no TLS is a valid answer
	}
	s := &secrets{cfg: cfg, log: log, changed: func() {}}
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
		MinVersion:         s.cfg.TLSMin,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load().config, nil },
	}
}

// browsers is config for a listener that speaks HTTP/1.1 alone.
func (s *secrets) browsers() *tls.Config {
	return &tls.Config{
		MinVersion: s.cfg.TLSMin,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := s.current.Load().config.Clone()
			now.NextProtos = []string{"http/1.1"}
			return now, nil
		},
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

// make builds from the files. HTTP/1.1 comes first: of clients that speak both, those are the ones that are no gRPC (curl,
// browsers), and what is HTTP/2 goes to gRPC; a gRPC client offers h2 alone.
func (s *secrets) make(f pemFiles) (*material, error) {
	cert, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("tls: load certificate and key: %w", err)
	}
	if ended := cert.Leaf.NotAfter; time.Now().After(ended) {
		return nil, fmt.Errorf("tls: the certificate in %s ended at %s", s.cfg.CertFile, ended.UTC().Format(time.RFC3339))
	}
	out := &material{notAfter: cert.Leaf.NotAfter, config: &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   s.cfg.TLSMin,
		NextProtos:   []string{"http/1.1", "h2"},
	}}
	if s.cfg.ClientCAFile == "" {
		return out, nil
	}
	if out.config.ClientCAs, out.authorities, err = authorities(f.authorities); err != nil {
		return nil, fmt.Errorf("tls: %s %w", s.cfg.ClientCAFile, err)
	}
	out.config.ClientAuth = tls.VerifyClientCertIfGiven
	out.config.SessionTicketsDisabled = true // each connection proves that it has the key, to the authorities of now
	return out, nil
}

// authorities reads certificates that may sign others, and nothing else: a leaf among them would be trusted as one, and
// something that is not understood could be the one that was meant.
func authorities(raw []byte) (*x509.CertPool, map[[sha256.Size]byte]bool, error) {
	pool, known := x509.NewCertPool(), map[[sha256.Size]byte]bool{}
	for {
		block, rest := pem.Decode(raw)
		if block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return nil, nil, fmt.Errorf("holds something that is no certificate (part %d)", len(known)+1)
		}
		if !cert.IsCA || !cert.BasicConstraintsValid {
			return nil, nil, fmt.Errorf("holds a certificate that is no authority's (part %d)", len(known)+1)
		}
		pool.AddCert(cert)
		known[sha256.Sum256(cert.Raw)] = true
		raw = rest
	}
	if len(known) == 0 || len(bytes.TrimSpace(raw)) > 0 {
		return nil, nil, errors.New("holds no certificate of an authority, or more than certificates")
	}
	return pool, known, nil
}

// named says whether the server's certificate is for that host.
func (s *secrets) named(host string) bool {
	return s != nil && s.current.Load().config.Certificates[0].Leaf.VerifyHostname(host) == nil
}

// trusts says whether a chain still ends in an authority of now: a connection may be older than the file.
func (s *secrets) trusts(chain []*x509.Certificate) bool {
	return s != nil && s.current.Load().authorities[sha256.Sum256(chain[len(chain)-1].Raw)]
}

// gauges say how the certificate is; there are none without TLS.
func (s *secrets) gauges() []prometheus.Collector {
	if s == nil {
		return nil
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_tls_load_failed", Help: "1 if the last attempt to read the files of TLS failed.",
		}, func() float64 {
			if s.failed.Load() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "portcullis_tls_not_after_timestamp_seconds", Help: "When the certificate in use ends, in Unix time.",
		}, func() float64 { return float64(s.current.Load().notAfter.Unix()) }),
	}
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
	var made *material
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
	s.log.Info("the files of TLS were read again", "until", made.notAfter)
	s.changed()
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

// withCertificate hands on the certificate with which the caller has proved itself, if TLS verified one. One whose
// authority is none any more is a bad credential, whatever comes with it.
func (c *chain) withCertificate(ctx context.Context) (proved context.Context, shown bool, err error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, false, nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return ctx, false, nil
	}
	return c.secrets.proved(ctx, &info.State)
}

// proved is withCertificate for the state of a connection.
func (s *secrets) proved(ctx context.Context, state *tls.ConnectionState) (proved context.Context, shown bool, err error) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ctx, false, nil
	}
	for _, chain := range state.VerifiedChains {
		if s.trusts(chain) {
			return identity.WithCertificate(ctx, chain), true, nil
		}
	}
	return ctx, true, fmt.Errorf("%w: no authority of now has signed the certificate", identity.ErrBadCredential)
}

// rechecks are the open streams, each of which is asked for again when those who may call have changed, or when its
// credential ends: one that was taken away does not go on hearing (threat C2). It is safe for concurrent use.
type rechecks struct {
	mu   sync.Mutex
	next int
	open map[int]*listener
}

// listener is one stream: how to ask for it again, and when its credential ends (zero: never). Each is asked for once
// although nothing has changed: what did between its authentication and its entry here would be missed.
type listener struct {
	check func()
	until time.Time
	asked bool
}

func newRechecks() *rechecks { return &rechecks{open: map[int]*listener{}} }

func (r *rechecks) add(l listener) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	n := r.next
	r.open[n] = &l
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, n)
	}
}

func (r *rechecks) all() { r.those(func(*listener) bool { return true }) }

// due checks new streams, and those whose credential has ended.
func (r *rechecks) due(now time.Time) {
	r.those(func(l *listener) bool { return !l.asked || !l.until.IsZero() && !now.Before(l.until) })
}

func (r *rechecks) those(which func(*listener) bool) {
	r.mu.Lock()
	var checks []func()
	for _, l := range r.open {
		if which(l) {
			l.asked = true
			checks = append(checks, l.check)
		}
	}
	r.mu.Unlock()
	for _, check := range checks {
		check()
	}
}

// recheckEvery is how often streams are looked at that are new or whose credential has ended.
const recheckEvery = time.Second

// run checks all streams when those who may call have changed, and those that are due every second, until ctx ends.
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
			r.all()
		case now := <-tick.C:
			r.due(now)
		}
	}
}
