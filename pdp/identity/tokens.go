package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Authenticator turns the value of an authorization header into a caller.
type Authenticator interface {
	Authenticate(ctx context.Context, header string) (Caller, error)
}

const (
	// maxHeaderBytes bounds what is hashed for somebody who has not proved anything yet.
	maxHeaderBytes = 10 << 10
	// maxCredentials bounds the comparison, which always looks at all of them.
	maxCredentials = 1000
	// maxAgents bounds the agents of one credential.
	maxAgents = 10_000
)

// Credential is one bearer token, by its digest, and the caller that it stands for.
type Credential struct {
	// SHA256 is the digest of the token. A fast one without salt does, because tokens are random and of 32 bytes or more:
	// nobody can try them all, and a slow hash would make each call dear.
	SHA256 [sha256.Size]byte
	// Caller is who it is. CredentialID is required; Method is filled in.
	Caller Caller
	// NotAfter is when it stops being valid; zero is never.
	NotAfter time.Time
}

// Tokens is an immutable set of bearer tokens, safe for concurrent use. Rotation makes a new one.
type Tokens struct {
	creds []Credential
	now   func() time.Time
}

var _ Authenticator = (*Tokens)(nil)

// NewTokens checks the credentials one by one and against each other. The error names every bad one by its id.
func NewTokens(creds []Credential, now func() time.Time) (*Tokens, error) {
	if len(creds) == 0 {
		return nil, errors.New("identity: no credentials: nobody could call")
	}
	if len(creds) > maxCredentials {
		return nil, fmt.Errorf("identity: %d credentials, at most %d", len(creds), maxCredentials)
	}
	t := &Tokens{creds: slices.Clone(creds), now: now}
	var errs []error
	for i := range t.creds {
		c := &t.creds[i]
		c.Caller = c.Caller.clone()
		c.Caller.Method, c.Caller.ValidUntil = methodBearer, c.NotAfter
		c.Caller.Person = cmp.Or(c.Caller.Person, fold(c.Caller.Subject))
		if err := checkCredential(*c); err != nil {
			errs = append(errs, fmt.Errorf("identity: credential %d (%q): %w", i+1, c.Caller.CredentialID, err))
		}
	}
	if err := errors.Join(append(errs, checkTogether(t.creds)...)...); err != nil {
		return nil, err
	}
	return t, nil
}

// name is what a tenant, an agent or a subject may be called: the same as in the protocol.
var name = regexp.MustCompile(`^[A-Za-z0-9._:@/-]{1,128}$`)

func checkCredential(c Credential) error {
	if c.SHA256 == [sha256.Size]byte{} || c.SHA256 == sha256.Sum256(nil) {
		return errors.New("sha256 is that of nothing")
	}
	return c.Caller.check()
}

// maxGroups bounds the groups of one account.
const maxGroups = 100

