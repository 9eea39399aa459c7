package approval

import (
	"context"
	"errors"
	"fmt"
)

// Problem is the kind of an Error, for whoever makes a code of it.
type Problem int

// The problems.
const (
	Invalid            Problem = iota + 1 // the request is malformed
	NotFound                              // no such approval for this tenant
	Denied                                // this person may not vote on it
	FailedPrecondition                    // used, ended, or bound to something else
	Exhausted                             // over a cap, or a stream that fell behind
	OutOfRange                            // a cursor that is too old, or not of this store
	Unavailable                           // the store failed; nothing was promised
)

// Error is every error of this package but a context's. Its text holds no argument value.
type Error struct {
	Problem Problem
	// Reason is stable, in upper snake case.
	Reason string
	// Field is what does not match or is malformed.
	Field  string
	Detail string
	cause  error
}

func (e *Error) Error() string {
	text := "approval: " + e.Detail
	if e.Field != "" {
		text = "approval: " + e.Field + ": " + e.Detail
	}
	if e.Problem == Unavailable && e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.cause }

// Is matches an Error of the same reason, and of the same field where the target names one.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason && (t.Field == "" || t.Field == e.Field)
}

// ErrTooManyPending is what ErrAskRate and ErrQueueFull have in common: the ask was refused to keep the queue short.
var ErrTooManyPending = errors.New("too many asks are pending")

// The errors to compare with errors.Is.
var (
	ErrNotFound     = &Error{Problem: NotFound, Reason: "APPROVAL_NOT_FOUND", Detail: "there is no such approval"}
	ErrNotApprover  = &Error{Problem: Denied, Reason: "NOT_AN_APPROVER", Detail: "only a person's credential with the role approver may vote"}
	ErrSelfApproval = &Error{Problem: Denied, Reason: "SELF_APPROVAL", Detail: "who asked cannot approve"}
	// ErrDigest: the reviewer saw another action.
	ErrDigest = &Error{Problem: FailedPrecondition, Reason: "DIGEST_MISMATCH", Field: "expected_digest", Detail: "the approval covers another action than the one that was reviewed"}
	// ErrUnseenEdit: the arguments were changed, and the voter does not say which action they looked at.
	ErrUnseenEdit = &Error{Problem: FailedPrecondition, Reason: "DIGEST_NEEDED", Field: "expected_digest", Detail: "a reviewer has changed the arguments, or wants to: name the digest that you looked at"}
	// ErrDigestNeeded: a verdict among several has to name what it is for.
	ErrDigestNeeded = &Error{Problem: Invalid, Reason: "DIGEST_NEEDED", Field: "expected_digest", Detail: "name the digest that you looked at"}
	// ErrStage: no stage that is open is for this voter.
	ErrStage = &Error{Problem: Denied, Reason: "NO_OPEN_STAGE", Detail: "none of the stages that are open now is for this voter"}
	// ErrMoved: it has changed since policy looked at it. pdp/decision looks again.
	ErrMoved = &Error{Problem: Unavailable, Reason: "APPROVAL_MOVED", Detail: "the approval was changed at the same time: look again"}
	// ErrTooManyEdits: reject it, and let the agent ask again.
	ErrTooManyEdits = &Error{Problem: Exhausted, Reason: "TOO_MANY_EDITS", Detail: "the arguments were changed too often"}
	// ErrTooBroad: a grant cannot cover this.
	ErrTooBroad = &Error{Problem: Invalid, Reason: "GRANT_TOO_BROAD", Field: "grant", Detail: "a grant cannot cover this"}
	// ErrNotAsked: policy asks others. A policy may say so in its own words.
	ErrNotAsked = &Error{Problem: Denied, Reason: "NOT_ASKED", Detail: "the policy asks other people than this voter"}
	// ErrPolicyChanged: the ask is of another policy than the one that is live. Nobody could use a yes to it.
	ErrPolicyChanged = &Error{Problem: FailedPrecondition, Reason: "POLICY_CHANGED", Detail: "the policy has changed since this was asked: the agent has to ask again"}
	// ErrNotSeen: a yes to an action that is longer than what one page shows, from someone who does not say to have read all.
	ErrNotSeen = &Error{Problem: FailedPrecondition, Reason: "NOT_SEEN_IN_FULL", Field: "seen_in_full", Detail: "the action is longer than one page: read all of it, and say so"}
	// ErrEnded: the action is erased.
	ErrEnded = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_ENDED", Detail: "the approval has ended, and its action can no longer be looked at"}

	// Why an approval can't be redeemed. ErrMismatch has the field.
	ErrMismatch  = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_MISMATCH", Detail: "not what was approved"}
	ErrPending   = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_PENDING", Detail: "nobody has approved it yet"}
	ErrRejected  = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_REJECTED", Detail: "it was rejected"}
	ErrExpired   = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_EXPIRED", Detail: "it has run out"}
	ErrCancelled = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_CANCELLED", Detail: "it was withdrawn"}
	ErrUsed      = &Error{Problem: FailedPrecondition, Reason: "APPROVAL_USED", Detail: "it was used already"}

	// ErrAskRate: this agent has too many asks pending. ErrQueueFull: the tenant or the whole queue has.
	ErrAskRate   = &Error{Problem: Exhausted, Reason: "ASK_RATE", Detail: "too many asks of this agent or session are pending, or were made of late", cause: ErrTooManyPending}
	ErrQueueFull = &Error{Problem: Exhausted, Reason: "QUEUE_FULL", Detail: "too many asks are pending", cause: ErrTooManyPending}

	ErrSlow            = &Error{Problem: Exhausted, Reason: "SLOW_READER", Detail: "the reader fell behind: list, and watch again"}
	ErrTooManyWatchers = &Error{Problem: Exhausted, Reason: "TOO_MANY_WATCHERS", Detail: "too many streams watch approvals"}
	ErrCursor          = &Error{Problem: OutOfRange, Reason: "CURSOR_OUT_OF_RANGE", Detail: "the cursor is too old or not of this server: list, and watch again"}
)

func mismatch(field string) error {
	return &Error{Problem: ErrMismatch.Problem, Reason: ErrMismatch.Reason, Field: field, Detail: ErrMismatch.Detail}
}

func invalid(field, format string, args ...any) error {
	return &Error{Problem: Invalid, Reason: "INVALID", Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Unreadable is a store's error about a record that is there and is none: its file, or the shared store, was damaged. It says
// nothing about other records.
type Unreadable struct {
	ID    string
	Cause error
}

func (u *Unreadable) Error() string { return "read approval " + u.ID + ": " + u.Cause.Error() }

func (u *Unreadable) Unwrap() error { return u.Cause }

// Damaged is the error where what was kept cannot be read.
func Damaged(err error) error { return failed("read the action", err) }

// Unrecorded is the error where what somebody did could not be put on record.
func Unrecorded(err error) error { return failed("put it on record", err) }

// failed wraps what the store says. Errors of this package and of contexts stay what they are.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*Error](err); ours || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Problem: Unavailable, Reason: "STATE_UNAVAILABLE", Detail: "cannot " + doing, cause: err}
}
