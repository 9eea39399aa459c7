package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"buf.build/go/protovalidate"
	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// chainNames is the documented chain, outermost first, the same for calls and streams. Tracing is a stats handler
// and comes before all of it.
//
//	recovery           the last net: a panic in the steps below is INTERNAL and not the end of the process
//	metrics            counts and times by method and code
//	logging            one line a call: method, code, duration, caller, decision; never a value
//	status             the one place where errors, and panics of handlers, become codes
//	drain              refuses what begins, and ends the streams that are open, once the server drains
//	admission          the cap of the whole server
//	authentication     from the credential to a caller
//	authorisation      the access table
//	recheck            ends streams whose credential is good no more
//	account_admission  the caps of the caller's tenant and account
//	validation         undecodable messages, and the contract's own rules
var chainNames = []string{
	"recovery", "metrics", "logging", "status", "drain", "admission",
	"authentication", "authorisation", "recheck", "account_admission", "validation",
}

// step is one interceptor in both its forms.
type step struct {
	name   string
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

// chain holds what the steps need.
type chain struct {
	log       *slog.Logger
	auth      identity.Authenticator
	validator protovalidate.Validator
	metrics   *grpcprom.ServerMetrics
	calls     *admission
	streams   *admission
	streaming *rechecks
	secrets   *secrets // nil: plain text
	cfg       Config
	// draining ends with errDraining as its cause when the server drains.
	draining context.Context
}

// ended is called once with a call's error when the call has ended, or with nil while a panic passes; it returns the
// error to go on with.
type ended func(error) error

// around is a step that sees no message. It may refuse a call, change its context, and see how it ends.
type around func(ctx context.Context, method string, stream bool) (context.Context, ended, error)

func (c *chain) steps() []step {
	crashed := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error { return c.panicked(ctx, "", p) })
	authenticated := selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
		return needsCredential(call.FullMethod(), c.cfg.DevMode)
	})
	return []step{
		{"recovery", recovery.UnaryServerInterceptor(crashed), recovery.StreamServerInterceptor(crashed)},
		{"metrics", c.metrics.UnaryServerInterceptor(), c.metrics.StreamServerInterceptor()},
		c.aroundStep("logging", c.logging),
		{"status", c.statusUnary, c.statusStream},
		c.aroundStep("drain", c.drain),
		c.aroundStep("admission", c.admit),
		{
			"authentication",
			selector.UnaryServerInterceptor(auth.UnaryServerInterceptor(c.authenticate), authenticated),
			selector.StreamServerInterceptor(auth.StreamServerInterceptor(c.authenticate), authenticated),
		},
		c.aroundStep("authorisation", c.authorise),
		c.aroundStep("recheck", c.recheck),
		c.aroundStep("account_admission", c.admitAccount),
		{"validation", c.validateUnary, c.validateStream},
	}
}

// options asserts that the chain is the documented one and has both forms of each step.
func (c *chain) options() ([]grpc.ServerOption, error) {
	var unary []grpc.UnaryServerInterceptor
	var stream []grpc.StreamServerInterceptor
	var names []string
	for _, s := range c.steps() {
		if s.unary == nil || s.stream == nil {
			return nil, fmt.Errorf("interceptor %s has no form for calls or none for streams", s.name)
		}
		names, unary, stream = append(names, s.name), append(unary, s.unary), append(stream, s.stream)
	}
	if !slices.Equal(names, chainNames) {
		return nil, fmt.Errorf("interceptors are %v, documented are %v", names, chainNames)
	}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary...), grpc.ChainStreamInterceptor(stream...)}, nil
}

func (c *chain) aroundStep(name string, f around) step {
	return step{
		name: name,
		unary: func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
			ctx, done, err := f(ctx, info.FullMethod, false)
			if err != nil {
				return nil, err
			}
			defer func() { err = done(err) }()
			return handler(ctx, req)
		},
		stream: func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
			ctx, done, err := f(ss.Context(), info.FullMethod, true)
			if err != nil {
				return err
			}
			defer func() { err = done(err) }()
			wrapped := middleware.WrapServerStream(ss)
			wrapped.WrappedContext = ctx
			return handler(srv, wrapped)
		},
	}
}

// drain ends streams when the server drains, and refuses calls that begin then.
func (c *chain) drain(ctx context.Context, _ string, stream bool) (context.Context, ended, error) {
	if c.draining.Err() != nil {
		return ctx, nil, errDraining
	}
	if !stream {
		ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
		return ctx, func(err error) error { cancel(); return err }, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.draining, func() { cancel(errDraining) })
	return ctx, func(err error) error {
		if err != nil && errors.Is(context.Cause(ctx), error(errDraining)) {
			err = errDraining
		}
		stop()
		cancel(nil)
		return err
	}, nil
}

func (c *chain) admit(ctx context.Context, _ string, stream bool) (context.Context, ended, error) {
	places := c.places(stream)
	if err := places.enter(); err != nil {
		return ctx, nil, err
	}
	return ctx, func(err error) error { places.leave(); return err }, nil
}

func (c *chain) admitAccount(ctx context.Context, _ string, stream bool) (context.Context, ended, error) {
	places := c.places(stream)
	caller, _ := identity.FromContext(ctx)
	who := account{caller.Tenant, caller.Subject}
	if err := places.enterAccount(who); err != nil {
		return ctx, nil, err
	}
	return ctx, func(err error) error { places.leaveAccount(who); return err }, nil
}

func (c *chain) places(stream bool) *admission {
	if stream {
		return c.streams
	}
	return c.calls
}

func (c *chain) authorise(ctx context.Context, method string, _ bool) (context.Context, ended, error) {
	caller, _ := identity.FromContext(ctx)
	return ctx, pass, authorise(caller, method, c.cfg.DevMode)
}

// statusUnary turns errors and panics of what is inside into statuses, so that metrics and the log see the code that
// the caller sees.
func (c *chain) statusUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, c.panicked(ctx, info.FullMethod, p)
		} else if err != nil {
			resp, err = nil, report(ctx, c.log, info.FullMethod, err)
		}
	}()
	return handler(ctx, req)
}

func (c *chain) statusStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(ss.Context(), info.FullMethod, p)
		} else if err != nil {
			err = report(ss.Context(), c.log, info.FullMethod, err)
		}
	}()
	return handler(srv, ss)
}

func pass(err error) error { return err }
