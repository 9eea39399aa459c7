package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// record is what the log line of a call says beyond its method and code. The logging step makes it, steps and
// handlers inside fill it in, one goroutine after the other.
type record struct{ subject, credential, tenant, via, decision, why string }

type recordKey struct{}

func noteDecision(ctx context.Context, id string) {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		r.decision = id
	}
}

// logging writes one line when a call has ended: at debug level where it went well or the caller was at fault in the
// usual ways, louder the more it is ours. It never sees a message.
func (c *chain) logging(ctx context.Context, method string, stream bool) (context.Context, ended, error) {
	r := &record{}
	start := time.Now()
	return context.WithValue(ctx, recordKey{}, r), func(err error) error {
		code := status.Code(err)
		level := levelOf(code)
		if !c.log.Enabled(ctx, level) {
			return err
		}
		attrs := []slog.Attr{
			slog.String("method", method), slog.Bool("stream", stream), slog.String("code", codeName(code)),
			slog.Duration("duration", time.Since(start)),
		}
		for _, a := range [...]slog.Attr{
			slog.String("subject", r.subject), slog.String("credential", r.credential),
			slog.String("tenant", r.tenant), slog.String("via", r.via), slog.String("decision", r.decision), slog.String("why", r.why),
		} {
			if a.Value.String() != "" {
				attrs = append(attrs, a)
			}
		}
		if f, ok := errors.AsType[*fault](err); ok {
			attrs = append(attrs, slog.String("reason", f.reason), slog.String("field", f.field))
		}
		c.log.LogAttrs(ctx, level, "call", attrs...)
		return err
	}, nil
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK, codes.Canceled, codes.NotFound, codes.DeadlineExceeded:
		return slog.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.Unauthenticated, codes.PermissionDenied, codes.ResourceExhausted:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// crash is a panic of a goroutine beside a handler, for the handler to panic with.
type crash struct {
	cause any
	stack []byte
}

func (*crash) Error() string { return "a goroutine of the handler panicked" }

// panicked logs a panic with its stack. What was panicked with is shown only where the runtime itself wrote it:
// anything else may hold a value of the request.
func (c *chain) panicked(ctx context.Context, method string, p any) error {
	stack := debug.Stack()
	if beside, ok := p.(*crash); ok {
		p, stack = beside.cause, beside.stack
	}
	what := fmt.Sprintf("%T", p)
	if e, ok := p.(runtime.Error); ok {
		what = e.Error()
	}
	c.log.ErrorContext(ctx, "panic while answering a call", "method", method, "panic", what, "stack", string(stack))
	return errInternal
}

// authenticate is called for every method that is not open.
func (c *chain) authenticate(ctx context.Context) (context.Context, error) {
	caller, err := c.identify(ctx)
	r, noted := ctx.Value(recordKey{}).(*record)
	caller.Via, _ = ctx.Value(viaKey{}).(string)
	if noted {
		r.via = caller.Via
	}
	if err != nil {
		if noted && !errors.Is(err, identity.ErrNoCredential) {
			r.why = err.Error() // for whoever looks for the cause; the caller is not told
		}
		return nil, err
	}
	if noted {
		r.subject, r.credential, r.tenant = caller.Subject, caller.CredentialID, caller.Tenant
	}
	return identity.WithCaller(ctx, caller), nil
}

// identify reads the credential. It notes nothing, so that a stream can be asked again beside its handler.
func (c *chain) identify(ctx context.Context) (identity.Caller, error) {
	header := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(header) > 1 { // which of them would be meant is the sender's secret
		return identity.Caller{}, identity.ErrBadCredential
	}
	proved, shown, err := c.withCertificate(ctx)
	if err != nil {
		return identity.Caller{}, err
	}
	if len(header) == 0 && !shown {
		return identity.Caller{}, identity.ErrNoCredential
	}
	return c.auth.Authenticate(proved, strings.Join(header, ""))
}

// recheck ends a stream whose credential is not good any more, or is somebody else's.
func (c *chain) recheck(ctx context.Context, method string, stream bool) (context.Context, ended, error) {
	if !stream || !needsCredential(method, c.cfg.DevMode) {
		return ctx, pass, nil
	}
	caller, _ := identity.FromContext(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	check := func() {
		now, err := c.identify(context.WithoutCancel(ctx))
		if err == nil && (!sameRights(now, caller) || authorise(now, method, c.cfg.DevMode) != nil) {
			err = identity.ErrBadCredential
		}
		if err != nil {
			cancel(err)
		}
	}
	leave := c.streaming.add(listener{check: check, until: caller.ValidUntil})
	return ctx, func(err error) error {
		leave()
		if cause := context.Cause(ctx); err != nil && (errors.Is(cause, identity.ErrBadCredential) || errors.Is(cause, identity.ErrKeysUnavailable)) {
			err = cause
		}
		cancel(nil)
		return err
	}, nil
}

// sameRights compares all that a handler may have decided by when the stream began.
func sameRights(a, b identity.Caller) bool {
	return a.Subject == b.Subject && a.Tenant == b.Tenant && a.Person == b.Person && a.Owner == b.Owner && a.ObserveAsUser == b.ObserveAsUser &&
		slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Agents, b.Agents) && slices.Equal(a.Groups, b.Groups)
}

func (c *chain) validateUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := validate(c.validator, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (c *chain) validateStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	wrapped := middleware.WrapServerStream(ss)
	return handler(srv, &validatedStream{wrapped, c.validator})
}

type validatedStream struct {
	*middleware.WrappedServerStream
	validator protovalidate.Validator
}

func (s *validatedStream) RecvMsg(m any) error {
	if err := s.WrappedServerStream.RecvMsg(m); err != nil {
		return err
	}
	return validate(s.validator, m)
}

// batchQuestions keeps the rules of single questions and verdicts out of the check of a batch: each has its own result, so the
// handler checks them one by one.
var batchQuestions = protovalidate.WithFilter(protovalidate.FilterFunc(func(m protoreflect.Message, _ protoreflect.Descriptor) bool {
	name := m.Descriptor().FullName()
	return name != "portcullis.v1.DecideRequest" && name != "portcullis.v1.SubmitVerdictRequest"
}))

// validate refuses what could not be decoded and what breaks a rule of the contract.
func validate(v protovalidate.Validator, req any) error {
	m, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if d, bad := marked(m); bad {
		return invalid("MALFORMED_MESSAGE", d.field, d.problem)
	}
	if !strings.HasPrefix(string(m.ProtoReflect().Descriptor().FullName()), "portcullis.v1.") {
		return nil // health and reflection have no rules of ours
	}
	var err error
	switch m.(type) {
	case *portcullisv1.DecideBatchRequest, *portcullisv1.SubmitVerdictsRequest:
		err = v.Validate(m, batchQuestions)
	default:
		err = v.Validate(m)
	}
	return fromRules(err)
}

// fromRules names the field and the rule that it breaks. The text of a rule is the contract's, never the caller's.
func fromRules(err error) error {
	if err == nil {
		return nil
	}
	broken, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok || len(broken.Violations) == 0 {
		return fmt.Errorf("check the rules of the contract: %w", err)
	}
	first := broken.Violations[0].Proto
	message := first.GetMessage()
	if message == "" {
		message = "breaks the rule " + first.GetRuleId()
	}
	return invalid("INVALID_FIELD", protovalidate.FieldPathString(first.GetField()), message)
}

// contractRules are the rules of every request, compiled once: a rule that does not compile is found at start.
var contractRules = sync.OnceValues(newValidator)

func newValidator() (protovalidate.Validator, error) {
	var requests []protoreflect.MessageDescriptor
	for _, file := range []protoreflect.FileDescriptor{
		portcullisv1.File_portcullis_v1_decision_proto, portcullisv1.File_portcullis_v1_approval_proto, portcullisv1.File_portcullis_v1_admin_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				requests = append(requests, methods.Get(j).Input())
			}
		}
	}
	v, err := protovalidate.New(protovalidate.WithFailFast(), protovalidate.WithDisableLazy(), protovalidate.WithMessageDescriptors(requests...))
	if err != nil {
		return nil, fmt.Errorf("compile the rules of the contract: %w", err)
	}
	return v, nil
}
