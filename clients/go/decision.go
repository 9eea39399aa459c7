package portcullis

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// Reason codes of denies that are made here, not by the PDP. Where the PDP refuses a call with a gRPC error, its own reason stands
// instead (`APPROVAL_USED`, `BAD_CREDENTIAL`), and Decision.Code holds the gRPC code.
const (
	// ReasonUnreachable: no answer, too late an answer, or one that makes no sense.
	ReasonUnreachable = "PDP_UNREACHABLE"
	// ReasonEffectUnknown: an effect that this client does not know.
	ReasonEffectUnknown = "EFFECT_UNKNOWN"
	// ReasonObligationUnmet: an allow on a condition that this client does not know, or could not meet.
	ReasonObligationUnmet = "OBLIGATION_UNMET"
	// ReasonExpired: an allow that was used too late.
	ReasonExpired = "DECISION_EXPIRED"
	// ReasonArgumentsChanged: the arguments are no longer those that were judged, or the PDP wants others.
	ReasonArgumentsChanged = "ARGUMENTS_CHANGED"
	// ReasonArgumentsInvalid: the arguments can't be written as exact JSON; nothing was asked.
	ReasonArgumentsInvalid = "ARGUMENTS_INVALID"
	// ReasonRejected, ReasonApprovalExpired and ReasonCancelled: how an approval ended.
	ReasonRejected        = "APPROVAL_REJECTED"
	ReasonApprovalExpired = "APPROVAL_EXPIRED"
	ReasonCancelled       = "APPROVAL_CANCELLED"
	// ReasonWaitTimeout: nobody answered while this client waited. The approval may still be open.
	ReasonWaitTimeout = "APPROVAL_WAIT_TIMEOUT"
)

// messages are safe for a model to read.
var messages = map[string]string{
	ReasonUnreachable:      "The policy decision point gave no usable answer in time, so the action is denied.",
	ReasonEffectUnknown:    "The answer of the policy decision point is of an unknown kind, so the action is denied.",
	ReasonObligationUnmet:  "The action is allowed only on a condition that this agent can't meet, so it is denied.",
	ReasonExpired:          "The permission ran out before the action began. Ask again.",
	ReasonArgumentsChanged: "The arguments are not those that were allowed, so the action is denied.",
	ReasonArgumentsInvalid: "The arguments can't be written as exact JSON, so the action is denied.",
	ReasonRejected:         "A person rejected the action.",
	ReasonApprovalExpired:  "Nobody approved the action in time.",
	ReasonCancelled:        "The question to a person was withdrawn.",
	ReasonWaitTimeout:      "Nobody approved the action while the agent waited.",
}

// Reason is why a decision is as it is.
type Reason struct {
	Code, Rule, Message string
}

func localReason(code string) Reason {
	message, known := messages[code]
	if !known {
		message = "The policy decision point refused the question, so the action is denied."
	}
	return Reason{Code: code, Rule: "client", Message: message}
}

// Decision is an answer, or the deny that stands in for one. Only Allowed says that the action may be carried out.
type Decision struct {
	// ID is empty for a deny that was made here.
	ID      string
	Effect  portcullisv1.Effect
	Reasons []Reason
	// ApprovalID is set where a person has to say yes: Wait for it, then Decide with Redeem.
	ApprovalID string
	// ExpiresAt is when an allow ends to be one.
	ExpiresAt time.Time
	// ActionDigest is the PDP's digest of the action that it judged.
	ActionDigest string
	// Code is OK if the PDP decided; otherwise what its refusal, or the transport, said.
	Code codes.Code
	// Response is the whole answer; nil if there was none.
	Response *portcullisv1.DecideResponse

	cause error
	now   func() time.Time
}

// Allowed is true for an allow that has not run out, whose obligations this client knows. Everything else is a no.
func (d *Decision) Allowed() bool {
	return d != nil && d.Effect == portcullisv1.Effect_EFFECT_ALLOW && d.now != nil && d.now().Before(d.ExpiresAt)
}

// NeedsApproval is true where a person has to say yes first.
func (d *Decision) NeedsApproval() bool {
	return d != nil && d.Effect == portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL
}

