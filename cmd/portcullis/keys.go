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
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
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
	Days    int      `help:"The key stops being valid after so many days; 0: never."`
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
		// A time would be written without quotes, and read as one: the file wants a text.
		NotAfter string `yaml:"not_after,omitempty"`
	}{c.ID, digestOf(key), subject, c.Role, c.Tenant, c.Agent, c.Owner, c.Group, ""}
	if c.Days < 0 {
		return &exitError{2, errors.New("--days is negative")}
	}
	if c.Days > 0 {
		row.NotAfter = time.Now().UTC().AddDate(0, 0, c.Days).Format(time.RFC3339)
	}
	text, err := yaml.Marshal([]any{row})
	if err != nil {
		return fmt.Errorf("write the row: %w", err)
	}
	// What the server would refuse is said now, before somebody hands the key out.
	if err := identity.CheckRows([]byte("credentials:\n" + string(text))); err != nil {
		return &exitError{2, err}
	}
	if _, err := fmt.Fprintf(to.err, "# add this below `credentials:`; the key itself is shown this once\n%s", text); err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.out, key)
	return err
}

type keysHashCmd struct{}

// minKeyBytes is about 190 bits where it is base64 of random bytes.
const minKeyBytes = 32

// Run prints the digest.
func (keysHashCmd) Run(to streams) error {
	raw, err := io.ReadAll(io.LimitReader(to.in, 4096))
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if len(key) < minKeyBytes {
		return &exitError{2, fmt.Errorf("what is on standard input is shorter than %d characters: a key is protected by nothing but its length; `portcullis keys new` makes one", minKeyBytes)}
	}
	_, err = fmt.Fprintln(to.out, digestOf(key))
	return err
}

func digestOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
