package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Directory is everybody who may call, read from one file: keys, certificates, issuers of tokens, and who is behind them.
// It is immutable but for the keys of issuers, and safe for concurrent use. Another file makes another one.
type Directory struct {
	tokens  *Tokens // nil: none
	certs   map[string]Caller
	revoked revocations
	issuers []*Issuer
	people  people
	// longest is how long a client certificate may be made for.
	longest time.Duration
	now     func() time.Time
}

var _ Authenticator = (*Directory)(nil)

// Certificate is a client certificate by the SPIFFE id in it, and the caller that it stands for. Its chain is checked by
// TLS, against the authorities that the server was given.
type Certificate struct {
	SPIFFE string
	Caller Caller
}

// Revocation is a certificate that counts no more, by the SHA-256 of all of it or by its serial number, in hex.
type Revocation struct {
	SHA256 string `yaml:"sha256"`
	Serial string `yaml:"serial"`
}

type revocations struct {
	sums    map[string]bool
	serials map[string]bool
}

// Contents are the parts of a directory.
type Contents struct {
	Credentials  []Credential
	Certificates []Certificate
	Revoked      []Revocation
	Issuers      []*Issuer
	People       []Person
	// MaxCertificateLifetime is how long a client certificate may be made for: 24 hours, at most 90 days. It is what bounds a
	// stolen key that nobody misses (threat C2).
	MaxCertificateLifetime time.Duration
}

const (
	certificateLifetime    = 24 * time.Hour
	maxCertificateLifetime = 90 * 24 * time.Hour
)

// NewDirectory checks the parts one by one and against each other.
func NewDirectory(c Contents, now func() time.Time) (*Directory, error) {
	d := &Directory{certs: map[string]Caller{}, issuers: c.Issuers, longest: cmp.Or(c.MaxCertificateLifetime, certificateLifetime), now: now}
	if d.longest < time.Minute || d.longest > maxCertificateLifetime {
		return nil, fmt.Errorf("identity: max_certificate_lifetime must be between 1m and %s", maxCertificateLifetime)
	}
	if len(c.Credentials)+len(c.Certificates)+len(c.Issuers) == 0 {
		return nil, errors.New("identity: no credentials, certificates or issuers: nobody could call")
	}
	var err error
	if d.people, err = newPeople(c.People); err != nil {
		return nil, err
	}
	if d.revoked, err = newRevocations(c.Revoked); err != nil {
		return nil, err
	}
	for i := range c.Credentials {
		c.Credentials[i].Caller.Person = d.people.of(c.Credentials[i].Caller.Subject)
		c.Credentials[i].Caller.Owner = d.ownerOf(c.Credentials[i].Caller)
	}
	if len(c.Credentials) > 0 {
		if d.tokens, err = NewTokens(c.Credentials, now); err != nil {
			return nil, err
		}
	}
	all := slices.Clone(c.Credentials)
	var errs []error
	for i, row := range c.Certificates {
		who := row.Caller.clone()
		who.Method, who.Person, who.Owner = methodMTLS, d.people.of(who.Subject), d.ownerOf(who)
		bad := func(err error) {
			errs = append(errs, fmt.Errorf("identity: certificate %d (%q): %w", i+1, who.CredentialID, err))
		}
		if err := who.check(); err != nil {
			bad(err)
		}
		id, err := spiffeID(row.SPIFFE)
		if err != nil {
			bad(err)
		}
		if _, twice := d.certs[id]; twice {
			bad(errors.New("spiffe stands twice"))
		}
		d.certs[id] = who
		all = append(all, Credential{Caller: who, SHA256: sha256.Sum256([]byte("certificate:" + id))})
	}
	if len(all) > maxCredentials {
		errs = append(errs, fmt.Errorf("identity: %d credentials and certificates, at most %d", len(all), maxCredentials))
	}
	errs = append(errs, checkTogether(all)...)
	errs = append(errs, checkIssuers(c.Issuers, all)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Directory) ownerOf(c Caller) string {
	if c.Owner == "" {
		return ""
	}
	return d.people.of(c.Owner)
}

// certificateKey is how a certificate that TLS verified is handed on.
type certificateKey struct{}

// WithCertificate hands on the client certificate of a connection and those above it, which TLS has verified against the
// server's authorities.
func WithCertificate(ctx context.Context, chain []*x509.Certificate) context.Context {
	return context.WithValue(ctx, certificateKey{}, chain)
}

// Authenticate finds the caller by the certificate of the connection, the authorization header, or both: then they must be
// the same subject, and the certificate's rights hold (threat C3). A certificate that no row names is nobody, and takes
// nothing from a good header.
func (d *Directory) Authenticate(ctx context.Context, header string) (Caller, error) {
	byCert, shown, err := d.certified(ctx)
	if err != nil {
		return Caller{}, err
	}
	if strings.Trim(header, " \t") == "" {
		switch {
		case byCert != nil:
			return byCert.clone(), nil
		case shown:
			return Caller{}, rejected("no row has the SPIFFE id of the certificate")
		default:
			return Caller{}, ErrNoCredential
		}
	}
	who, err := d.byHeader(ctx, header)
	if err != nil {
		return Caller{}, err
	}
	if byCert == nil {
		return who, nil
	}
	if byCert.Subject != who.Subject || byCert.Tenant != who.Tenant {
		return Caller{}, rejected("certificate and token are of two subjects")
	}
	return byCert.clone(), nil
}

// certified is who a certificate stands for, nil for nobody; and whether there was one. One that was revoked or has run
// out since the connection was opened is an error, whatever comes with it.
func (d *Directory) certified(ctx context.Context) (who *Caller, shown bool, err error) {
	chain, _ := ctx.Value(certificateKey{}).([]*x509.Certificate)
	if len(chain) == 0 {
		return nil, false, nil
	}
	leaf, now := chain[0], d.now()
	if slices.ContainsFunc(chain, d.revoked.has) || now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return nil, true, rejected("the certificate is revoked or not valid now")
	}
	// What may sign for others is no workload (X509-SVID, 5.2), and what is made to last is no short-lived certificate.
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 ||
		leaf.NotAfter.Sub(leaf.NotBefore) > d.longest {
		return nil, true, rejected("the certificate is an authority's, may not sign, or is made to last")
	}
	if len(leaf.URIs) != 1 { // a SPIFFE certificate has exactly one
		return nil, true, nil
	}
	if c, known := d.certs[leaf.URIs[0].String()]; known {
		c.ValidUntil = leaf.NotAfter
		return &c, true, nil
	}
	return nil, true, nil
}

