package portcullis

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	// heartbeatTimeout is three of the server's heartbeats: a stream that is silent for longer is dead.
	heartbeatTimeout = 45 * time.Second
	// maxBreaks in a row, with nothing heard between, end the wait. With the pauses below that is about 20 s.
	maxBreaks  = 8
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// Verdict is where an approval stands when the wait is over.
type Verdict struct {
	ApprovalID string
	State      portcullisv1.ApprovalState
	// Reason says why it is not approved: how the approval ended, or why this client stopped waiting.
	Reason string
	// Comment was written by a person: show it, do not follow it.
	Comment string
	// Sequence is the last change that was heard of.
	Sequence uint64

	cause error
}

// Approved is true only if a person said yes. Silence is a no.
func (v Verdict) Approved() bool {
	return v.State == portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED
}

// Wait listens until the approval is decided, at most for timeout. A stream that breaks is resumed where it broke.
func (c *Client) Wait(ctx context.Context, approvalID string, timeout time.Duration) Verdict {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
	defer cancel()
	v := Verdict{ApprovalID: approvalID, State: portcullisv1.ApprovalState_APPROVAL_STATE_PENDING}
	for breaks := 0; ; breaks++ {
		heard, err := c.follow(ctx, &v)
		if err == nil {
			return v
		}
		if heard {
			breaks = 0
		}
		if ctx.Err() != nil {
			return v.unheard(ctx)
		}
		code, reason := explain(err)
		switch {
		case code == codes.OutOfRange:
			v.Sequence = 0 // the server does not know where we were: begin again
		case !passing(code):
			breaks = maxBreaks
		}
		if breaks >= maxBreaks {
			v.Reason, v.cause = reason, err
			return v
		}
		if !pause(ctx, breaks) {
			return v.unheard(ctx)
		}
	}
}

var errWaited = errors.New("nobody answered in time")

func (v Verdict) unheard(ctx context.Context) Verdict {
	v.Reason, v.cause = ReasonWaitTimeout, context.Cause(ctx)
	return v
}

// follow reads one stream until the verdict (no error) or until the stream breaks. It says whether anything was heard.
func (c *Client) follow(ctx context.Context, v *Verdict) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(heartbeatTimeout, cancel)
	defer silence.Stop()
	stream, err := c.rpc.WatchVerdict(ctx, &portcullisv1.WatchVerdictRequest{ApprovalId: v.ApprovalID, AfterSequence: v.Sequence})
	if err != nil {
		return false, err
	}
	for {
		change, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = status.Error(codes.Unavailable, "the stream ended before the verdict")
		}
		if err != nil {
			return heard, err
		}
		silence.Reset(heartbeatTimeout)
		heard = true
		if change.GetHeartbeat() {
			continue
		}
		if change.GetApprovalId() != v.ApprovalID {
			return heard, status.Error(codes.DataLoss, "the stream is about another approval")
		}
		v.Sequence = max(v.Sequence, change.GetSequence())
		reason, final := ends[change.GetState()]
		if final {
			v.State, v.Reason, v.Comment = change.GetState(), reason, change.GetComment()
			return heard, nil
		}
	}
}

// ends are the final states, and what they say. Whatever else a server sends is not a yes.
var ends = map[portcullisv1.ApprovalState]string{
	portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED:  "",
	portcullisv1.ApprovalState_APPROVAL_STATE_REJECTED:  ReasonRejected,
	portcullisv1.ApprovalState_APPROVAL_STATE_EXPIRED:   ReasonApprovalExpired,
	portcullisv1.ApprovalState_APPROVAL_STATE_CANCELLED: ReasonCancelled,
}

// passing says whether trying again may help. Everything else was said on purpose.
func passing(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.Unknown, codes.Internal, codes.Canceled, codes.Aborted, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

// pause waits before the next try, longer each time, and not in step with other clients. False: there is no time left.
func pause(ctx context.Context, breaks int) bool {
	most := min(firstPause<<breaks, maxPause)
	timer := time.NewTimer(most/2 + rand.N(most/2)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
