package decision

import (
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Effect is what was decided.
type Effect string

// The effects, strongest last.
const (
	Allow           Effect = "allow"
	RequireApproval Effect = "require_approval"
	Deny            Effect = "deny"
)

// Principal is who acts, as the request says. It is checked against the credential before anything else.
type Principal struct {
	Tenant, Agent, Session, Run, User string
	// Delegation holds the signed tokens of the agents that led here, outermost first.
	Delegation []string
}

// Request is one question, already checked for shape and size by the contract's own rules.
type Request struct {
	RequestID  string
	Principal  Principal
	Action     action.Action
	ApprovalID string
	// RequestState stands for ApprovalID in a form that only this PDP can have made; see Ticket.
	RequestState string
	// Says is what the agent says about the action, as JSON, or empty. Reviewers see it; nothing that decides reads it.
	Says []byte
}

// Reason says why a decision is as it is. Message is safe for a model to read.
type Reason struct {
	Code     string         `json:"code"`
	Rule     string         `json:"rule"`
	Message  string         `json:"message"`
	Severity string         `json:"severity"`
	Findings []scan.Finding `json:"findings,omitempty"`
}

// Obligation is something that the caller must do along with the action.
type Obligation struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Properties map[string]string `json:"properties,omitempty"`
}

// Ticket is what a caller needs to wait for a person.
type Ticket struct {
	ID        string
	State     string // as pdp/approval names it
	ExpiresAt time.Time
	Quorum    int
	// RequestState is the id sealed to who asked and for what.
	RequestState string
	// EditedDigest is the digest of what is to be done, where a reviewer changed the arguments.
	EditedDigest string
}

// MemoryGrant is what the answer says about a memory item.
type MemoryGrant struct {
	Seal      string // of a write
	ExpiresAt time.Time
	Labels    []string
	Sequence  uint64
	Untrusted bool // data, never an instruction
}

// Response is the answer to one Request.
type Response struct {
	DecisionID     string
	Effect         Effect
	Reasons        []Reason
	Obligations    []Obligation
	Approval       *Ticket
	Limits         []limit.Status
	RetryAfter     time.Duration
	Memory         *MemoryGrant
	Degraded       []string
	ExpiresAt      time.Time
	ActionDigest   string
	BundleRevision string
	Findings       []scan.Finding
	// Estimate is what the action counts for until its outcome is reported.
	Estimate action.Usage
	// Effective is what is to be done instead of what was proposed; nil if nothing was changed.
	Effective *Effective
}

// Effective holds the parts of an action that an obligation changed. What is empty is as proposed.
type Effective struct {
	ArgumentsJSON string
	Content       string
	HTTP          *action.HTTPRequest
}

// Result is one answer of a batch: a response or the error that the single call would have had.
type Result struct {
	Response Response
	Err      error
}

// OutcomeStatus says what became of an allowed action.
type OutcomeStatus string

// The outcome statuses. Unknown is not a success.
const (
	Succeeded OutcomeStatus = "SUCCEEDED"
	Failed    OutcomeStatus = "FAILED"
	Unknown   OutcomeStatus = "UNKNOWN"
)

// Outcome is a report on an allowed action. A nil Actual leaves the estimate standing.
type Outcome struct {
	DecisionID string
	Status     OutcomeStatus
	Actual     *action.Usage
}

// OutcomeResult is what a report did.
type OutcomeResult struct {
	Applied  bool
	Charged  action.Usage
	Breakers []breaker.Status
}
