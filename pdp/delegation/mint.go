package delegation

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Bounds of time.
const (
	defaultLifetime = time.Hour
	maxLifetime     = 7 * 24 * time.Hour
	maxAhead        = 7 * 24 * time.Hour // that a token may begin to hold later
)

// Request is a token to be made.
type Request struct {
	Tenant, Issuer, Holder string
	Rights                 Rights
	NotBefore              time.Time     // zero: now
	Lifetime               time.Duration // zero: an hour, or as long as the chain
	Chain                  *Chain        // what the issuer holds itself; nil if it delegates rights of its own
}

// Mint makes a token. What the request leaves out is as in the chain; what goes beyond it is refused. The error is an
// *Error with the cause Widens or Refused, or a failure of this process.
func Mint(keys Keys, o Request, now time.Time, ranks Ranks) (string, *Token, error) {
	t := &Token{
		Version: version, Tenant: o.Tenant, Issuer: o.Issuer, Holder: o.Holder, Rights: o.Rights, IssuedAt: now.Unix(),
	}
	t.Tools = sortedTools(t.Tools)
	if t.Holder == t.Issuer || t.Tenant == "" || t.Issuer == "" || t.Holder == "" {
		return "", nil, fail(Refused, 0, "one agent delegates to another")
	}
	var upper *Token
	if o.Chain != nil {
		upper = o.Chain.Tokens[len(o.Chain.Tokens)-1]
		t.Rights, t.Parent = t.inherited(&upper.Rights), digest(o.Chain.last)
		t.NotBefore = upper.NotBefore
		if len(o.Chain.Tokens) >= MaxLinks {
			return "", nil, fail(Widens, 0, "depth")
		}
	}
	if err := t.check(ranks); err != nil {
		return "", nil, err
	}
	if err := t.span(o, upper, now); err != nil {
		return "", nil, err
	}
	if upper != nil {
		if err := t.follows(upper, o.Chain.last, ranks); err != nil {
			return "", nil, fail(Widens, 0, err.(*Error).Detail) //nolint:errorlint,forcetypeassert // it is
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", nil, fmt.Errorf("make an id: %w", err)
	}
	t.ID = id.String()
	raw, err := sign(keys, t)
	return raw, t, err
}

// span works out from when until when the token holds.
func (t *Token) span(o Request, upper *Token, now time.Time) error {
	from := now
	if !o.NotBefore.IsZero() {
		if o.NotBefore.Sub(now) > maxAhead {
			return fail(Refused, 0, "not_before is at most 7 days ahead")
		}
		from = o.NotBefore
		t.NotBefore = max(t.NotBefore, from.Unix())
	}
	lifetime := o.Lifetime
	if lifetime < 0 || lifetime > maxLifetime {
		return fail(Refused, 0, "lifetime_seconds is at most 7 days")
	}
	if lifetime == 0 {
		lifetime = defaultLifetime
		if upper != nil {
			lifetime = min(lifetime, upper.ExpiresAt().Sub(from))
		}
	}
	t.Expires = from.Add(lifetime).Unix()
	if t.Expires <= max(now.Unix(), t.NotBefore) {
		return fail(Refused, 0, "it would end before it begins")
	}
	return nil
}