func (d *Directory) byHeader(ctx context.Context, header string) (Caller, error) {
	if d.tokens != nil {
		who, err := d.tokens.Authenticate(ctx, header)
		if err == nil || len(d.issuers) == 0 {
			return who, err
		}
	}
	token, err := bearer(header)
	if err != nil {
		return Caller{}, err
	}
	named := claimedIssuer(token)
	for _, issuer := range d.issuers {
		if named == "" || issuer.Issuer != named {
			continue
		}
		who, err := issuer.caller(ctx, token, d.now())
		if err != nil {
			return Caller{}, err
		}
		if who.Person, err = d.people.behind(who.Subject, who.Person); err != nil {
			return Caller{}, err
		}
		who.Owner = d.ownerOf(who)
		return who, nil
	}
	return Caller{}, rejected("no such key, and no token of an issuer in the file")
}

func newRevocations(rows []Revocation) (revocations, error) {
	out := revocations{sums: map[string]bool{}, serials: map[string]bool{}}
	var errs []error
	for i, row := range rows {
		sum, serial := strings.ToLower(strings.ReplaceAll(row.SHA256, ":", "")), strings.TrimLeft(strings.ToLower(strings.ReplaceAll(row.Serial, ":", "")), "0")
		_, sumErr := hex.DecodeString(sum)
		_, serialErr := hex.DecodeString(strings.Repeat("0", len(serial)%2) + serial)
		switch {
		case (sum == "") == (serial == ""):
			errs = append(errs, fmt.Errorf("identity: revoked %d: give sha256 or serial", i+1))
		case sumErr != nil || serialErr != nil || sum != "" && len(sum) != 2*sha256.Size || len(serial) > 80:
			errs = append(errs, fmt.Errorf("identity: revoked %d: is not hex of the right length", i+1))
		case sum != "":
			out.sums[sum] = true
		default:
			out.serials[serial] = true
		}
	}
	return out, errors.Join(errs...)
}

func (r revocations) has(cert *x509.Certificate) bool {
	if len(r.sums)+len(r.serials) == 0 {
		return false
	}
	sum := sha256.Sum256(cert.Raw)
	return r.sums[hex.EncodeToString(sum[:])] || r.serials[cert.SerialNumber.Text(16)]
}

// spiffeID checks an id: spiffe://trust-domain/path, as a certificate spells it.
func spiffeID(id string) (string, error) {
	domain, path, _ := strings.Cut(strings.TrimPrefix(id, "spiffe://"), "/")
	bad := func(s, more string) bool {
		return strings.ContainsFunc(s, func(r rune) bool {
			return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(more, r))
		})
	}
	if !strings.HasPrefix(id, "spiffe://") || len(id) > 2048 || domain == "" || path == "" || bad(domain, "._-") ||
		bad(strings.ToLower(path), "._-/") || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return "", errors.New("spiffe must be like spiffe://trust-domain/path")
	}
	return id, nil
}

// checkIssuers finds what no single issuer shows.
func checkIssuers(issuers []*Issuer, all []Credential) (errs []error) {
	ids, names := map[string]bool{}, map[string]bool{}
	for i, issuer := range issuers {
		bad := func(what string) {
			errs = append(errs, fmt.Errorf("identity: issuer %d (%q): %s", i+1, issuer.ID, what))
		}
		if err := issuer.check(); err != nil {
			bad(err.Error())
		}
		if ids[issuer.ID] || names[issuer.Issuer] {
			bad("id or issuer stands twice")
		}
		ids[issuer.ID], names[issuer.Issuer] = true, true
		for _, c := range all {
			if strings.HasPrefix(strings.ToLower(c.Caller.Subject), strings.ToLower(issuer.ID)+":") {
				bad(fmt.Sprintf("the subject of credential %q begins like those of its tokens", cmp.Or(c.Caller.CredentialID, "?")))
			}
		}
	}
	return errs
}
