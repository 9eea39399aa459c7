package decisionlog

import (
	"encoding/json"
	"time"
)

// Version is the version of the line format that this package writes. A reader refuses lines of a later one.
const Version = 1

// Type says what a line is about. It names the one field of Entry that is set.
type Type string

// The types of lines.
const (
	TypeDecision Type = "decision"
	TypeVerdict  Type = "verdict"
	TypeOutcome  Type = "outcome"
	TypeApproval Type = "approval"
	TypeAdmin    Type = "admin"
	// TypeObservation is what entered a session without a decision.
	TypeObservation Type = "observation"
)

// Entry is one line. Version and Seq are the log's own: what a caller of Append sets there is ignored.
type Entry struct {
	Version int    `json:"v"`
	Seq     uint64 `json:"seq"`
	// Time is when it happened; Append fills in its own clock where it is zero. Lines stand in the order of Seq,
	// which may differ from the order of Time by the length of a decision.
	Time time.Time `json:"time"`
	Type Type      `json:"type"`

	Decision *Decision `json:"decision,omitempty"`
	Verdict  *Verdict  `json:"verdict,omitempty"`
	Outcome  *Outcome  `json:"outcome,omitempty"`
	Approval *Approval `json:"approval,omitempty"`
	Admin    *Admin    `json:"admin,omitempty"`

	Observation *Observation `json:"observation,omitempty"`
}

// Caller is the credential behind a line: its stable id and who it belongs to, never the credential.
type Caller struct {
	Subject      string   `json:"subject"`
	Roles        []string `json:"roles,omitempty"`
	CredentialID string   `json:"credential_id,omitempty"`
	Method       string   `json:"method,omitempty"`
	// Via is `console` of what was done on the console's pages.
	Via string `json:"via,omitempty"`
}

// Principal is who acted, after it was bound to the credential.
type Principal struct {
	Tenant  string `json:"tenant"`
	Agent   string `json:"agent"`
	Session string `json:"session,omitempty"`
	Run     string `json:"run,omitempty"`
	User    string `json:"user,omitempty"`
	Profile string `json:"profile,omitempty"`
	// Delegation is the chain under which the agent acted, if there is one.
	Delegation *Delegation `json:"delegation,omitempty"`
}

// Delegation is a chain of tokens: who delegated and which tokens, outermost first; or why it does not hold.
type Delegation struct {
	Agents []string `json:"agents,omitempty"`
	IDs    []string `json:"ids,omitempty"`
	Cause  string   `json:"cause,omitempty"`
}

// Usage is money in millionths of a US dollar, and tokens.
type Usage struct {
	CostMicroUSD int64  `json:"cost_micro_usd"`
	Tokens       int64  `json:"tokens"`
	Model        string `json:"model,omitempty"`
	InputTokens  int64  `json:"input_tokens,omitempty"`
	OutputTokens int64  `json:"output_tokens,omitempty"`
}

// Action is what was judged: names, sizes and the digest. There is no field for a value.
type Action struct {
	Kind           string `json:"kind"`
	Tool           string `json:"tool,omitempty"`
	Server         string `json:"server,omitempty"`
	SchemaDigest   string `json:"schema_digest,omitempty"`
	Digest         string `json:"digest"`
	CallID         string `json:"call_id,omitempty"`
	ArgumentsBytes int64  `json:"arguments_bytes"`
	ContentBytes   int64  `json:"content_bytes"`
	Estimate       Usage  `json:"estimate"`        // what the action counts for
	Price          string `json:"price,omitempty"` // what policy knew of the price of its tokens
	InReplyTo      string `json:"in_reply_to,omitempty"`
	FromAgent      string `json:"from_agent,omitempty"`
}

