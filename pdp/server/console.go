package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/console"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// maxConsoleConnections bounds those of browsers, apart from those of agents: neither takes the other's.
const maxConsoleConnections = 256

// desk is the approval service as the console reaches it: in this process, through the chain that every call takes.
type desk struct {
	calls  *inProcess
	client portcullisv1.ApprovalServiceClient
}

var _ console.Desk = (*desk)(nil)

func newDesk(calls *inProcess) *desk {
	return &desk{calls, portcullisv1.NewApprovalServiceClient(calls)}
}

type viaKey struct{}

// speaking is a call with a person's credential, as it would have come over the wire.
func speaking(ctx context.Context, c console.Credential) context.Context {
	md := metadata.MD{}
	if c.Header != "" {
		md.Set("authorization", c.Header)
	}
	from := &peer.Peer{}
	if c.TLS != nil {
		from.AuthInfo = credentials.TLSInfo{State: *c.TLS, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	}
	ctx = metadata.NewIncomingContext(ctx, md)
	return context.WithValue(peer.NewContext(ctx, from), viaKey{}, identity.ViaConsole)
}

func (d *desk) Who(ctx context.Context, c console.Credential) (who identity.Caller, err error) {
	err = d.calls.check(speaking(ctx, c), portcullisv1.ApprovalService_ListApprovals_FullMethodName, func(ctx context.Context) { who, _ = identity.FromContext(ctx) })
	return who, refusal(err)
}

func (d *desk) ListApprovals(ctx context.Context, c console.Credential, in *portcullisv1.ListApprovalsRequest) (*portcullisv1.ListApprovalsResponse, error) {
	out, err := d.client.ListApprovals(speaking(ctx, c), in)
	return out, refusal(err)
}

func (d *desk) GetApproval(ctx context.Context, c console.Credential, in *portcullisv1.GetApprovalRequest) (*portcullisv1.GetApprovalResponse, error) {
	out, err := d.client.GetApproval(speaking(ctx, c), in)
	return out, refusal(err)
}

func (d *desk) RevealApproval(ctx context.Context, c console.Credential, in *portcullisv1.RevealApprovalRequest) (*portcullisv1.RevealApprovalResponse, error) {
	out, err := d.client.RevealApproval(speaking(ctx, c), in)
	return out, refusal(err)
}

func (d *desk) SubmitVerdict(ctx context.Context, c console.Credential, in *portcullisv1.SubmitVerdictRequest) (*portcullisv1.SubmitVerdictResponse, error) {
	out, err := d.client.SubmitVerdict(speaking(ctx, c), in)
	return out, refusal(err)
}

func (d *desk) CancelApproval(ctx context.Context, c console.Credential, in *portcullisv1.CancelApprovalRequest) (*portcullisv1.CancelApprovalResponse, error) {
	out, err := d.client.CancelApproval(speaking(ctx, c), in)
	return out, refusal(err)
}

// kindOf is what a code means on the page.
var kindOf = map[codes.Code]console.Kind{
	codes.Unauthenticated: console.Unknown, codes.PermissionDenied: console.Forbidden, codes.NotFound: console.Missing, codes.InvalidArgument: console.Invalid,
	codes.OutOfRange: console.Invalid, codes.FailedPrecondition: console.Stale, codes.Aborted: console.Stale, codes.Unavailable: console.Unavailable,
	codes.ResourceExhausted: console.Unavailable, codes.DeadlineExceeded: console.Unavailable, codes.Canceled: console.Unavailable,
}

// refusal turns an error of the chain into the console's. The chain has made a fault of it, and logged what nobody is told.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	f, _ := explain(err)
	return &console.Refusal{Kind: kindOf[f.code], Reason: f.reason, Message: f.Error()}
}

// pages serves the console on an address of its own.
type pages struct {
	cfg     Config
	secrets *secrets
	calls   *inProcess
	http    *http.Server
	log     *slog.Logger
	refused func(reason string)
	addr    net.Addr // written before the server says that it listens
}

