package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Config says where Redis is and what it may keep. Zero fields take the defaults.
type Config struct {
	// URL is redis://[user@]host[:port][,host[:port]…][/database], or rediss:// for TLS. The port is 6379, or 26379 where
	// Sentinel is set. It never holds a password: command lines and logs would show it.
	URL string
	// Sentinel is the name of the master, if the hosts are Sentinels. Cluster says that they are nodes of a cluster.
	Sentinel string
	Cluster  bool

	// Password is the user's; PasswordFile is a file that has it, read at each connection, so that it can be replaced.
	Password, SentinelPassword         Secret
	PasswordFile, SentinelPasswordFile string
	SentinelUser                       string
	// TLS: the CA that signed the server's certificate (the system's if empty), a client's own certificate and key, the name
	// that the server's certificate must have (the host's if empty).
	CAFile, CertFile, KeyFile, ServerName string
	ClientName                            string // as CLIENT LIST shows it; portcullis

	// Prefix begins each key; portcullis.
	Prefix string
	// Timeout ends each call: 5 ms to 5 s; 100 ms.
	Timeout time.Duration
	// Durable is the operator's word that this Redis never forgets what it acknowledged: appendfsync always, and no
	// asynchronous failover. Without it each restart and each failover counts as a loss of memory.
	Durable bool

	// Distinct cells that count something: of all, of one tenant, of one owner in it. 1,000,000, a quarter, a twentieth. Those
	// of all are counted over what this process knows of the tenants.
	MaxCells, MaxCellsPerTenant, MaxCellsPerOwner int
	// Reservations that have not expired: of a tenant, of one owner in it. 1,000,000, a tenth.
	MaxReservations, MaxReservationsPerOwner int
	// MaxRecords is how many records (breakers) a tenant may have; 50,000.
	MaxRecords int

	// Memory is what this process knew before it was started. Without one, a Redis that was emptied while all replicas were
	// down looks like a new one.
	Memory Memory
	Log    *slog.Logger
}

// Secret is text that is never shown.
type Secret string

const hidden = "[hidden]"

// String hides it.
func (Secret) String() string { return hidden }

// GoString hides it, too.
func (Secret) GoString() string { return hidden }

// LogValue hides it from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides it from whatever writes a configuration down.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

