package delegation

import (
	"slices"
	"time"
)

// Presenter is who presents a chain, as the credential and the checked principal say.
type Presenter struct {
	Tenant, Agent, Session, User string
	// UserBelieved says that the credential may say on whose behalf the agent acts.
	UserBelieved bool
}

// Checks are what the chain is held against.
type Checks struct {
	Now      time.Time
	MaxLinks int // at most MaxLinks
	Ranks    Ranks
	Revoked  func(tenant, id string) bool
}

// Chain is what was verified: the tokens, outermost first. It has at least one.
type Chain struct {
	Tokens []*Token
	last   string // the last one as it was signed
}

// Verify reads a chain and checks all of it: signatures, order, that no link says more than the one before, times,
// revocations, and that who presents it is its last holder. The error is an *Error.
func Verify(keys Keys, raw []string, who Presenter, with Checks) (*Chain, error) {
	if len(raw) == 0 {
		return nil, fail(Malformed, 0, "no token")
	}
	if len(raw) > min(with.MaxLinks, MaxLinks) {
		return nil, fail(TooDeep, 0, "more links than the bundle admits")
	}
	c := &Chain{last: raw[len(raw)-1]}
	for i, r := range raw {
		t, err := open(keys, r)
		if err == nil {
			err = t.holds(who, with)
		}
		if err == nil && i == 0 && t.Parent != "" {
			err = fail(Order, 0, "the first token follows another")
		}
		if err == nil && i > 0 {
			err = t.follows(c.Tokens[i-1], raw[i-1], with.Ranks)
		}
		if err != nil {
			e := *err.(*Error) //nolint:errorlint,forcetypeassert // all of the above are
			e.Link = i + 1
			return nil, &e
		}
		c.Tokens = append(c.Tokens, t)
	}
	if t := c.Tokens[len(raw)-1]; t.Holder != who.Agent {
		return nil, fail(Holder, len(raw), "held by another agent than the one that presents it")
	}
	return c, nil
}

// holds checks one token by itself.
func (t *Token) holds(who Presenter, with Checks) error {
	now := with.Now.Unix()
	switch {
	case t.Tenant != who.Tenant:
		return fail(Tenant, 0, "of another tenant")
	case t.NotBefore > now:
		return fail(NotYet, 0, "does not hold yet")
	case t.Expires <= now:
		return fail(Expired, 0, "has expired")
	case with.Revoked != nil && with.Revoked(t.Tenant, t.ID):
		return fail(Revoked, 0, "was revoked")
	case t.Session != "" && t.Session != who.Session:
		return fail(Session, 0, "bound to another session")
	case t.User != "" && (!who.UserBelieved || t.User != who.User):
		return fail(User, 0, "bound to a user that nobody who is believed names")
	}
	if t.MaxRisk != "" {
		if _, known := with.Ranks(t.MaxRisk); !known {
			return fail(Risk, 0, "names a risk level that the bundle lacks")
		}
	}
	return nil
}

// follows checks that a token was made from the one before it, and says no more.
func (t *Token) follows(upper *Token, raw string, ranks Ranks) error {
	switch {
	case t.Parent != digest(raw) || t.Issuer != upper.Holder:
		return fail(Order, 0, "does not follow the token before it")
	case upper.Depth < 1:
		return fail(TooDeep, 0, "the token before it may not be handed on")
	case t.Expires > upper.Expires || t.NotBefore < upper.NotBefore:
		return fail(Widens, 0, "holds for longer than the token before it")
	}
	if what := t.within(&upper.Rights, ranks); what != "" {
		return fail(Widens, 0, "says more than the token before it: "+what)
	}
	return nil
}

// Permits says whether every link permits a tool of a server.
func (c *Chain) Permits(tool, server string) bool {
	return !slices.ContainsFunc(c.Tokens, func(t *Token) bool { return !t.Permits(tool, server) })
}

// PermitsRisk says whether every link permits an action of a risk level.
func (c *Chain) PermitsRisk(rank int64, ranks Ranks) bool {
	return !slices.ContainsFunc(c.Tokens, func(t *Token) bool {
		most, known := ranks(t.MaxRisk)
		return t.MaxRisk != "" && (!known || rank > most)
	})
}

// PermitsCost says whether every link permits an action that counts for so much.
func (c *Chain) PermitsCost(microUSD int64) bool {
	return !slices.ContainsFunc(c.Tokens, func(t *Token) bool { return t.MaxCostMicroUSD > 0 && microUSD > t.MaxCostMicroUSD })
}

// Agents are those for whom the holder acts, outermost first, each once.
func (c *Chain) Agents() []string {
	var out []string
	for _, t := range c.Tokens {
		if !slices.Contains(out, t.Issuer) {
			out = append(out, t.Issuer)
		}
	}
	return out
}

// IDs of the tokens, outermost first.
func (c *Chain) IDs() []string {
	out := make([]string, len(c.Tokens))
	for i, t := range c.Tokens {
		out[i] = t.ID
	}
	return out
}

// Tools are those that all links permit, sorted, as people read them.
func (c *Chain) Tools() []string {
	var out []string
	for _, t := range c.Tokens[len(c.Tokens)-1].Tools { // no link says more than the one before
		if c.Permits(t.Name, t.Server) {
			out = append(out, t.String())
		}
	}
	slices.Sort(out)
	return out
}

// MaxRisk is the lowest of the levels that the links name; empty if none does.
func (c *Chain) MaxRisk() string { return c.Tokens[len(c.Tokens)-1].MaxRisk }

// ExpiresAt is when the first link ends.
func (c *Chain) ExpiresAt() time.Time {
	ends := c.Tokens[0].Expires
	for _, t := range c.Tokens {
		ends = min(ends, t.Expires)
	}
	return time.Unix(ends, 0).UTC()
}
