package portcullis

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	pending  = portcullisv1.ApprovalState_APPROVAL_STATE_PENDING
	approved = portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED
	rejected = portcullisv1.ApprovalState_APPROVAL_STATE_REJECTED
)

// step is what a scripted stream does next.
type step struct {
	after time.Duration
	msg   *portcullisv1.WatchVerdictResponse
	err   error // ends the stream; io.EOF is an end without an error
}

// script stands in for the connection, so that time can be synctest's. Each stream plays the next list of steps, the last one again
// and again.
type script struct {
	portcullisv1.DecisionServiceClient
	streams [][]step
	asked   []uint64 // after_sequence of each stream
}

func (s *script) WatchVerdict(ctx context.Context, in *portcullisv1.WatchVerdictRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[portcullisv1.WatchVerdictResponse], error) {
	steps := s.streams[min(len(s.asked), len(s.streams)-1)]
	s.asked = append(s.asked, in.GetAfterSequence())
	return &scripted{ctx: ctx, steps: steps}, nil
}

type scripted struct {
	grpc.ClientStream
	ctx   context.Context //nolint:containedctx // as a stream has it
	steps []step
}

func (s *scripted) Recv() (*portcullisv1.WatchVerdictResponse, error) {
	next := step{after: time.Hour}
	if len(s.steps) > 0 {
		next, s.steps = s.steps[0], s.steps[1:]
	}
	select {
	case <-s.ctx.Done():
		return nil, status.FromContextError(s.ctx.Err()).Err()
	case <-time.After(next.after):
		return next.msg, next.err
	}
}

func state(sequence uint64, st portcullisv1.ApprovalState) step {
	return step{msg: &portcullisv1.WatchVerdictResponse{ApprovalId: "ap", State: st, Sequence: sequence}}
}

func beat(after time.Duration) step {
	return step{after: after, msg: &portcullisv1.WatchVerdictResponse{Heartbeat: true}}
}

func broken(code codes.Code) step { return step{err: status.Error(code, "x")} }

func wait(t *testing.T, s *script, timeout time.Duration) (Verdict, time.Duration) {
	t.Helper()
	began := time.Now()
	v := (&Client{rpc: s, now: time.Now}).Wait(t.Context(), "ap", timeout)
	return v, time.Since(began)
}

func TestThreat_B11_WaitResumesWhereTheStreamBroke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{streams: [][]step{
			{broken(codes.Unavailable)},
			{state(1, pending), beat(15 * time.Second), broken(codes.Unavailable)},
			{state(2, pending), state(1, pending), {err: io.EOF}},
			{state(3, approved)},
		}}
		v, _ := wait(t, s, time.Hour)
		if !v.Approved() || v.Sequence != 3 || v.Reason != "" {
			t.Fatalf("got %+v", v)
		}
		want := []uint64{0, 0, 1, 2}
		if len(s.asked) != len(want) {
			t.Fatalf("streams %v", s.asked)
		}
		for i := range want {
			if s.asked[i] != want[i] {
				t.Fatalf("asked after %v, want %v", s.asked, want)
			}
		}
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		streams  [][]step
		approved bool
		state    portcullisv1.ApprovalState
		reason   string
		least    time.Duration
		most     time.Duration
	}{
		"approved":            {[][]step{{state(1, pending), state(2, approved)}}, true, approved, "", 0, 0},
		"rejected":            {[][]step{{state(2, rejected)}}, false, rejected, ReasonRejected, 0, 0},
		"expired":             {[][]step{{state(2, portcullisv1.ApprovalState_APPROVAL_STATE_EXPIRED)}}, false, portcullisv1.ApprovalState_APPROVAL_STATE_EXPIRED, ReasonApprovalExpired, 0, 0},
		"cancelled":           {[][]step{{state(2, portcullisv1.ApprovalState_APPROVAL_STATE_CANCELLED)}}, false, portcullisv1.ApprovalState_APPROVAL_STATE_CANCELLED, ReasonCancelled, 0, 0},
		"silence":             {[][]step{{state(1, pending), beat(15 * time.Second), beat(15 * time.Second), beat(15 * time.Second), beat(15 * time.Second)}}, false, pending, ReasonWaitTimeout, time.Minute, time.Minute},
		"unknown state":       {[][]step{{state(2, 77)}}, false, pending, ReasonWaitTimeout, time.Minute, time.Minute},
		"unknown id":          {[][]step{{{err: refusal(codes.NotFound, "APPROVAL_NOT_FOUND")}}}, false, pending, "APPROVAL_NOT_FOUND", 0, 0},
		"another's":           {[][]step{{{msg: &portcullisv1.WatchVerdictResponse{ApprovalId: "other", State: approved, Sequence: 1}}}}, false, pending, ReasonUnreachable, 0, 0},
		"heartbeat yes":       {[][]step{{{msg: &portcullisv1.WatchVerdictResponse{ApprovalId: "ap", State: approved, Heartbeat: true}}, broken(codes.NotFound)}}, false, pending, ReasonUnreachable, 0, 0},
		"never there":         {[][]step{{broken(codes.Unavailable)}}, false, pending, ReasonUnreachable, 5 * time.Second, 30 * time.Second},
		"dead from the start": {[][]step{{}, {state(2, approved)}}, true, approved, "", heartbeatTimeout, heartbeatTimeout + time.Second},
		"dead stream":         {[][]step{{state(1, pending)}, {state(2, approved)}}, true, approved, "", heartbeatTimeout, heartbeatTimeout + time.Second},
		"beats are life":      {[][]step{{beat(40 * time.Second), {after: 19 * time.Second, msg: state(2, approved).msg}}}, true, approved, "", 59 * time.Second, 59 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v, took := wait(t, &script{streams: tc.streams}, time.Minute)
				if v.Approved() != tc.approved || v.State != tc.state || v.Reason != tc.reason {
					t.Fatalf("got %+v", v)
				}
				if took < tc.least || took > tc.most {
					t.Fatalf("took %v, want %v to %v", took, tc.least, tc.most)
				}
			})
		})
	}
}

func TestWaitBeginsAgainWhereTheServerForgot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{streams: [][]step{
			{state(5, pending), broken(codes.Unavailable)}, {broken(codes.OutOfRange)}, {state(1, pending), state(2, approved)},
		}}
		v, _ := wait(t, s, time.Minute)
		if !v.Approved() || s.asked[1] != 5 || s.asked[2] != 0 {
			t.Fatalf("got %+v after %v", v, s.asked)
		}
	})
}

func TestWaitHeedsItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := (&Client{rpc: &script{streams: [][]step{{}}}}).Wait(ctx, "ap", time.Hour)
	if v.Approved() || v.Reason != ReasonWaitTimeout {
		t.Fatalf("got %+v", v)
	}
}
