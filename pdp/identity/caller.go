package identity

import (
	"context"
	"slices"
	"time"
)

// Role is what a caller is, not what it may do.
type Role string

// The roles. Machines (agent, gateway) and people (approver, admin, auditor) never share a credential.
const (
	// RoleAgent is one agent, speaking for itself.
	RoleAgent Role = "agent"
	// RoleGateway speaks for agents that it runs or stands in front of, and is believed about where a session begins.
	RoleGateway Role = "gateway"
	// RoleApprover gives verdicts.
	RoleApprover Role = "approver"
	// RoleAdmin operates the server. An admin is no approver.
	RoleAdmin Role = "admin"
	// RoleAuditor reads.
	RoleAuditor Role = "auditor"
)

// AnyAgent in Caller.Agents stands for every agent of the tenant.
const AnyAgent = "*"

func (r Role) known() bool   { return r.machine() || r.person() }
func (r Role) machine() bool { return r == RoleAgent || r == RoleGateway }
func (r Role) person() bool {
	return r == RoleApprover || r == RoleAdmin || r == RoleAuditor
}

// ViaConsole is the way of those who act on the console's pages.
const ViaConsole = "console"

// Caller is who stands behind a request. The zero Caller may do nothing.
type Caller struct {
	// Subject is the verified name of the account. Audit lines are keyed by it.
	Subject string
	// Person is the human behind the account, whatever they sign in with: from the file's `people`, else the subject,
	// folded. Votes are counted by it.
	Person string
	// Owner is the person who runs a machine's credential; empty where the file does not say. They cannot approve what it
	// asks for.
	Owner string
	// Groups are those of the account, for policy that says who may approve.
	Groups []string
	Roles  []Role
	// Tenant is the one tenant that the credential belongs to.
	Tenant string
	// Agents are those it may speak for, by name, or AnyAgent.
	Agents []string
	// Method is how it was authenticated: `bearer`, `mtls` or `jwt`.
	Method string
	// Via is by what way it came: ViaConsole, or empty for the contract itself.
	Via string
	// CredentialID is the stable, public id of the credential, for logs and replay keys.
	CredentialID string
	// ValidUntil is when the credential stops being valid; zero: never. Streams end then, too.
	ValidUntil time.Time
	// ObserveAsUser says that what it observes as the user's words counts as such.
	ObserveAsUser bool
}

// Has says whether the caller has the role.
func (c Caller) Has(r Role) bool { return slices.Contains(c.Roles, r) }

// Allowed says whether the caller has at least one of the needed roles. Needing none allows nobody.
func Allowed(c Caller, need ...Role) bool { return slices.ContainsFunc(need, c.Has) }

// MaySpeakFor says whether the caller may act as this agent of this tenant: an agent's or a gateway's
// credential, of exactly that tenant, with that agent on its list.
func (c Caller) MaySpeakFor(tenant, agent string) bool {
	if !Allowed(c, RoleAgent, RoleGateway) || tenant == "" || tenant != c.Tenant || agent == "" || agent == AnyAgent {
		return false
	}
	return slices.Contains(c.Agents, agent) || slices.Contains(c.Agents, AnyAgent)
}

// Bind checks what a request says about itself against the credential and returns the tenant that holds. An
// empty tenant is the credential's. An agent is always named, and must be one that the caller may speak for.
// The error is a *MismatchError.
func (c Caller) Bind(tenant, agent string) (string, error) {
	if tenant == "" {
		tenant = c.Tenant
	}
	if c.Tenant == "" || tenant != c.Tenant {
		return "", &MismatchError{Field: "tenant"}
	}
	if !c.MaySpeakFor(tenant, agent) {
		return "", &MismatchError{Field: "agent"}
	}
	return tenant, nil
}

type callerKey struct{}

// WithCaller hands the caller of a request on.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext returns the caller of a request; without one it is the zero Caller, which may do nothing.
func FromContext(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}
