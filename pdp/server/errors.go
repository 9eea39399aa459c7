package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// Domain is the domain of every google.rpc.ErrorInfo that this server sends.
const Domain = "portcullis"

// fault is an error on its way to the caller: what every other error is turned into, here and nowhere else.
// Its message never holds a value of the request.
type fault struct {
	code    codes.Code
	reason  string
	field   string
	message string
	retry   time.Duration
	// metadata goes into the ErrorInfo. It may be nil.
	metadata map[string]string
}

func (f *fault) Error() string {
	if f.field == "" {
		return f.message
	}
	return f.field + ": " + f.message
}

// GRPCStatus lets grpc, and status.Code in the steps outside, read the fault.
func (f *fault) GRPCStatus() *status.Status {
	st := status.New(f.code, f.Error())
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: f.reason, Domain: Domain, Metadata: f.metadata}}
	if f.field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: f.field, Description: f.message, Reason: f.reason},
		}})
	}
	if f.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.retry)})
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st
}

func invalid(reason, field, message string) *fault {
	return &fault{code: codes.InvalidArgument, reason: reason, field: field, message: message}
}

// The faults that need no cause.
var (
	errDraining = &fault{code: codes.Unavailable, reason: "DRAINING", message: "the server is shutting down: call again, elsewhere or later", retry: time.Second}
	errState    = &fault{code: codes.Unavailable, reason: "STATE_UNAVAILABLE", message: "the state could not be read or written; the server's log has the cause", retry: time.Second}
	errInternal = &fault{code: codes.Internal, reason: "INTERNAL", message: "internal error; the server's log has the cause"}
)

// explain turns any error into a fault. The second result is false where the text of the error is for the log and the
// caller learns nothing of it: where nobody foresaw it, and where a store failed.
func explain(err error) (*fault, bool) {
	if f, ok := errors.AsType[*fault](err); ok {
		return f, true
	}
	if e, ok := errors.AsType[*approval.Error](err); ok && e.Problem == approval.Unavailable || errors.Is(err, limit.ErrUnavailable) ||
		errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, memory.ErrStore) {
		return errState, false // what the store said is for the log
	}
	for _, known := range []func(error) *fault{fromDecision, fromAction, fromIdentity, fromApproval, fromRest, fromContext, fromLibrary} {
		if f := known(err); f != nil {
			return f, true
		}
	}
	return errInternal, false
}

func fromDecision(err error) *fault {
	e, ok := errors.AsType[*decision.Error](err)
	if !ok {
		return nil
	}
	code, ok := map[decision.Problem]codes.Code{
		decision.Invalid:            codes.InvalidArgument,
		decision.PermissionDenied:   codes.PermissionDenied,
		decision.NotFound:           codes.NotFound,
		decision.FailedPrecondition: codes.FailedPrecondition,
		decision.ResourceExhausted:  codes.ResourceExhausted,
		decision.Unavailable:        codes.Unavailable,
	}[e.Problem]
	if !ok {
		return nil
	}
	f := &fault{code: code, reason: e.Reason, field: e.Field, message: e.Detail}
	if code == codes.ResourceExhausted || code == codes.Unavailable {
		f.retry = time.Second
	}
	return f
}

func fromAction(err error) *fault {
	e, ok := errors.AsType[*action.Error](err)
	if !ok {
		return nil
	}
	return invalid(e.Reason, "action."+e.Field, e.Detail)
}

func fromIdentity(err error) *fault {
	if e, ok := errors.AsType[*identity.MismatchError](err); ok {
		return &fault{
			code: codes.PermissionDenied, reason: "PRINCIPAL_MISMATCH", field: "principal." + e.Field,
			message: "does not agree with the credential",
		}
	}
	switch {
	case errors.Is(err, identity.ErrNoCredential):
		return &fault{code: codes.Unauthenticated, reason: "NO_CREDENTIAL", message: "no credential: send `authorization: Bearer ...`"}
	case errors.Is(err, identity.ErrBadCredential):
		return &fault{code: codes.Unauthenticated, reason: "BAD_CREDENTIAL", message: "the credential is not valid"}
	case errors.Is(err, identity.ErrKeysUnavailable):
		return &fault{code: codes.Unavailable, reason: "IDENTITY_UNAVAILABLE", message: "tokens of this issuer cannot be checked now", retry: time.Second}
	}
	return nil
}

func fromApproval(err error) *fault {
	e, ok := errors.AsType[*approval.Error](err)
	if !ok {
		return nil
	}
	code, ok := map[approval.Problem]codes.Code{
		approval.Invalid:            codes.InvalidArgument,
		approval.NotFound:           codes.NotFound,
		approval.Denied:             codes.PermissionDenied,
		approval.FailedPrecondition: codes.FailedPrecondition,
		approval.Exhausted:          codes.ResourceExhausted,
		approval.OutOfRange:         codes.OutOfRange,
	}[e.Problem]
	if !ok {
		return nil
	}
	f := &fault{code: code, reason: e.Reason, field: e.Field, message: e.Detail}
	if code == codes.NotFound {
		f.field = "approval_id"
	}
	return f
}

func fromRest(err error) *fault {
	switch {
	case errors.Is(err, event.ErrSlow):
		return &fault{code: codes.ResourceExhausted, reason: "SLOW_READER", message: "the reader fell behind: watch again"}
	case errors.Is(err, event.ErrTooMany):
		return &fault{code: codes.ResourceExhausted, reason: "TOO_MANY_WATCHERS", message: "too many streams watch events", retry: time.Minute}
	case errors.Is(err, killswitch.ErrNothing):
		return invalid("NOTHING_TO_STOP", "", "name an agent, a session or a tool, or set whole_tenant")
	case errors.Is(err, killswitch.ErrNoTenant):
		return invalid("NO_TENANT", "tenant", "a kill switch needs a tenant")
	case errors.Is(err, delegation.ErrTooManyRevoked):
		return &fault{code: codes.ResourceExhausted, reason: "TOO_MANY_REVOKED", message: delegation.ErrTooManyRevoked.Error()}
	case errors.Is(err, killswitch.ErrTooMany):
		return &fault{code: codes.ResourceExhausted, reason: "TOO_MANY_KILL_SWITCHES", message: killswitch.ErrTooMany.Error()}
	}
	return nil
}

func fromContext(err error) *fault {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &fault{code: codes.DeadlineExceeded, reason: "DEADLINE_EXCEEDED", message: "the deadline passed before there was an answer"}
	case errors.Is(err, context.Canceled):
		return &fault{code: codes.Canceled, reason: "CANCELLED", message: "the caller went away"}
	}
	return nil
}

// fromLibrary keeps the statuses of the services that grpc itself implements (health, reflection) and gives
// them a reason. INTERNAL and UNKNOWN are not kept: their text is somebody's error.
func fromLibrary(err error) *fault {
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) {
		return nil
	}
	st := carrier.GRPCStatus()
	if st.Code() == codes.OK || st.Code() == codes.Unknown || st.Code() == codes.Internal {
		return nil
	}
	return &fault{code: st.Code(), reason: codeName(st.Code()), message: st.Message()}
}

// report turns an error into a status and logs what the caller is not told.
func report(ctx context.Context, log *slog.Logger, method string, err error) *fault {
	f, foreseen := explain(err)
	if !foreseen {
		log.ErrorContext(ctx, "call failed on our side", "method", method, "error", err)
	}
	return f
}

// codeName is the name of a code as the contract and the gRPC documents spell it.
func codeName(c codes.Code) string {
	if c == codes.Canceled {
		return "CANCELLED"
	}
	var b strings.Builder
	for i, r := range c.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && c != codes.OK {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
