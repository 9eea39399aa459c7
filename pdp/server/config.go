package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config steers the edge. Zero fields take the defaults that their comments name.
type Config struct {
	// Listen is the address: 127.0.0.1:7070.
	Listen string
	// CertFile and KeyFile turn TLS on. Both or none. They are read again when they change.
	CertFile, KeyFile string
	// TLSMin is the oldest version of TLS, tls.VersionTLS12 or tls.VersionTLS13: 1.3.
	TLSMin uint16
	// ClientCAFile has the authorities whose client certificates are taken; empty: none is asked for. Read again likewise.
	ClientCAFile string
	// DevMode is a server whose credentials lie in files for trying things out. It never leaves loopback.
	DevMode bool
	// AllowedHosts are further names that an HTTP request may use in its Host header.
	AllowedHosts []string
	// Console is the address of the page for people who approve; empty: there is none. It has the same certificate, and the
	// same rules.
	Console string
	// ConsoleURL is where people reach it from outside, scheme and host; empty: at Console.
	ConsoleURL string

	// Heartbeat is how often a quiet stream gives a sign of life: 15 s.
	Heartbeat time.Duration
	// HealthEvery is how often the conditions of health are looked at: 1 s.
	HealthEvery time.Duration
	// CallTimeout bounds a call that is no stream: 30 s.
	CallTimeout time.Duration
	// PeekTimeout bounds the wait for a connection's first bytes, and its TLS handshake: 5 s.
	PeekTimeout time.Duration
	// ReadTimeout bounds reading one HTTP request, WriteTimeout one write of an answer, and how long a stream waits for a
	// reader that takes nothing: 30 s each.
	ReadTimeout, WriteTimeout time.Duration
	// Hold is how long the server still answers after health says NOT_SERVING, so that balancers see it:
	// 2 s, or none in DevMode; negative: none.
	Hold time.Duration
	// Drain bounds the wait for calls to end: 10 s.
	Drain time.Duration

	// MaxMessageBytes bounds one message: 4 MiB.
	MaxMessageBytes int
	// MaxBufferedBytes bounds the bodies of all HTTP requests together: 64 MiB.
	MaxBufferedBytes int64
	// MaxConnections at once: 1,024.
	MaxConnections int
	// MaxStreamsPerConnection on one HTTP/2 connection: 1,000.
	MaxStreamsPerConnection int
	// MaxCalls at once, and of one tenant: 1,024 and 512.
	MaxCalls, MaxCallsPerTenant int
	// MaxCallsPerAccount at once, whichever of its credentials it uses: 384. That is most of a tenant's, since one gateway may
	// be nearly all that a tenant has, and leaves room for its people.
	MaxCallsPerAccount int
	// MaxStreams that stay open at once, and of one tenant: 10,000 and 6,000. Most are agents that wait for a person.
	MaxStreams, MaxStreamsPerTenant int
	// MaxStreamsPerAccount at once: 5,500.
	MaxStreamsPerAccount int
	// StreamWorkers keep their grown stacks between calls: 64.
	StreamWorkers int
}

func (c Config) withDefaults() Config {
	fill(&c.Listen, "127.0.0.1:7070")
	fill(&c.TLSMin, tls.VersionTLS13)
	fill(&c.Heartbeat, 15*time.Second)
	fill(&c.HealthEvery, time.Second)
	fill(&c.CallTimeout, 30*time.Second)
	fill(&c.PeekTimeout, 5*time.Second)
	fill(&c.ReadTimeout, 30*time.Second)
	fill(&c.WriteTimeout, 30*time.Second)
	if !c.DevMode {
		fill(&c.Hold, 2*time.Second)
	}
	c.Hold = max(c.Hold, 0)
	fill(&c.Drain, 10*time.Second)
	fill(&c.MaxMessageBytes, 4<<20)
	fill(&c.MaxBufferedBytes, 64<<20)
	fill(&c.MaxConnections, 1024)
	fill(&c.MaxStreamsPerConnection, 1000)
	fill(&c.MaxCalls, 1024)
	fill(&c.MaxCallsPerTenant, 512)
	fill(&c.MaxCallsPerAccount, min(384, c.MaxCallsPerTenant))
	fill(&c.MaxStreams, 10_000)
	fill(&c.MaxStreamsPerTenant, 6_000)
	fill(&c.MaxStreamsPerAccount, min(5_500, c.MaxStreamsPerTenant))
	fill(&c.StreamWorkers, 64)
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate refuses what can't work and what would be open to others by mistake.
func (c Config) Validate() error {
	c = c.withDefaults()
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen address: %w", err)
	}
	if port == "" {
		return errors.New("listen address: no port")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("tls: a certificate needs its key, and a key its certificate")
	}
	if c.ClientCAFile != "" && c.CertFile == "" {
		return errors.New("tls: authorities of clients are of no use without a certificate and key of the server's own")
	}
	if c.TLSMin != tls.VersionTLS12 && c.TLSMin != tls.VersionTLS13 {
		return errors.New("tls: the oldest version is 1.2 or 1.3")
	}
	for name, d := range map[string]time.Duration{
		"heartbeat": c.Heartbeat, "health interval": c.HealthEvery, "call timeout": c.CallTimeout, "peek timeout": c.PeekTimeout,
		"read timeout": c.ReadTimeout, "write timeout": c.WriteTimeout, "drain": c.Drain,
	} {
		if d < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	for name, n := range map[string]int64{
		"max message bytes": int64(c.MaxMessageBytes), "max buffered bytes": c.MaxBufferedBytes, "max connections": int64(c.MaxConnections),
		"max streams per connection": int64(c.MaxStreamsPerConnection), "max calls": int64(c.MaxCalls), "max calls per tenant": int64(c.MaxCallsPerTenant),
		"max streams": int64(c.MaxStreams), "max streams per tenant": int64(c.MaxStreamsPerTenant),
		"max calls per account": int64(c.MaxCallsPerAccount), "max streams per account": int64(c.MaxStreamsPerAccount), "stream workers": int64(c.StreamWorkers),
	} {
		if n < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	if int64(c.MaxMessageBytes) > c.MaxBufferedBytes {
		return errors.New("max buffered bytes is less than one message")
	}
	return errors.Join(c.validateReach(host, c.Listen), c.validateConsole())
}

// ErrExposed matches a configuration that would answer others than this machine without protection.
var ErrExposed = errors.New("refused to serve an address that others can reach")

func (c Config) validateReach(host, address string) error {
	switch {
	case isLoopback(host):
		return nil
	case c.DevMode:
		return fmt.Errorf("%w: %s is not loopback, and development mode has no real authentication", ErrExposed, address)
	case c.CertFile == "":
		return fmt.Errorf("%w: %s is not loopback, and there is no TLS: set a certificate and key, or listen on 127.0.0.1", ErrExposed, address)
	}
	return nil
}

// isLoopback is true of the addresses that only this machine reaches. No name but localhost counts: what a name
// means is for others to say.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
