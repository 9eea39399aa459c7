package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

type keysCmd struct {
	New  keysNewCmd  `cmd:"" help:"Make a key: print it once, with the row for the file of credentials."`
	Hash keysHashCmd `cmd:"" help:"Print the digest of a key that is read from standard input."`
}

type keysNewCmd struct {
	ID      string   `required:"" help:"Stable name of the credential, for logs."`
	Subject string   `help:"Who it is. Default: the id."`
	Role    []string `required:"" help:"agent, gateway, approver, admin or auditor; again for several."`
	Tenant  string   `default:"default" help:"The tenant it belongs to."`
	Agent   []string `help:"An agent that it may speak for; again for several, or * for a gateway."`
	Owner   string   `help:"The person who runs it; cannot approve what it asks."`
	Group   []string `help:"A group of the person; again for several."`
}

// keyBytes make a key that nobody guesses, so that its digest needs no salt and no slow hash: those protect what people
// choose.
const keyBytes = 32

// Run prints the key on standard output and the row on standard error: the key can be piped to where it is kept, and the
// row is no secret.
func (c keysNewCmd) Run(to streams) error {
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw) // never fails
	key := "pck_" + base64.RawURLEncoding.EncodeToString(raw)
	subject := c.Subject
	if subject == "" {
		subject = c.ID
	}
	row := struct {
		ID      string   `yaml:"id"`
		SHA256  string   `yaml:"sha256"`
		Subject string   `yaml:"subject"`
		Roles   []string `yaml:"roles,flow"`
		Tenant  string   `yaml:"tenant"`
		Agents  []string `yaml:"agents,flow,omitempty"`
		Owner   string   `yaml:"owner,omitempty"`
		Groups  []string `yaml:"groups,flow,omitempty"`
	}{c.ID, digestOf(key), subject, c.Role, c.Tenant, c.Agent, c.Owner, c.Group}
	text, err := yaml.Marshal([]any{row})
	if err != nil {
		return fmt.Errorf("write the row: %w", err)
	}
	if _, err := fmt.Fprintf(to.err, "# add this below `credentials:`; the key itself is shown this once\n%s", text); err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.out, key)
	return err
}

type keysHashCmd struct{}

// Run prints the digest.
func (keysHashCmd) Run(to streams) error {
	raw, err := io.ReadAll(io.LimitReader(to.in, 4096))
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if key == "" {
		return &exitError{2, errors.New("no key on standard input")}
	}
	_, err = fmt.Fprintln(to.out, digestOf(key))
	return err
}

func digestOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
