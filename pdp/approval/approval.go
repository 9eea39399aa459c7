package approval

import (
	"cmp"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// State is where an approval stands. All but Pending are final.
type State string

// The states.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Rejected  State = "rejected"
	Expired   State = "expired"
	Cancelled State = "cancelled"
)

// States are all states.
var States = []State{Pending, Approved, Rejected, Expired, Cancelled}

// Use is what became of an approved approval. It is set once and final.
type Use string

// The uses.
const (
	// Unused: may still be redeemed, if it was approved.
	Unused Use = ""
	// Redeemed: used, by the decision in RedeemedBy.
	Redeemed Use = "redeemed"
	// Lapsed: nobody redeemed it before it ran out.
	Lapsed Use = "lapsed"
	// Revoked: withdrawn after it was approved, for example by a kill switch.
	Revoked Use = "revoked"
)

// Verdict is what a person says.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// Reason is why a person has to look: a static message of policy, no argument value.
type Reason struct {
	Code     string `json:"code"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Severity string `json:"severity"`
}

// Ask is an action that a person has to decide on. The caller has authenticated Tenant and RequestedBy.
type Ask struct {
	Tenant, Agent, Session, Run, User string
	// RequestedBy is the subject of the credential that asked. It can't vote, and only it may redeem.
	RequestedBy string
	// RequestedByPerson is the person behind that credential, Owner the one who runs the agent. Neither can vote,
	// whatever they sign in with. Empty: nobody knows one.
	RequestedByPerson, Owner         string
	Kind, Tool, Server, SchemaDigest string
	// Digest is the canonical action's; BundleRevision that of the policy which asked.
	Digest, BundleRevision string
	Reasons                []Reason
	// Rules are the ids of the rules that asked.
	Rules []string
	// View is what the reviewer is shown (JSON), Action the canonical action. Both are kept encrypted and erased.
	View, Action                         []byte
	EstimateCostMicroUSD, EstimateTokens int64
	// TTL is how long the ask waits, and how long a yes is good for, from now on; 0 is the default, more than the
	// maximum is the maximum.
	TTL time.Duration
	// Stages say who may approve from when on, in the order of time; the first opens at once. At most 5. None: Quorum
	// people (0 is 1), any approvers.
	Stages []Stage
	Quorum int
	// Credential is the one that asked.
	Credential Credential
	// Grantable says what a grant may cover.
	Grantable Grantable
	// Rate bounds how much is asked.
	Rate Rate
	// DecisionID is the decision that asked.
	DecisionID string
}

// Rate is how many asks an agent, and one of its sessions, may make within a window, whatever became of them; 0 is any
// number.
type Rate struct {
	Window               time.Duration
	PerAgent, PerSession int
}

// Credential is what is known of the credential that asked: an action with a reviewer's arguments is decided as that of
// the same caller.
type Credential struct {
	ID     string          `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Roles  []identity.Role `json:"roles,omitempty"`
}

// Ballot is what a person hands in, and what policy says about it.
type Ballot struct {
	Verdict Verdict
	Comment string
	// ExpectedDigest is what the reviewer looked at; empty skips that check, except for an action that was edited.
	ExpectedDigest string
	// EditedArguments (JSON) are what the reviewer wants done instead; pdp/decision makes Edit of it, and the queue takes
	// no ballot that has the one without the other.
	EditedArguments string
	Edit            *Edit
	// SeenInFull says that the reviewer has read all of an action that is longer than one page.
	SeenInFull bool
	// Stages are those that a yes may count for, as policy says. None: those that name neither groups nor roles.
	Stages []int
	// Sequence is that of the approval which policy looked at; if it has changed since, the ballot is ErrMoved. 0: any.
	Sequence uint64
	// Terms grant later asks too; nil for this one action alone.
	Terms *Terms
}

