package notify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// Bounds.
const (
	maxFileBytes   = 1 << 20
	maxTargets     = 16
	maxKeys        = 4
	maxURLBytes    = 2048
	minSecretBytes = 24
	maxSecretBytes = 64
)

// Format is how a notification is written.
type Format string

// The formats.
const (
	// JSON is what formats.go describes, in the envelope of standardwebhooks.com.
	JSON Format = "json"
	// Slack is what Slack's incoming webhooks take, and Mattermost's and others' that are compatible with them.
	Slack Format = "slack"
)

// Kind is what a notification tells.
type Kind string

// The kinds.
const (
	Asked Kind = "approval.asked" // somebody has to decide
	Ended Kind = "approval.ended" // nobody has to any more
)

// Config is a list of targets.
type Config struct {
	// ConsoleURL is what an approval's id is appended to, to make the link. https, or http on loopback. Empty: no link.
	ConsoleURL string   `yaml:"console_url"`
	Targets    []Target `yaml:"targets"`
}

// Target is one receiver.
type Target struct {
	// Name is how metrics, the log and the stored cursor call it: letters, digits, '.', '_' and '-'. A new name begins anew.
	Name string `yaml:"name"`
	// URL is where to, or URLFile a file that has it: of some services the address itself is the secret.
	URL     string `yaml:"url"`
	URLFile string `yaml:"url_file"`
	Format  Format `yaml:"format"`
	// Events are the kinds to tell; empty: all.
	Events []Kind `yaml:"events"`
	// Tenants whose approvals are told; "*" is all. Never empty: one tenant's asks are not another's to read.
	Tenants []string `yaml:"tenants"`
	// Keys sign, all of them, so that a receiver can change from one to the next. Needed for JSON.
	Keys []Key `yaml:"keys"`
	// Allow are private ranges that this target may resolve to, as 10.1.2.0/24. Link-local and metadata addresses never.
	Allow []string `yaml:"allow"`
	// LoopbackHTTP lets an http address be used that is this machine's own. Without it only https is possible.
	LoopbackHTTP bool `yaml:"loopback_http"`
	// Timeout ends one try: 1 s to 30 s; 10 s.
	Timeout time.Duration `yaml:"timeout"`

	endpoint *url.URL
	allowed  []netip.Prefix
}

// Key is a secret that the receiver knows, too.
type Key struct {
	ID string `yaml:"id"`
	// File has the secret as standardwebhooks.com writes it: whsec_ and 24 to 64 bytes in base64. It is read for each
	// delivery, so that it can be replaced.
	File string `yaml:"file"`
}

// Load reads a YAML file. Unknown keys are refused, and so is a file that others than its owner may write: who writes it
// says who hears of asks.
func Load(path string) (Config, error) {
	raw, err := readSmall(path)
	if err != nil {
		return Config{}, fmt.Errorf("notifications: %w", err)
	}
	var c Config
	in := yaml.NewDecoder(bytes.NewReader(raw))
	in.KnownFields(true)
	if err := in.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("notifications: %s: %w", path, err)
	}
	if err := in.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("notifications: %s: more than one document", path)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others than its owner: chmod go-w it", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s has %d bytes, at most %d", path, info.Size(), maxFileBytes)
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}

// Files are the files that the configuration names: no action may touch them.
func (c Config) Files() (names []string) {
	for _, t := range c.Targets {
		if t.URLFile != "" {
			names = append(names, t.URLFile)
		}
		for _, k := range t.Keys {
			names = append(names, k.File)
		}
	}
	return names
}

