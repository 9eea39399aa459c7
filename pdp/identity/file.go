package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds a credentials file.
const maxFileBytes = 4 << 20

// fileCredential is one entry of a credentials file.
type fileCredential struct {
	ID            string   `yaml:"id"`
	SHA256        string   `yaml:"sha256"`
	Subject       string   `yaml:"subject"`
	Roles         []Role   `yaml:"roles"`
	Tenant        string   `yaml:"tenant"`
	Agents        []string `yaml:"agents"`
	ObserveAsUser bool     `yaml:"observe_as_user"`
	NotAfter      string   `yaml:"not_after"`
}

// LoadFile reads a YAML or JSON file with one key, `credentials`: a list of
// {id, sha256, subject, roles, tenant, agents, observe_as_user, not_after}. `sha256` is the token's digest in
// hex, `not_after` is RFC 3339. Unknown keys are refused, and so is a file that others than its owner may
// write, since who writes it may approve.
func LoadFile(path string, now func() time.Time) (*Tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("identity: credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("identity: credentials: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("identity: %s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("identity: %s can be written by others than its owner: chmod go-w it", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("identity: %s has %d bytes, at most %d", path, info.Size(), maxFileBytes)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, fmt.Errorf("identity: credentials: %w", err)
	}
	creds, err := parseFile(raw)
	if err != nil {
		return nil, fmt.Errorf("identity: %s: %w", path, err)
	}
	tokens, err := NewTokens(creds, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tokens, nil
}

func parseFile(raw []byte) ([]Credential, error) {
	var doc struct {
		Credentials []fileCredential `yaml:"credentials"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	var errs []error
	creds := make([]Credential, len(doc.Credentials))
	for i, in := range doc.Credentials {
		c := &creds[i]
		c.Caller = Caller{
			Subject: in.Subject, Roles: in.Roles, Tenant: in.Tenant, Agents: in.Agents,
			CredentialID: in.ID, ObserveAsUser: in.ObserveAsUser,
		}
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
	return creds, errors.Join(errs...)
}

func firstBytes(s string, n int) []byte { return []byte(s[:min(len(s), n)]) }
