package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Bounds of tokens that issuers sign.
const (
	maxTokenBytes = 8 << 10
	maxKidBytes   = 256
	leeway        = 30 * time.Second
	// maxLifetime is how long a token may be valid for: what lasts longer is a password.
	maxLifetime = 24 * time.Hour
)

// algorithms are those that a key pair signs with. There is no `none`, and nothing that is checked with a secret: a public
// key is no secret.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Issuer signs tokens (JWT, as OpenID Connect has them) that stand for callers of one tenant.
type Issuer struct {
	// ID begins the subjects of its tokens: `ID:` and the claim. So no issuer can name another's people.
	ID string
	// Issuer and Audience are what `iss` and `aud` must say, exactly.
	Issuer, Audience string
	// Algorithms that are taken.
	Algorithms []string
	Tenant     string
	// SubjectClaim names the account (`sub`), GroupsClaim its groups (empty: none). PersonClaim names the human behind it,
	// such as `email` (empty: the subject), OwnerClaim who runs a machine. They must be claims that people cannot set
	// themselves.
	SubjectClaim, GroupsClaim, PersonClaim, OwnerClaim string
	Rules                                              []Rule
	Keys                                               *KeySet
}

// Rule gives roles to tokens with a claim that equals a text, or is a list which holds it.
type Rule struct {
	Claim         string   `yaml:"claim"`
	Equals        string   `yaml:"equals"`
	Roles         []Role   `yaml:"roles"`
	Agents        []string `yaml:"agents"`
	Owner         string   `yaml:"owner"`
	ObserveAsUser bool     `yaml:"observe_as_user"`
}

func (i *Issuer) check() error {
	switch {
	case !name.MatchString(i.ID) || strings.Contains(i.ID, ":"):
		return errors.New("id must be 1 to 128 letters, digits or ._@/-")
	case i.Issuer == "" || len(i.Issuer) > 2048:
		return errors.New("issuer is needed")
	case i.Audience == "" || len(i.Audience) > 2048:
		return errors.New("audience is needed: a token for somebody else would be good here")
	case len(i.Algorithms) == 0:
		return errors.New("algorithms are needed, such as [RS256]")
	case !name.MatchString(i.Tenant):
		return errors.New("tenant must be 1 to 128 letters, digits or ._:@/-")
	case len(i.Rules) == 0:
		return errors.New("no rules: no token would have a role")
	case i.Keys == nil:
		return errors.New("jwks_url or jwks_file is needed")
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(algorithms, a) {
			return fmt.Errorf("algorithm %q is not one of %s", a, strings.Join(algorithms, ", "))
		}
	}
	machines := false
	for n, rule := range i.Rules {
		if rule.Claim == "" || rule.Equals == "" {
			return fmt.Errorf("rule %d: claim and equals are needed", n+1)
		}
		who := Caller{Subject: "s", CredentialID: "i", Tenant: i.Tenant, Roles: rule.Roles, Agents: rule.Agents, Owner: rule.Owner, ObserveAsUser: rule.ObserveAsUser}
		if err := who.check(); err != nil {
			return fmt.Errorf("rule %d: %w", n+1, err)
		}
		// Subjects are not known before their tokens come: one that gets two kinds of token could approve itself (B12).
		is := Allowed(who, RoleAgent, RoleGateway)
		if n > 0 && is != machines {
			return fmt.Errorf("rule %d: an issuer is for machines or for people, not for both: what it signs for an agent could approve", n+1)
		}
		machines = is
	}
	if !machines && i.OwnerClaim != "" {
		return errors.New("owner_claim is for machines")
	}
	return nil
}

