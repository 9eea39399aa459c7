package server

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// inProcess calls the methods of one service of this process as a connection would: each call goes through the whole chain of
// interceptors, and its messages through their encoding. It has no streams. It is safe for concurrent use.
type inProcess struct {
	service any
	methods map[string]grpc.MethodDesc // by full name
	chain   grpc.UnaryServerInterceptor

	running sync.RWMutex // each call holds it for reading, so that wait can
}

var _ grpc.ClientConnInterface = (*inProcess)(nil)

func newInProcess(c *chain, desc *grpc.ServiceDesc, service any) *inProcess {
	p := &inProcess{service: service, methods: map[string]grpc.MethodDesc{}, chain: chained(c.steps())}
	for _, m := range desc.Methods {
		p.methods["/"+desc.ServiceName+"/"+m.MethodName] = m
	}
	return p
}

// chained is all steps as one, outermost first.
func chained(steps []step) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		for _, s := range slices.Backward(steps) {
			inner := handler
			handler = func(ctx context.Context, req any) (any, error) { return s.unary(ctx, req, info, inner) }
		}
		return handler(ctx, req)
	}
}

// Invoke calls a method. What authenticates it is in the incoming metadata and peer of ctx.
func (p *inProcess) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	m, ok := p.methods[method]
	if !ok {
		return status.Error(codes.Unimplemented, "no such method")
	}
	in, ok := args.(proto.Message)
	if !ok {
		return fmt.Errorf("call %s: %T is no message", method, args)
	}
	out, ok := reply.(proto.Message)
	if !ok {
		return fmt.Errorf("call %s: %T is no message", method, reply)
	}
	raw, err := proto.Marshal(in) // refuses what could not be sent
	if err != nil {
		return invalid("MALFORMED_MESSAGE", "", "holds text that is no UTF-8")
	}
	p.running.RLock()
	defer p.running.RUnlock()
	resp, err := m.Handler(p.service, ctx, func(into any) error { return proto.Unmarshal(raw, into.(proto.Message)) }, p.chain)
	if err != nil {
		return err
	}
	proto.Merge(out, resp.(proto.Message))
	return nil
}

// check goes through the chain as a call of a method would, and no further.
func (p *inProcess) check(ctx context.Context, method string, passed func(ctx context.Context)) error {
	p.running.RLock()
	defer p.running.RUnlock()
	_, err := p.chain(ctx, nil, &grpc.UnaryServerInfo{Server: p.service, FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
		passed(ctx)
		return nil, nil //nolint:nilnil // there is nothing to answer
	})
	return err
}

// NewStream is not there.
func (p *inProcess) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no streams in process")
}

// wait returns when no call is under way. Those that come later are refused by the chain, once the server drains.
func (p *inProcess) wait() {
	p.running.Lock()
	defer p.running.Unlock()
}
