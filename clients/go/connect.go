package portcullis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Secret is a credential that does not show when it is printed or logged.
type Secret string

const hidden = "(hidden)"

// String hides the credential.
func (Secret) String() string { return hidden }

// GoString hides the credential.
func (Secret) GoString() string { return hidden }

// LogValue hides the credential.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the credential.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// dial opens the connection; nothing is sent before the first call.
func dial(cfg Config) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	switch {
	case cfg.TLS != nil:
		conf := cfg.TLS.Clone()
		conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
		transport = credentials.NewTLS(conf)
	case !isLoopback(cfg.Addr):
		return nil, fmt.Errorf("%s is not on loopback: a credential is sent over TLS only, set Config.TLS", cfg.Addr)
	}
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		// Only what the caller configured decides how calls are made, not a DNS record.
		grpc.WithDisableServiceConfig(),
		// A server that comes back is found again within seconds.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// And one that vanished is noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	}, cfg.DialOptions...)
	if cfg.bears() {
		options = append(options, grpc.WithPerRPCCredentials(bearer{cfg}))
	}
	conn, err := grpc.NewClient(cfg.Addr, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Addr, err)
	}
	return conn, nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// bearer sends the credential. A file is read for each call, so that a renewed token is used at once.
type bearer struct{ cfg Config }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := b.cfg.token()
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity is false, because dial has already refused plain text off loopback.
func (bearer) RequireTransportSecurity() bool { return false }

// bears says whether a token goes with each call.
func (c Config) bears() bool { return c.Token != "" || c.TokenFile != "" }

// certified says whether the connection shows a client certificate, which is a credential, too.
func (c Config) certified() bool {
	return c.TLS != nil && (len(c.TLS.Certificates) > 0 || c.TLS.GetClientCertificate != nil)
}

func (c Config) token() (string, error) {
	token := string(c.Token)
	if c.TokenFile != "" {
		raw, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", fmt.Errorf("read the credential: %w", err)
		}
		token = string(raw)
	}
	token = strings.TrimSpace(token)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the credential is empty or holds characters that no header may have")
	}
	return token, nil
}