// newPages makes the console; nil without an address for it.
func newPages(cfg Config, c *chain, deps Deps, refused func(string)) *pages {
	if cfg.Console == "" {
		return nil
	}
	calls := newInProcess(c, &portcullisv1.ApprovalService_ServiceDesc, newApprovalService(cfg, c, deps))
	p := &pages{cfg: cfg, secrets: c.secrets, calls: calls, log: deps.Logger, refused: refused}
	p.http = newHTTP(console.New(p.config(), newDesk(calls)), cfg, deps.Logger)
	p.http.ReadTimeout, p.http.WriteTimeout = cfg.ReadTimeout, cfg.CallTimeout+cfg.WriteTimeout
	return p
}

func (p *pages) config() console.Config {
	at := p.cfg
	at.Listen = p.cfg.Console
	out := console.Config{Now: time.Now, Log: p.log}
	if external, err := url.Parse(p.cfg.ConsoleURL); err == nil && p.cfg.ConsoleURL != "" {
		at.AllowedHosts = append(slices.Clip(at.AllowedHosts), external.Hostname())
		if external.Scheme == "https" {
			out.SecureHost = external.Hostname()
		}
	}
	out.Named = ownHost(p.secrets, at)
	return out
}

// listen opens the address.
func (p *pages) listen(ctx context.Context) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", p.cfg.Console)
	if err != nil {
		return nil, fmt.Errorf("%w on %s for the console (is another server running?): %w", ErrListen, p.cfg.Console, err)
	}
	p.addr = ln.Addr()
	bounded := net.Listener(&boundedListener{Listener: ln, places: make(chan struct{}, maxConsoleConnections), refused: p.refused})
	if p.secrets != nil {
		bounded = tls.NewListener(bounded, p.secrets.browsers())
	}
	return bounded, nil
}

// where is the console's address for people, as far as the server itself knows it.
func (p *pages) where() string { return p.cfg.consoleAt(p.addr.String()) }

// ConsoleLink is where people find the list of approvals: below the address that is configured, or on loopback. It is empty
// without a console, and where only others could know how it is reached. A request's Host never decides it.
func (c Config) ConsoleLink() string {
	_, port, err := net.SplitHostPort(c.Console)
	if err != nil || c.ConsoleURL == "" && port == "0" {
		return ""
	}
	at := c.consoleAt(c.Console)
	if at == "" {
		return ""
	}
	return at + console.Home
}

func (c Config) consoleAt(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	switch {
	case c.ConsoleURL != "":
		return (&url.URL{Scheme: mustParse(c.ConsoleURL).Scheme, Host: mustParse(c.ConsoleURL).Host}).String()
	case err != nil || !isLoopback(host):
		return ""
	case c.CertFile != "":
		return "https://" + addr
	}
	return "http://" + addr
}

// mustParse reads an address that Validate has seen; another is none.
func mustParse(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// validateConsole refuses a console that others could reach without TLS, as for the other listener.
func (c Config) validateConsole() error {
	if c.Console == "" {
		if c.ConsoleURL != "" {
			return errors.New("console url: there is no console without an address for it")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(c.Console)
	if err != nil || port == "" {
		return fmt.Errorf("console address: %q is not like 127.0.0.1:7080", c.Console)
	}
	if c.ConsoleURL != "" {
		u, err := url.Parse(c.ConsoleURL)
		if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" ||
			u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			return errors.New("console url: is like https://portcullis.example, or http on loopback, without a path")
		}
	}
	return c.validateReach(host, c.Console)
}

// boundedListener closes connections beyond a number.
type boundedListener struct {
	net.Listener
	places  chan struct{}
	refused func(reason string)
}

func (b *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.places <- struct{}{}:
			return &heldConn{Conn: conn, release: sync.OnceFunc(func() { <-b.places })}, nil
		default:
			b.refused("console_connections")
			_ = conn.Close()
		}
	}
}
