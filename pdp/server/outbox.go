package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// outboxSize is how many messages wait for one reader. What a reader misses it can ask for by its cursor, so a longer
// queue would only hide for longer that it is stuck.
const outboxSize = 16

// outbox sends messages on a stream beside the handler. It exists because grpc's Send waits for as long as the reader
// reads nothing, and there is no way to give up but to return from the handler: a reader that is stuck, or wants to be,
// would keep its place, its memory and what it watches for ever. Its buffer is bounded; once it is full for longer than
// stall the stream ends with RESOURCE_EXHAUSTED. Only the handler uses it; close it before the handler returns.
type outbox[T any] struct {
	queue chan letter[T]
	stall time.Duration
	sent  atomic.Uint64 // the cursor of the last message that grpc took, which sends it before the end of the stream
	done  chan struct{} // closed when the sender has ended
	err   error         // of the sender; written before done is closed
}

// letter is a message, and where a reader goes on who has it.
type letter[T any] struct {
	message *T
	cursor  uint64
}

// openOutbox begins to send. The headers are sent first: they tell the reader that nothing from now on is missed.
func openOutbox[T any](stream grpc.ServerStreamingServer[T], stall time.Duration) (*outbox[T], error) {
	if err := stream.SendHeader(nil); err != nil {
		return nil, err
	}
	o := &outbox[T]{queue: make(chan letter[T], outboxSize), stall: stall, done: make(chan struct{})}
	go o.run(stream)
	return o, nil
}

func (o *outbox[T]) run(stream grpc.ServerStreamingServer[T]) {
	defer close(o.done)
	defer func() {
		if p := recover(); p != nil { // the chain's net hangs under the handler's goroutine alone
			o.err = fmt.Errorf("panic while sending: %v", p)
		}
	}()
	for l := range o.queue {
		if o.err = stream.Send(l.message); o.err != nil {
			return
		}
		o.sent.Store(l.cursor)
	}
}

// send hands a message over. It waits for room, and no longer than stall.
func (o *outbox[T]) send(ctx context.Context, m *T, cursor uint64) error {
	l := letter[T]{m, cursor}
	select {
	case o.queue <- l:
		return nil
	default:
	}
	timer := time.NewTimer(o.stall)
	defer timer.Stop()
	select {
	case o.queue <- l:
		return nil
	case <-o.done:
		return o.err
	case <-timer.C:
		return errStuckReader
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close sends what is left, for at most stall, and returns err, or why it could not be sent. An error that is the reader's
// says where to go on. When the handler returns, grpc ends a Send that still waits.
func (o *outbox[T]) close(err error) error {
	close(o.queue)
	if !errors.Is(err, error(errStuckReader)) {
		timer := time.NewTimer(o.stall)
		defer timer.Stop()
		select {
		case <-o.done:
			err = cmp.Or(err, o.err)
		case <-timer.C:
			err = cmp.Or(err, error(errStuckReader))
		}
	}
	return resumable(err, o.sent.Load())
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