// check finds what no caller may be, however it is authenticated.
func (c *Caller) check() error {
	machine, person := false, false
	for i, r := range c.Roles {
		if !r.known() || slices.Contains(c.Roles[:i], r) {
			return fmt.Errorf("role %q is unknown or stands twice", r)
		}
		machine, person = machine || r.machine(), person || r.person()
	}
	switch {
	case !name.MatchString(c.CredentialID):
		return errors.New("id must be 1 to 128 letters, digits or ._:@/-")
	case !name.MatchString(c.Subject):
		return errors.New("subject must be 1 to 128 letters, digits or ._:@/-")
	case !name.MatchString(c.Tenant):
		return errors.New("tenant must be 1 to 128 letters, digits or ._:@/-")
	case c.Owner != "" && (!name.MatchString(c.Owner) || !machine):
		return errors.New("owner is for an agent or gateway, 1 to 128 letters, digits or ._:@/-")
	case len(c.Groups) > maxGroups:
		return fmt.Errorf("%d groups, at most %d", len(c.Groups), maxGroups)
	case len(c.Roles) == 0:
		return errors.New("no roles")
	case machine && person:
		return errors.New("an agent or gateway can't also be approver, admin or auditor: it could approve itself")
	case machine && len(c.Agents) == 0:
		return errors.New("no agents that it may speak for")
	case person && len(c.Agents) > 0:
		return errors.New("only an agent or gateway speaks for agents")
	case len(c.Agents) > maxAgents:
		return fmt.Errorf("%d agents, at most %d", len(c.Agents), maxAgents)
	case slices.Contains(c.Agents, AnyAgent) && !c.Has(RoleGateway):
		return errors.New(`agents "*" needs the role gateway`)
	case c.ObserveAsUser && !c.Has(RoleGateway):
		return errors.New("observe_as_user needs the role gateway: an agent would vouch for itself")
	}
	for _, g := range c.Groups {
		if !name.MatchString(g) {
			return fmt.Errorf("group %q must be 1 to 128 letters, digits or ._:@/-", g)
		}
	}
	for _, a := range c.Agents {
		if a != AnyAgent && !name.MatchString(a) {
			return fmt.Errorf(`agent %q must be 1 to 128 letters, digits or ._:@/-, or "*"`, a)
		}
	}
	return nil
}

// checkTogether finds what no single credential shows: two that are one, and two by which one subject would be
// both a machine and a person, or count as two people.
func checkTogether(creds []Credential) (errs []error) {
	type subject struct {
		spelt   string
		machine bool
	}
	ids, hashes, subjects := map[string]bool{}, map[[sha256.Size]byte]bool{}, map[string]subject{}
	for i, c := range creds {
		bad := func(what string) {
			errs = append(errs, fmt.Errorf("identity: credential %d (%q): %s", i+1, c.Caller.CredentialID, what))
		}
		if ids[c.Caller.CredentialID] {
			bad("id stands twice")
		}
		if hashes[c.SHA256] {
			bad("sha256 stands twice")
		}
		ids[c.Caller.CredentialID], hashes[c.SHA256] = true, true

		is := subject{c.Caller.Subject, Allowed(c.Caller, RoleAgent, RoleGateway)}
		folded := c.Caller.Tenant + "\x00" + strings.ToLower(c.Caller.Subject)
		was, seen := subjects[folded]
		switch {
		case !seen:
			subjects[folded] = is
		case was.spelt != is.spelt:
			bad("subject is spelt in two ways")
		case was.machine != is.machine:
			bad("subject is a machine in one credential and a person in another: it could approve itself")
		}
	}
	return errs
}

// Authenticate finds the caller of a bearer token. It compares with every credential, in the same time whether
// one matches or none.
func (t *Tokens) Authenticate(_ context.Context, header string) (Caller, error) {
	token, err := bearer(header)
	if err != nil {
		return Caller{}, err
	}
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.creds {
		same := subtle.ConstantTimeCompare(sum[:], t.creds[i].SHA256[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return Caller{}, rejected("no such key")
	}
	c := t.creds[found]
	if !c.NotAfter.IsZero() && !t.now().Before(c.NotAfter) {
		return Caller{}, rejected("the key is past its time")
	}
	return c.Caller.clone(), nil
}

func (c Caller) clone() Caller {
	c.Roles, c.Agents, c.Groups = slices.Clone(c.Roles), slices.Clone(c.Agents), slices.Clone(c.Groups)
	return c
}

// bearer takes the token out of `Bearer token` (RFC 6750; the scheme in any case).
func bearer(header string) (string, error) {
	if len(header) > maxHeaderBytes {
		return "", rejected("the header is too long")
	}
	header = strings.Trim(header, " \t")
	if header == "" {
		return "", ErrNoCredential
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" || strings.ContainsFunc(token, notInToken) {
		return "", rejected("the header is no bearer token")
	}
	return token, nil
}

// notInToken is true of what RFC 6750's b64token has not.
func notInToken(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/=", r))
}