var nameOf = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate fills in defaults and names everything that is wrong. It reads the files that are named. No error holds an
// address or a secret.
func (c *Config) Validate() error {
	var errs []error
	if c.ConsoleURL != "" {
		if u, err := url.Parse(c.ConsoleURL); err != nil || !ours(u) {
			errs = append(errs, errors.New("notifications: console_url is an https address, or an http one on loopback, without a query"))
		}
	}
	if len(c.Targets) > maxTargets {
		errs = append(errs, fmt.Errorf("notifications: %d targets, at most %d", len(c.Targets), maxTargets))
	}
	seen := map[string]bool{}
	for i := range c.Targets {
		t := &c.Targets[i]
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("notifications: two targets are called %q", t.Name))
		}
		seen[t.Name] = true
		if err := t.validate(); err != nil {
			errs = append(errs, fmt.Errorf("notifications: target %d (%q): %w", i+1, t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// ours is an address that a link may begin with.
func ours(u *url.URL) bool {
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" {
		return false
	}
	_, class, _ := action.CanonicalHost(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && class == action.ClassLoopback
}

func (t *Target) validate() error {
	if t.Timeout == 0 {
		t.Timeout = 10 * time.Second
	}
	if t.Format == "" {
		t.Format = JSON
	}
	if len(t.Events) == 0 {
		t.Events = []Kind{Asked, Ended}
	}
	switch {
	case !nameOf.MatchString(t.Name):
		return errors.New("name is 1 to 64 letters, digits, '.', '_' or '-'")
	case t.Format != JSON && t.Format != Slack:
		return fmt.Errorf("format is %s or %s", JSON, Slack)
	case slices.ContainsFunc(t.Events, func(k Kind) bool { return k != Asked && k != Ended }):
		return fmt.Errorf("events are %s and %s", Asked, Ended)
	case len(t.Tenants) == 0 || slices.Contains(t.Tenants, ""):
		return errors.New("tenants lists whose asks are told; \"*\" is all")
	case t.Timeout < time.Second || t.Timeout > 30*time.Second:
		return fmt.Errorf("timeout is 1 s to 30 s, not %s", t.Timeout)
	}
	if err := t.place(); err != nil {
		return err
	}
	if err := t.ranges(); err != nil {
		return err
	}
	_, err := t.secrets()
	return err
}

// place reads the address.
func (t *Target) place() error {
	text := t.URL
	switch {
	case (t.URL == "") == (t.URLFile == ""):
		return errors.New("give url or url_file")
	case t.URLFile != "":
		raw, err := readSmall(t.URLFile)
		if err != nil {
			return fmt.Errorf("url_file: %w", err)
		}
		text = strings.TrimSpace(string(raw))
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURLBytes || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("url is no address") // not which: it may be a secret
	case u.User != nil:
		return errors.New("url holds a user or a password")
	case u.Fragment != "":
		return errors.New("url has a fragment")
	case u.Scheme == "http" && !t.LoopbackHTTP, u.Scheme != "http" && u.Scheme != "https":
		return errors.New("url is https; http only on loopback, with loopback_http")
	}
	t.endpoint = u
	return nil
}

func (t *Target) ranges() error {
	t.allowed = nil
	for _, text := range t.Allow {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("allow: %q is no range like 10.1.2.0/24", text)
		}
		if least := 8; p.Bits() < least || p.Addr().Is6() && p.Bits() < 32 {
			return fmt.Errorf("allow: %q is too wide: name the range that the receiver is in", text)
		}
		t.allowed = append(t.allowed, p)
	}
	return nil
}

var errSecret = fmt.Errorf("a secret is whsec_ and %d to %d bytes in base64", minSecretBytes, maxSecretBytes)

// secret is a key that was read.
type secret struct {
	id  string
	key []byte
}

func (t *Target) secrets() ([]secret, error) {
	if len(t.Keys) == 0 && t.Format == JSON {
		return nil, errors.New("keys: at least one signs what is sent, or a receiver could believe anybody")
	}
	if len(t.Keys) > maxKeys {
		return nil, fmt.Errorf("keys: %d, at most %d", len(t.Keys), maxKeys)
	}
	var out []secret
	for _, k := range t.Keys {
		if !nameOf.MatchString(k.ID) {
			return nil, errors.New("keys: id is 1 to 64 letters, digits, '.', '_' or '-'")
		}
		if slices.ContainsFunc(out, func(s secret) bool { return s.id == k.ID }) {
			return nil, fmt.Errorf("keys: %q is there twice", k.ID)
		}
		raw, err := readSmall(k.File)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !ok || len(key) < minSecretBytes || len(key) > maxSecretBytes {
			return nil, fmt.Errorf("key %s: %w", k.ID, errSecret)
		}
		out = append(out, secret{k.ID, key})
	}
	return out, nil
}

// wants says whether a target is to hear of this.
func (t *Target) wants(kind Kind, tenant string) bool {
	return slices.Contains(t.Events, kind) && (slices.Contains(t.Tenants, "*") || slices.Contains(t.Tenants, tenant))
}

// Covers says whether anybody is told of the asks of a tenant.
func (c Config) Covers(tenant string) bool {
	return slices.ContainsFunc(c.Targets, func(t Target) bool {
		told := len(t.Events) == 0 || slices.Contains(t.Events, Asked)
		return told && (slices.Contains(t.Tenants, tenant) || slices.Contains(t.Tenants, "*"))
	})
}