// claimedIssuer reads who a token says it is from, before anything is verified; empty if it is no token of this kind.
func claimedIssuer(token string) string {
	parts := strings.Split(token, ".")
	if len(token) > maxTokenBytes || len(parts) != 3 {
		return ""
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil || !utf8.Valid(raw) {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(raw, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// tokenTypes are what `typ` may say. A logout token or a proof of possession is signed by the same issuer for the same
// audience, and is no credential (RFC 8725, 3.11).
var tokenTypes = []string{"", "jwt", "at+jwt", "application/at+jwt"}

func typeOf(h jose.Header) (kind string, ok bool) {
	said, there := h.ExtraHeaders[jose.HeaderType]
	if !there {
		return "", true
	}
	kind, ok = said.(string)
	return kind, ok
}

// caller verifies a token: signature, issuer, audience, time; then its roles, by the rules.
func (i *Issuer) caller(ctx context.Context, token string, now time.Time) (Caller, error) {
	taken := make([]jose.SignatureAlgorithm, len(i.Algorithms))
	for n, a := range i.Algorithms {
		taken[n] = jose.SignatureAlgorithm(a)
	}
	parsed, err := jwt.ParseSigned(token, taken)
	if err != nil || len(parsed.Headers) != 1 || len(parsed.Headers[0].KeyID) > maxKidBytes {
		return Caller{}, rejected("the token is signed with an algorithm that is not taken, or is none")
	}
	header := parsed.Headers[0]
	if kind, ok := typeOf(header); !ok || !slices.Contains(tokenTypes, strings.ToLower(kind)) {
		return Caller{}, rejected("the token is of a type that is no credential")
	}
	var said jwt.Claims
	var claims map[string]any
	verified := false
	keys, err := i.Keys.named(ctx, header.KeyID, now)
	if err != nil {
		return Caller{}, err
	}
	for _, key := range keys {
		// A key that says what it is for is for nothing else.
		if key.Algorithm != "" && key.Algorithm != header.Algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		if parsed.Claims(key.Key, &said, &claims) == nil {
			verified = true
			break
		}
	}
	if !verified || said.Expiry == nil || said.Expiry.Time().Sub(now) > maxLifetime+leeway {
		return Caller{}, rejected("the signature does not hold, or the token has no end or one too far away")
	}
	if said.ValidateWithLeeway(jwt.Expected{Issuer: i.Issuer, AnyAudience: jwt.Audience{i.Audience}, Time: now}, leeway) != nil {
		return Caller{}, rejected("the token is for another audience, or not valid now")
	}
	who, err := i.ruled(claims)
	who.ValidUntil = said.Expiry.Time().Add(leeway)
	return who, err
}

// ruled is the caller that the claims of a good token make. What no rule names has no role.
func (i *Issuer) ruled(claims map[string]any) (Caller, error) {
	account, _ := claims[i.SubjectClaim].(string)
	if account == "" {
		return Caller{}, rejected("the token has no subject")
	}
	who := Caller{Subject: i.ID + ":" + account, CredentialID: i.ID + ":" + account, Tenant: i.Tenant, Method: methodJWT}
	for _, g := range listed(claims[i.GroupsClaim]) {
		if name.MatchString(g) && len(who.Groups) < maxGroups && !slices.Contains(who.Groups, g) {
			who.Groups = append(who.Groups, g)
		}
	}
	for _, rule := range i.Rules {
		if !slices.Contains(listed(claims[rule.Claim]), rule.Equals) {
			continue
		}
		who.Roles = union(who.Roles, rule.Roles)
		who.Agents = union(who.Agents, rule.Agents)
		who.ObserveAsUser = who.ObserveAsUser || rule.ObserveAsUser
		if rule.Owner != "" {
			who.Owner = rule.Owner
		}
	}
	if i.PersonClaim != "" {
		if who.Person, _ = claims[i.PersonClaim].(string); !name.MatchString(who.Person) || i.PersonClaim == "email" && unverified(claims) {
			return Caller{}, rejected("the token does not say who the person is")
		}
	}
	if i.OwnerClaim != "" {
		if who.Owner, _ = claims[i.OwnerClaim].(string); who.Owner == "" {
			return Caller{}, rejected("the token does not say who owns the machine")
		}
	}
	// Rules that are right one by one may make a machine that is a person, too.
	if who.check() != nil {
		return Caller{}, rejected("no rule gives the token a role, or its subject is no name")
	}
	return who, nil
}

// unverified says whether a token says of its address that nobody has checked it. Some issuers write that as a text; what
// is neither a yes nor a no is no yes.
func unverified(claims map[string]any) bool {
	switch said, there := claims["email_verified"]; said {
	case true, "true":
		return false
	default:
		return there
	}
}

// listed are the texts of a claim: one, or a list of them.
func listed(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func union[T comparable](a, b []T) []T {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(a, v)
		}
	}
	return a
}