// Finding is what inspection saw: rule, place and a keyed fingerprint, never the matched text.
type Finding struct {
	Rule        string `json:"rule"`
	Category    string `json:"category"`
	Severity    string `json:"severity"`
	Confidence  string `json:"confidence,omitempty"`
	Pointer     string `json:"pointer"`
	Count       int64  `json:"count"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Reason is why a decision is as it is.
type Reason struct {
	Code     string    `json:"code"`
	Rule     string    `json:"rule"`
	Message  string    `json:"message,omitempty"`
	Severity string    `json:"severity,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// ApprovalRef is the approval that a decision asked for or redeemed.
type ApprovalRef struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Redeemed bool   `json:"redeemed"`
	// EditedDigest is the action with a reviewer's arguments, where it was that which was allowed.
	EditedDigest string `json:"edited_digest,omitempty"`
}

// Limit is where one limit stood after the decision.
type Limit struct {
	Name     string `json:"name"`
	Used     int64  `json:"used"`
	Max      int64  `json:"max"`
	Exceeded bool   `json:"exceeded"`
}

// Breaker is where one circuit breaker stood.
type Breaker struct {
	Name     string `json:"name"`
	Key      string `json:"key,omitempty"`
	State    string `json:"state"`
	Failures int64  `json:"failures"`
}

// Memory is what was known of a memory item.
type Memory struct {
	// Seal is what the seal of a read was worth, in the words of the contract.
	Seal string `json:"seal,omitempty"`
	// Sequence is that of the seal that was read or granted.
	Sequence  uint64 `json:"sequence,omitempty"`
	Untrusted bool   `json:"untrusted,omitempty"`
}

// Surprise is how unlike the agent's usual calls a call was, where it was unusual or rare.
type Surprise struct {
	Level   string   `json:"level"`
	Percent int64    `json:"percent"`
	Because []string `json:"because,omitempty"`
}

// Decision is everything that explains one answer.
type Decision struct {
	DecisionID     string       `json:"decision_id"`
	RequestID      string       `json:"request_id,omitempty"`
	Caller         Caller       `json:"caller"`
	Principal      Principal    `json:"principal"`
	Action         Action       `json:"action"`
	Effect         string       `json:"effect"`
	Reasons        []Reason     `json:"reasons,omitempty"`
	Findings       []Finding    `json:"findings,omitempty"`
	Obligations    []string     `json:"obligations,omitempty"`
	Approval       *ApprovalRef `json:"approval,omitempty"`
	Limits         []Limit      `json:"limits,omitempty"`
	Breakers       []Breaker    `json:"breakers,omitempty"`
	Degraded       []string     `json:"degraded,omitempty"`
	Memory         *Memory      `json:"memory,omitempty"`
	Surprise       *Surprise    `json:"surprise,omitempty"`
	BundleRevision string       `json:"bundle_revision"`
	DurationMicros int64        `json:"duration_micros"`
	// StageMicros is how long each stage of the pipeline took, by its name.
	StageMicros map[string]int64 `json:"stage_micros,omitempty"`
	// Replay says that the answer is an earlier one, given again for the same request id.
	Replay bool `json:"replay,omitempty"`
	// Input is the policy input without argument values, for replaying the decision. Optional. Append refuses one
	// whose action still has arguments, content or an HTTP request, or that has views.
	Input json.RawMessage `json:"input,omitempty"`
	// InputOmitted says that Input was left out because the line would have been too long: this line does not replay.
	InputOmitted bool `json:"input_omitted,omitempty"`
}

// Grant is what an approver allowed beyond the one action.
type Grant struct {
	Uses    int32 `json:"uses"`
	Seconds int64 `json:"seconds"`
	// AnySession is true where it holds beyond the session that asked; Vary are the arguments that may be different.
	AnySession bool     `json:"any_session,omitempty"`
	Vary       []string `json:"vary,omitempty"`
}

