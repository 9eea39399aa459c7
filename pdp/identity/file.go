package identity

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds a credentials file.
const maxFileBytes = 4 << 20

// The rows of a credentials file. docs/identity.md explains them.
type (
	fileCaller struct {
		ID            string   `yaml:"id"`
		Subject       string   `yaml:"subject"`
		Roles         []Role   `yaml:"roles"`
		Tenant        string   `yaml:"tenant"`
		Agents        []string `yaml:"agents"`
		ObserveAsUser bool     `yaml:"observe_as_user"`
		Owner         string   `yaml:"owner"`
		Groups        []string `yaml:"groups"`
	}
	fileCredential struct {
		fileCaller `yaml:",inline"`
		SHA256     string `yaml:"sha256"`
		NotAfter   string `yaml:"not_after"`
	}
	fileCertificate struct {
		fileCaller `yaml:",inline"`
		SPIFFE     string `yaml:"spiffe"`
	}
	fileIssuer struct {
		ID         string   `yaml:"id"`
		Issuer     string   `yaml:"issuer"`
		Audience   string   `yaml:"audience"`
		Algorithms []string `yaml:"algorithms"`
		JWKSURL    string   `yaml:"jwks_url"`
		JWKSFile   string   `yaml:"jwks_file"`
		Tenant     string   `yaml:"tenant"`
		// JWKSCA has the authorities of JWKSURL; empty: those of the machine.
		JWKSCA       string `yaml:"jwks_ca"`
		SubjectClaim string `yaml:"subject_claim"`
		PersonClaim  string `yaml:"person_claim"`
		OwnerClaim   string `yaml:"owner_claim"`
		GroupsClaim  string `yaml:"groups_claim"`
		Rules        []Rule `yaml:"rules"`
	}
	fileContents struct {
		Credentials  []fileCredential  `yaml:"credentials"`
		Certificates []fileCertificate `yaml:"certificates"`
		Revoked      []Revocation      `yaml:"revoked"`
		Issuers      []fileIssuer      `yaml:"issuers"`
		People       []Person          `yaml:"people"`
		// MaxCertificateLifetime is a duration such as 1h.
		MaxCertificateLifetime time.Duration `yaml:"max_certificate_lifetime"`
	}
)

func (c fileCaller) caller() Caller {
	return Caller{
		Subject: c.Subject, Roles: c.Roles, Tenant: c.Tenant, Agents: c.Agents, CredentialID: c.ID,
		ObserveAsUser: c.ObserveAsUser, Owner: c.Owner, Groups: c.Groups,
	}
}

// LoadFile reads a YAML or JSON file of credentials, certificates, issuers and people. Unknown keys are refused, and so is
// a file that others than its owner may write, since who writes it may approve.
func LoadFile(path string, now func() time.Time) (*Directory, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return load(path, raw, now, nil)
}

// CheckRows says what LoadFile would not take, of rows that stand in no file yet.
func CheckRows(raw []byte) error {
	contents, err := parseFile(raw, "")
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	_, err = NewDirectory(contents, time.Now)
	return err
}

// load keeps the fetched keys of a former directory, so that reading the file again forgets none while an issuer is away.
func load(path string, raw []byte, now func() time.Time, former *Directory) (*Directory, error) {
	contents, err := parseFile(raw, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("identity: %s: %w", path, err)
	}
	d, err := NewDirectory(contents, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if former != nil {
		for _, issuer := range d.issuers {
			issuer.Keys = former.keysLike(issuer)
		}
	}
	return d, nil
}

// keysLike are the keys that an issuer of that name had, if they are fetched from the same place; else its own.
func (d *Directory) keysLike(now *Issuer) *KeySet {
	for _, was := range d.issuers {
		if was.Issuer == now.Issuer && now.Keys.client != nil && was.Keys.source == now.Keys.source {
			return was.Keys
		}
	}
	return now.Keys
}

// parseFile reads the rows. Files of key sets are named relative to dir.
func parseFile(raw []byte, dir string) (Contents, error) {
	var doc fileContents
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return Contents{}, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Contents{}, errors.New("more than one document")
	}
	var errs []error
	if doc.Credentials != nil && len(doc.Credentials) == 0 {
		return Contents{}, errors.New("no credentials in the list: leave it out where there are only certificates or issuers")
	}
	out := Contents{Revoked: doc.Revoked, People: doc.People, MaxCertificateLifetime: doc.MaxCertificateLifetime, Credentials: make([]Credential, len(doc.Credentials))}
	for i, in := range doc.Credentials {
		c := &out.Credentials[i]
		c.Caller = in.caller()
		// The text is not put into the error: a token that was pasted instead of its digest must not be logged.
		if n, err := hex.Decode(c.SHA256[:], firstBytes(in.SHA256, 2*len(c.SHA256))); err != nil || n != len(c.SHA256) || len(in.SHA256) != 2*n {
			errs = append(errs, fmt.Errorf("credential %d (%q): sha256 must be 64 hex digits", i+1, in.ID))
		}
		if in.NotAfter == "" {
			continue
		}
		var err error
		if c.NotAfter, err = time.Parse(time.RFC3339, in.NotAfter); err != nil {
			errs = append(errs, fmt.Errorf("credential %d (%q): not_after must be RFC 3339, as in 2027-01-31T00:00:00Z", i+1, in.ID))
		}
	}
	for _, in := range doc.Certificates {
		out.Certificates = append(out.Certificates, Certificate{SPIFFE: in.SPIFFE, Caller: in.caller()})
	}
	for i, in := range doc.Issuers {
		keys, err := in.keys(dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer %d (%q): %w", i+1, in.ID, err))
			continue
		}
		out.Issuers = append(out.Issuers, &Issuer{
			ID: in.ID, Issuer: in.Issuer, Audience: in.Audience, Algorithms: in.Algorithms, Tenant: in.Tenant,
			SubjectClaim: cmp.Or(in.SubjectClaim, "sub"), PersonClaim: in.PersonClaim, OwnerClaim: in.OwnerClaim, GroupsClaim: in.GroupsClaim, Rules: in.Rules, Keys: keys,
		})
	}
	return out, errors.Join(errs...)
}

func (in fileIssuer) keys(dir string) (*KeySet, error) {
	beside := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	switch {
	case (in.JWKSURL == "") == (in.JWKSFile == ""):
		return nil, errors.New("give jwks_url or jwks_file")
	case in.JWKSFile != "":
		return FileKeys(beside(in.JWKSFile))
	case in.JWKSCA == "":
		return FetchedKeys(in.JWKSURL, nil)
	}
	raw, err := readFile(beside(in.JWKSCA))
	if err != nil {
		return nil, fmt.Errorf("jwks_ca: %w", err)
	}
	return FetchedKeys(in.JWKSURL, raw)
}

func firstBytes(s string, n int) []byte { return []byte(s[:min(len(s), n)]) }
