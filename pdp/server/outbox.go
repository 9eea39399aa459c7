package server

import (
	"errors"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// outbox sends the messages of one stream. It exists because grpc's Send waits for as long as the reader reads nothing, and
// there is no way to give up but to return from the handler: a reader that is stuck, or wants to be, would keep its place,
// its memory and what it watches for ever. So what makes the messages runs beside the handler, which only watches over it: once
// one Send takes longer than stall, the stream ends with RESOURCE_EXHAUSTED. Nothing is queued, and what wakes the stream
// wakes the goroutine that sends: what a reader misses it can ask for by its cursor. Only the function that deliver runs uses it.
type outbox[T any] struct {
	stream grpc.ServerStreamingServer[T]
	stall  time.Duration
	timer  *time.Timer   // runs while a Send does; nil before the first
	stuck  chan struct{} // closed when one took too long
	sent   atomic.Uint64 // the cursor of the last message that grpc took, which sends it before the end of the stream
}

// deliver runs send and returns its error, or that the reader is stuck. It does not wait for a send that is stuck: grpc ends
// it when the handler returns. An error that is the reader's says where to go on. The headers are sent first: they tell the
// reader that nothing from now on is missed.
func deliver[T any](stream grpc.ServerStreamingServer[T], stall time.Duration, send func(*outbox[T]) error) error {
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	o := &outbox[T]{stream: stream, stall: stall, stuck: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // the chain's net hangs under the handler's goroutine alone
				done <- &crash{p, debug.Stack()}
			}
		}()
		done <- send(o)
	}()
	select {
	case err := <-done:
		if c, ok := errors.AsType[*crash](err); ok {
			panic(c)
		}
		return resumable(err, o.sent.Load())
	case <-o.stuck:
		return resumable(errStuckReader, o.sent.Load())
	}
}

// send sends a message. cursor is where a reader goes on who has it.
func (o *outbox[T]) send(m *T, cursor uint64) error {
	if o.timer == nil {
		o.timer = time.AfterFunc(o.stall, sync.OnceFunc(func() { close(o.stuck) }))
	} else {
		o.timer.Reset(o.stall)
	}
	defer o.timer.Stop()
	if err := o.stream.Send(m); err != nil {
		return err
	}
	o.sent.Store(cursor)
	return nil
}

// errStuckReader ends the stream of a reader that takes nothing.
var errStuckReader = &fault{
	code: codes.ResourceExhausted, reason: "SLOW_READER",
	message: "the reader took nothing for too long: watch again with the last cursor",
}

// resumable adds where to go on to an error that ends a stream because its reader is slow.
func resumable(err error, cursor uint64) error {
	if err == nil || cursor == 0 {
		return err
	}
	f, _ := explain(err)
	if f.code != codes.ResourceExhausted || f.reason != errStuckReader.reason {
		return err
	}
	with := *f
	with.metadata = map[string]string{"cursor": strconv.FormatUint(cursor, 10)}
	return &with
}