// Verdict is one person's answer, whether or not it changed anything.
type Verdict struct {
	ApprovalID   string    `json:"approval_id"`
	DecisionID   string    `json:"decision_id,omitempty"`
	Caller       Caller    `json:"caller"`
	Principal    Principal `json:"principal"`
	Tool         string    `json:"tool,omitempty"`
	ActionDigest string    `json:"action_digest,omitempty"`
	Verdict      string    `json:"verdict"`
	Applied      bool      `json:"applied"`
	// Reason is why it was not applied.
	Reason string `json:"reason,omitempty"`
	// State is the approval's state after it.
	State string `json:"state"`
	// Comment is what the person wrote, already cut and cleaned by the approval service.
	Comment string `json:"comment,omitempty"`
	Edited  bool   `json:"edited,omitempty"`
	// EditedDigest is the digest of what the verdict is for, where a reviewer changed the arguments. Person is who the caller is.
	EditedDigest string `json:"edited_digest,omitempty"`
	Person       string `json:"person,omitempty"`
	Grant        *Grant `json:"grant,omitempty"`
}

// Outcome is what became of an allowed action.
type Outcome struct {
	DecisionID string    `json:"decision_id"`
	Caller     Caller    `json:"caller"`
	Principal  Principal `json:"principal"`
	Tool       string    `json:"tool,omitempty"`
	Status     string    `json:"status"`
	Applied    bool      `json:"applied"`
	Actual     *Usage    `json:"actual,omitempty"`
	Charged    Usage     `json:"charged"`
	Breakers   []Breaker `json:"breakers,omitempty"`
}

// Approval is a change of an approval's state that no verdict made: created, expired, cancelled, redeemed.
type Approval struct {
	ApprovalID     string    `json:"approval_id"`
	DecisionID     string    `json:"decision_id,omitempty"`
	Principal      Principal `json:"principal"`
	Tool           string    `json:"tool,omitempty"`
	ActionDigest   string    `json:"action_digest,omitempty"`
	BundleRevision string    `json:"bundle_revision,omitempty"`
	// Change is what happened: `created`, `expired`, `cancelled`, `redeemed`.
	Change string `json:"change"`
	State  string `json:"state"`
	// Cause says why, for example which kill switch cancelled it.
	Cause     string     `json:"cause,omitempty"`
	Quorum    int32      `json:"quorum,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// Target is what an admin act was aimed at; empty fields mean all.
type Target struct {
	Tenant  string `json:"tenant,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Session string `json:"session,omitempty"`
	Tool    string `json:"tool,omitempty"`
	// ApprovalID is set where one approval was looked at or changed.
	ApprovalID string `json:"approval_id,omitempty"`
}

// Observation is what a caller said had entered a session: sorts and sizes, no text.
type Observation struct {
	Caller    Caller         `json:"caller"`
	Principal Principal      `json:"principal"`
	Spans     []ObservedSpan `json:"spans,omitempty"`
	// Tools is how many descriptions of tools came with it.
	Tools int64 `json:"tools,omitempty"`
	// Whole is false if a bound of the session was met.
	Whole bool `json:"whole"`
}

// ObservedSpan is one text: who it is from, and how long it is.
type ObservedSpan struct {
	Origin string `json:"origin"` // user, untrusted or agent
	Name   string `json:"name,omitempty"`
	Bytes  int64  `json:"bytes"`
}

// Admin is an act of an operator, or of the server on an operator's behalf (a reload after a file changed).
type Admin struct {
	Caller Caller `json:"caller"`
	// Act is what was done: `kill_switch_set`, `kill_switch_cleared`, `bundle_reloaded`, `breaker_reset`, …
	Act    string `json:"act"`
	Target Target `json:"target"`
	// Reason is what the operator gave.
	Reason string `json:"reason,omitempty"`
	// Applied is false where the act was refused or changed nothing; Error says why.
	Applied          bool   `json:"applied"`
	Error            string `json:"error,omitempty"`
	BundleRevision   string `json:"bundle_revision,omitempty"`
	PreviousRevision string `json:"previous_revision,omitempty"`
	// Affected is how many things it changed: breakers closed, approvals cancelled.
	Affected int64 `json:"affected,omitempty"`
}