func (c Config) withDefaults() Config {
	count := func(field *int, value int) {
		if *field == 0 {
			*field = max(value, 1)
		}
	}
	count(&c.MaxCells, 1_000_000)
	count(&c.MaxCellsPerTenant, c.MaxCells/4)
	count(&c.MaxCellsPerOwner, c.MaxCells/20)
	count(&c.MaxReservations, 1_000_000)
	count(&c.MaxReservationsPerOwner, c.MaxReservations/10)
	count(&c.MaxRecords, 50_000)
	if c.Timeout == 0 {
		c.Timeout = 100 * time.Millisecond
	}
	if c.ClientName == "" {
		c.ClientName = "portcullis"
	}
	if c.Prefix == "" {
		c.Prefix = "portcullis"
	}
	if c.Memory == nil {
		c.Memory = noMemory{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Validate refuses a configuration that can't work, or would not be bounded. It reads the files that are named.
func (c Config) Validate() error {
	_, err := c.withDefaults().options()
	errs := []error{err}
	c = c.withDefaults()
	for name, n := range map[string]int{
		"max cells": c.MaxCells, "max cells per tenant": c.MaxCellsPerTenant, "max cells per owner": c.MaxCellsPerOwner,
		"max reservations": c.MaxReservations, "max reservations per owner": c.MaxReservationsPerOwner, "max records": c.MaxRecords,
	} {
		if n < 1 || n > 50_000_000 {
			errs = append(errs, fmt.Errorf("%s is 1 to 50,000,000, not %d", name, n))
		}
	}
	if c.Timeout < 5*time.Millisecond || c.Timeout > 5*time.Second {
		errs = append(errs, fmt.Errorf("the time-out is 5 ms to 5 s, not %s", c.Timeout))
	}
	if strings.ContainsAny(c.Prefix, "{}") || len(c.Prefix) > 64 {
		errs = append(errs, errors.New("the prefix of keys has at most 64 bytes, and no braces: they choose the slot of a cluster"))
	}
	if strings.ContainsAny(c.ClientName, " \r\n") {
		errs = append(errs, errors.New("the client's name has no spaces"))
	}
	return errors.Join(errs...)
}

// place is what the URL says.
type place struct {
	addresses []string
	user      string
	database  int
	tls       bool
}

var errURL = errors.New("redis is at redis://[user@]host[:port][,host[:port]…][/database], or rediss:// for TLS")

// parse never shows the URL in an error: somebody may have put a password into it.
func (c Config) parse() (place, error) {
	scheme, rest, ok := strings.Cut(c.URL, "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return place{}, errURL
	}
	p := place{tls: scheme == "rediss"}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, err := url.PathUnescape(rest[:at])
		if err != nil || user == "" {
			return place{}, errURL
		}
		if strings.Contains(user, ":") {
			return place{}, errors.New("the address of redis holds no password: name a file that has it, or set it in the environment")
		}
		p.user, rest = user, rest[at+1:]
	}
	hosts, database, ok := strings.Cut(rest, "/")
	if ok && database != "" {
		n, err := strconv.Atoi(database)
		if err != nil || n < 0 {
			return place{}, errURL
		}
		p.database = n
	}
	port := "6379"
	if c.Sentinel != "" {
		port = "26379"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if name, at, err := net.SplitHostPort(host); err == nil && name != "" && at != "" {
			p.addresses = append(p.addresses, host)
			continue
		}
		if host == "" || strings.ContainsAny(host, "/?# ") || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			return place{}, errURL
		}
		p.addresses = append(p.addresses, net.JoinHostPort(strings.Trim(host, "[]"), port))
	}
	switch {
	case c.Sentinel != "" && c.Cluster:
		return place{}, errors.New("redis is behind Sentinel or a cluster, not both")
	case c.Cluster && p.database != 0:
		return place{}, errors.New("a cluster has no databases but 0")
	case len(p.addresses) > 1 && !c.Cluster && c.Sentinel == "":
		return place{}, errors.New("several addresses are those of Sentinels or of a cluster: say which")
	}
	return p, nil
}

// options is the configuration in the client's words.
func (c Config) options() (rueidis.ClientOption, error) {
	p, err := c.parse()
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	dialer := net.Dialer{Timeout: max(c.Timeout, time.Second), KeepAlive: time.Second}
	o := rueidis.ClientOption{
		InitAddress: p.addresses, SelectDB: p.database, ClientName: c.ClientName, Dialer: dialer,
		AuthCredentialsFn: func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			password, err := secret(c.Password, c.PasswordFile)
			return rueidis.AuthCredentials{Username: p.user, Password: password}, err
		},
		ConnWriteTimeout: max(2*c.Timeout, 2*time.Second),
		ShuffleInit:      true,
		// A script that was sent may have been carried out. One connection to each server keeps batches in their order.
		DisableRetry: true, AlwaysPipelining: true, PipelineMultiplex: -1,
		ForceSingleClient: c.Sentinel == "" && !c.Cluster,
		ClusterOption:     rueidis.ClusterOption{ShardsRefreshInterval: 5 * time.Second, MaxMovedRedirections: 3},
	}
	if o.TLSConfig, err = c.tls(p.tls); err != nil {
		return rueidis.ClientOption{}, err
	}
	if c.Sentinel != "" {
		password, err := secret(c.SentinelPassword, c.SentinelPasswordFile)
		if err != nil {
			return rueidis.ClientOption{}, err
		}
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: c.Sentinel, Dialer: dialer, TLSConfig: o.TLSConfig, Username: c.SentinelUser, Password: password,
			ClientName: c.ClientName, TopologyRefreshInterval: 5 * time.Second,
		}
	}
	_, err = secret(c.Password, c.PasswordFile)
	return o, err
}

func (c Config) tls(on bool) (*tls.Config, error) {
	if !on {
		if c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" || c.ServerName != "" {
			return nil, errors.New("certificates are for rediss://, not for redis://")
		}
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA of redis: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", c.CAFile)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("a client's certificate and its key go together")
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate for redis: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// secret reads a password, without the end of the line.
func secret(value Secret, file string) (string, error) {
	if file == "" {
		return string(value), nil
	}
	if value != "" {
		return "", errors.New("a password of redis stands in a file or in the environment, not in both")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read a password of redis: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