// Vote is one person's answer. Applied is false for one that came too late to count.
type Vote struct {
	Subject string    `json:"subject"`
	Verdict Verdict   `json:"verdict"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
	Applied bool      `json:"applied"`
	// Person is who that is, whatever they sign in with; empty: the subject.
	Person string `json:"person,omitempty"`
	// Stages are those that a yes counts for; none: the first.
	Stages []int `json:"stages,omitempty"`
	// EditedDigest is the edited action that it is for; empty: the action that was asked for.
	EditedDigest string `json:"edited_digest,omitempty"`
	Terms        *Terms `json:"terms,omitempty"`
}

// Approval is an ask and what became of it. It holds no argument value. What the queue hands out is the caller's
// own copy, but for the slices, which must not be changed.
type Approval struct {
	ID                   string    `json:"id"` // UUIDv7
	Tenant               string    `json:"tenant"`
	Agent                string    `json:"agent"`
	Session              string    `json:"session"`
	Run                  string    `json:"run,omitempty"`
	User                 string    `json:"user,omitempty"`
	RequestedBy          string    `json:"requested_by"`
	Kind                 string    `json:"kind"`
	Tool                 string    `json:"tool"`
	Server               string    `json:"server,omitempty"`
	SchemaDigest         string    `json:"schema_digest,omitempty"`
	Digest               string    `json:"digest"`
	BundleRevision       string    `json:"bundle_revision"`
	DecisionID           string    `json:"decision_id"`
	Reasons              []Reason  `json:"reasons,omitempty"`
	Rules                []string  `json:"rules,omitempty"`
	EstimateCostMicroUSD int64     `json:"estimate_cost_micro_usd"`
	EstimateTokens       int64     `json:"estimate_tokens"`
	ActionBytes          int64     `json:"action_bytes,omitempty"` // of the canonical action
	Quorum               int       `json:"quorum"`                 // of the first stage
	RequestedByPerson    string    `json:"requested_by_person,omitempty"`
	Owner                string    `json:"owner,omitempty"`
	Created              time.Time `json:"created"`
	Expires              time.Time `json:"expires"`

	State State `json:"state"`
	// EndedAt is when State became final, zero while pending. Cause says why it was cancelled or revoked.
	EndedAt time.Time `json:"ended_at,omitzero"`
	Cause   string    `json:"cause,omitempty"`
	Votes   []Vote    `json:"votes,omitempty"`
	Use     Use       `json:"use,omitempty"`
	// RedeemedBy is the decision that used it, RedeemedAt when.
	RedeemedBy string    `json:"redeemed_by,omitempty"`
	RedeemedAt time.Time `json:"redeemed_at,omitzero"`
	// Stages say who may approve from when on; none: Quorum of any approvers. Stage is the number of the last open one.
	Stages []Stage `json:"stages,omitempty"`
	Stage  int     `json:"stage,omitempty"`
	// StageOpened is when a stage opened, of an event that tells of that; it is not stored.
	StageOpened time.Time `json:"-"`
	// EditedDigest is the digest of the action with a reviewer's arguments, EditedBy that reviewer: Rules, Reasons, Stages
	// and ActionBytes are that action's then, and it is what is done. Edits is how often arguments were changed.
	EditedDigest string     `json:"edited_digest,omitempty"`
	EditedBy     string     `json:"edited_by,omitempty"`
	Edits        int        `json:"edits,omitempty"`
	Credential   Credential `json:"credential,omitzero"`
	// Grantable says what a grant may cover; Grant is set of an approved one that covers later asks too.
	Grantable Grantable `json:"grantable,omitzero"`
	Grant     *Grant    `json:"grant,omitempty"`
	// Joined counts the callers beyond the first who asked for the same while it was pending, AskedAgain those of them who
	// came after its one use and had to ask again.
	Joined     int `json:"joined,omitempty"`
	AskedAgain int `json:"asked_again,omitempty"`
	// Sequence numbers the changes of this approval, from 1.
	Sequence uint64 `json:"sequence"`
}

// Live says whether anything can still come of it: it waits for a verdict or for its use.
func (a *Approval) Live() bool {
	return a.State == Pending || a.State == Approved && a.Use == Unused
}

// EffectiveDigest is the digest of what would be done: with a reviewer's arguments, if there are any.
func (a *Approval) EffectiveDigest() string { return cmp.Or(a.EditedDigest, a.Digest) }

// Voter is who gives a verdict, as the credential says.
type Voter struct {
	Subject string
	Tenant  string
	Roles   []identity.Role
	// Person is who that is, whatever they sign in with; empty: the subject. Groups are those of the person.
	Person string
	Groups []string
}

// Result is what a verdict or a cancellation did. If Applied is false nothing was changed by it; Reason says why, in
// upper snake case, and Approval is what stands. Reasons are why policy denies an edited action.
type Result struct {
	Approval Approval
	Applied  bool
	Reason   string
	Reasons  []Reason
}

// Revealed is what a reviewer may look at while it is pending.
type Revealed struct {
	Approval     Approval
	View, Action []byte
}

// Redemption is the action that an approval shall be used for. Every field must be what was approved, and the
// estimates at most.
type Redemption struct {
	Tenant, Agent, Session, User, RequestedBy  string
	Digest, Tool, SchemaDigest, BundleRevision string
	EstimateCostMicroUSD, EstimateTokens       int64
	// Canonical is the canonical action, for grants under which arguments may vary. Without it they cover nothing.
	Canonical []byte
}

// Filter picks approvals. Empty fields match all.
type Filter struct {
	Tenant, Agent, Tool string
	States              []State
}

// Scope is what a kill switch stops: all non-empty fields must match, the tool's case is ignored. The tenant is
// never empty.
type Scope struct {
	Tenant, Agent, Session, Tool string
}

// Event is an approval as it stood after a change, or a sign of life (Heartbeat) that changes nothing.
type Event struct {
	Approval  Approval
	Heartbeat bool
	// Cursor is what to pass to WatchAll to resume after this event; 0 while the first list is under way.
	Cursor uint64
}