// Err is nil if the action is allowed, and a *DeniedError otherwise.
func (d *Decision) Err() error {
	switch {
	case d == nil:
		return &DeniedError{Decision: refuse(ReasonUnreachable, codes.Unknown, nil)}
	case d.Allowed():
		return nil
	case d.Effect == portcullisv1.Effect_EFFECT_ALLOW:
		return &DeniedError{Decision: d.turnedDown(ReasonExpired, nil)}
	}
	return &DeniedError{Decision: d}
}

// DeniedError is why an action was not carried out.
type DeniedError struct {
	// Decision has the reasons. If it NeedsApproval, the approval is still open, and ApprovalID names it.
	Decision *Decision
	// Verdict is set if a person was waited for. Its comment was written by a person: show it, do not follow it.
	Verdict *Verdict
}

// Error lists the reasons.
func (e *DeniedError) Error() string {
	var b strings.Builder
	b.WriteString("not allowed")
	if e.Decision.NeedsApproval() {
		b.WriteString(" without approval ")
		b.WriteString(e.Decision.ApprovalID)
	}
	for i, r := range e.Decision.Reasons {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(r.Code + ": " + r.Message)
	}
	return b.String()
}

// Unwrap is what went wrong, if the deny was made here.
func (e *DeniedError) Unwrap() error { return e.Decision.cause }

// refuse is a deny made here.
func refuse(code string, grpcCode codes.Code, cause error) *Decision {
	return &Decision{
		Effect: portcullisv1.Effect_EFFECT_DENY, Reasons: []Reason{localReason(code)}, Code: grpcCode, cause: cause,
	}
}

// refused is the deny that a failed call stands for. An error without the PDP's own mark is nobody's word: unreachable.
func refused(err error) *Decision {
	code, reason := explain(err)
	return refuse(reason, code, err)
}

func explain(err error) (codes.Code, string) {
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "portcullis" && info.GetReason() != "" {
			return st.Code(), info.GetReason()
		}
	}
	return st.Code(), ReasonUnreachable
}

// turnedDown is the same answer as a deny, with one more reason in front.
func (d *Decision) turnedDown(code string, cause error) *Decision {
	out := *d
	out.Effect = portcullisv1.Effect_EFFECT_DENY
	out.Reasons = slices.Insert(slices.Clone(d.Reasons), 0, localReason(code))
	out.cause = cause
	return &out
}

// obligationEffective is the obligation to carry out what the answer gives instead of what was asked about.
const obligationEffective = "use_effective"

func changed(in *portcullisv1.DecideResponse) bool {
	return in.GetEffectiveArgumentsJson() != "" || in.GetEffectiveContent() != "" || in.GetEffectiveHttp() != nil
}

// read turns an answer into a decision. Whatever is missing or not understood makes it a deny. effective says that the caller
// looks at what is to be done instead.
func (c *Client) read(in *portcullisv1.DecideResponse, effective bool) *Decision {
	d := &Decision{
		ID: in.GetDecisionId(), Effect: in.GetEffect(), ApprovalID: in.GetApproval().GetId(),
		ActionDigest: in.GetActionDigest(), Response: in, now: c.now,
	}
	for _, r := range in.GetReasons() {
		d.Reasons = append(d.Reasons, Reason{Code: r.GetCode(), Rule: r.GetRule(), Message: r.GetMessage()})
	}
	if at := in.GetExpiresAt(); at.IsValid() {
		d.ExpiresAt = at.AsTime()
	}
	switch in.GetEffect() {
	case portcullisv1.Effect_EFFECT_DENY:
		return d
	case portcullisv1.Effect_EFFECT_ALLOW:
		if d.ID == "" || d.ActionDigest == "" || d.ExpiresAt.IsZero() {
			return d.turnedDown(ReasonUnreachable, nil)
		}
		if changed(in) && !effective {
			// Who asked about one thing may not do it on an allow of another. Response has the other.
			return d.turnedDown(ReasonArgumentsChanged, nil)
		}
		for _, o := range in.GetObligations() {
			if o.GetType() == obligationEffective && changed(in) {
				continue
			}
			if c.obligations[o.GetType()] == nil {
				return d.turnedDown(ReasonObligationUnmet, nil)
			}
		}
		return d
	case portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL:
		if d.ID == "" || d.ApprovalID == "" || in.GetApproval().GetActionDigest() != d.ActionDigest {
			return d.turnedDown(ReasonUnreachable, nil)
		}
		return d
	default:
		return d.turnedDown(ReasonEffectUnknown, nil)
	}
}
