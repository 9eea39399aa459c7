package identity

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a key set.
const (
	maxKeySetBytes = 1 << 20
	maxKeys        = 100
	fetchWithin    = 5 * time.Second
	// keysFresh is how long keys are used before they are fetched again, keysStale how long they are used if that fails,
	// fetchEvery the shortest time between two attempts: a token with a key that nobody has must not make the server ask
	// again and again.
	keysFresh  = 15 * time.Minute
	keysStale  = 24 * time.Hour
	fetchEvery = 10 * time.Second
	// minRSABits is NIST's floor (SP 800-57, part 1).
	minRSABits = 2048
)

// ErrKeysUnavailable says that the keys of an issuer could not be had, so nothing that it signed can be checked.
var ErrKeysUnavailable = errors.New("identity: the keys of the issuer are not available")

// KeySet is the public keys of an issuer (JWKS), from a file or from an address. It is safe for concurrent use.
type KeySet struct {
	from   string
	client *http.Client // nil: a file
	// source is where the keys come from and how that is checked; of a file, the digest of what was read.
	source [sha256.Size]byte

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // when keys was had
	tried   time.Time // when that was attempted last
	failed  error     // why the last attempt gave none
}

// health is an error if the last attempt to fetch keys failed.
func (k *KeySet) health() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// FileKeys reads a key set.
func FileKeys(path string) (*KeySet, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("jwks_file: %w", err)
	}
	keys, err := readKeys(raw)
	if err != nil {
		return nil, fmt.Errorf("jwks_file %s: %w", path, err)
	}
	return &KeySet{from: path, keys: keys, source: sha256.Sum256(raw)}, nil
}

// FetchedKeys are fetched when they are needed, from this address alone: what a token says (`jku`, `x5u`) is not looked at,
// redirects and proxies are not followed. It is https, or http on loopback. The authorities are PEM; nil: the machine's.
func FetchedKeys(address string, authorities []byte) (*KeySet, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("jwks_url is not an address")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, errors.New("jwks_url must be https: whoever can change the keys can be anybody")
	}
	var roots *x509.CertPool
	if authorities != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authorities) {
			return nil, errors.New("jwks_ca holds no certificate")
		}
	}
	dialer := &net.Dialer{Timeout: fetchWithin, Control: func(_, addr string, _ syscall.RawConn) error { return checkPlace(addr, loopback) }}
	return &KeySet{from: address, source: sha256.Sum256([]byte(address + "\x00" + string(authorities))), client: &http.Client{
		Timeout: fetchWithin,
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, TLSHandshakeTimeout: fetchWithin,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("redirects are not followed")
		},
	}}, nil
}

// checkPlace sees the very address that is dialled, so that a name cannot mean another one between check and use. Issuers
// stand in private networks, too; what clouds keep at link-local addresses is none, and this machine is one only where the
// file says so.
func checkPlace(addr string, loopback bool) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return errors.New("jwks_url means no address")
	}
	ip := at.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.IsLoopback() && !loopback {
		return errors.New("jwks_url means an address where no issuer is")
	}
	return nil
}

// readKeys takes the public keys that can verify out of a set. Keys of kinds that are not known are passed over, as the
// standard says; a secret or private key is refused, since it should not be there.
func readKeys(raw []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("is no JSON key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, at most %d", len(set.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) != nil || !key.Valid() {
			continue
		}
		if !key.IsPublic() {
			return nil, errors.New("holds a key that is not public")
		}
		if weak, ok := key.Key.(*rsa.PublicKey); ok && weak.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("holds an RSA key of %d bits, at least %d", weak.N.BitLen(), minRSABits)
		}
		if slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == key.KeyID }) {
			return nil, errors.New("holds two keys of one id")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no public key that can be used")
	}
	return keys, nil
}

// named returns the key that a token may be signed with: that of its id, or the only one if the token names none. Only who needs
// a key that is not there waits for it to be fetched.
func (k *KeySet) named(ctx context.Context, kid string, now time.Time) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	found := k.find(kid)
	due := k.client != nil && (len(found) == 0 || now.Sub(k.fetched) > keysFresh) && (k.tried.IsZero() || now.Sub(k.tried) >= fetchEvery)
	if due {
		k.tried = now
	}
	k.mu.Unlock()
	switch {
	case due && len(found) == 0:
		k.refresh(ctx, now)
	case due:
		go k.refresh(ctx, now)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	found = k.find(kid)
	switch {
	case k.client != nil && (k.fetched.IsZero() || now.Sub(k.fetched) > keysStale):
		return nil, ErrKeysUnavailable
	case len(found) == 0:
		return nil, rejected("the token names a key that its issuer does not have")
	}
	return found, nil
}

// refresh takes newer keys, if they can be had.
func (k *KeySet) refresh(ctx context.Context, now time.Time) {
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed = err; err == nil {
		k.keys, k.fetched = keys, now
	}
}

func (k *KeySet) find(kid string) []jose.JSONWebKey {
	if kid == "" {
		if len(k.keys) == 1 {
			return k.keys
		}
		return nil
	}
	var found []jose.JSONWebKey
	for _, key := range k.keys {
		if key.KeyID == kid {
			found = append(found, key)
		}
	}
	return found
}

func (k *KeySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// Not ended by the caller that happens to be first: the keys are for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.from, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetch keys: %w", err)
	case len(raw) > maxKeySetBytes:
		return nil, fmt.Errorf("fetch keys: more than %d bytes", maxKeySetBytes)
	}
	return readKeys(raw)
}
