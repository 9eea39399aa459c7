package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type approvalsLiveCmd struct{ remote }

// Run shows what waits on a terminal and takes verdicts, until q.
func (c approvalsLiveCmd) Run(ctx context.Context, to streams) error {
	out, isFile := to.out.(*os.File)
	in, inIsFile := to.in.(*os.File)
	if c.JSON || !isFile || !inIsFile || !term.IsTerminal(int(out.Fd())) || !term.IsTerminal(int(in.Fd())) {
		return &exitError{2, errors.New("this is not a terminal: use `approvals list` or `approvals watch`, with --json for scripts")}
	}
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewApprovalServiceClient(conn)
	if _, err := client.ListApprovals(ctx, &pb.ListApprovalsRequest{PageSize: 1}); err != nil {
		return err // before the screen is taken: no server, or no right to look
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	screen := tea.NewProgram(newReviewer(ctx, client, screenOf(out)), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out))
	go follow(ctx, client, screen.Send)
	last, err := screen.Run()
	if r, ok := last.(*reviewer); ok {
		if _, err := fmt.Fprint(to.out, r.summary()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}

// What follow tells of.
type (
	// followed says whether the stream is there; if not, why.
	followed struct{ broken error }
	// changed is an ask after a change.
	changed struct{ approval *pb.Approval }
	// restarted is the begin of a stream from nothing: what is pending comes again.
	restarted struct{}
)

// How long to wait before a broken stream is opened again.
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
)

// follow tells of every change until the context ends. A stream that breaks is taken up where it broke.
func follow(ctx context.Context, client pb.ApprovalServiceClient, tell func(tea.Msg)) {
	var cursor uint64
	pause := firstPause
	for ctx.Err() == nil {
		if cursor == 0 {
			tell(restarted{})
		}
		err := followOnce(ctx, client, &cursor, func(m tea.Msg) {
			pause = firstPause
			tell(m)
		})
		if cursorLost(err) {
			cursor = 0
		}
		tell(followed{explain(err)})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

func followOnce(ctx context.Context, client pb.ApprovalServiceClient, cursor *uint64, tell func(tea.Msg)) error {
	stream, err := client.WatchApprovals(ctx, &pb.WatchApprovalsRequest{AfterCursor: *cursor})
	if err != nil {
		return err
	}
	for {
		msg, err := stream.Recv()
		if err != nil {
			return err
		}
		tell(followed{})
		if msg.GetCursor() > 0 {
			*cursor = msg.GetCursor()
		}
		if a := msg.GetApproval(); a != nil {
			tell(changed{a})
		}
	}
}
