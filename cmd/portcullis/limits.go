package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type limitsCmd struct {
	Show    limitsShowCmd    `cmd:"" default:"withargs" help:"Show live usage, fullest first. This is what limits does by itself."`
	Recover limitsRecoverCmd `cmd:"" help:"Accept that what was spent before the shared store lost its memory is forgotten."`
}

type limitsShowCmd struct {
	remote
	Tenant  string        `help:"The tenant; it must be the credential's."`
	Agent   string        `help:"Only this agent."`
	Session string        `help:"Only this session."`
	Limit   string        `help:"Only this limit."`
	Max     int32         `default:"100" help:"At most so many rows, 1 to 1,000."`
	Watch   bool          `help:"Stay, and show it again and again until interrupted."`
	Every   time.Duration `default:"2s" help:"With --watch, how often: 500ms to 1h."`
}

// Bounds of --every: an operator's terminal must not become a load, nor look frozen for ever.
const (
	minEvery = 500 * time.Millisecond
	maxEvery = time.Hour
)

// Run prints a bar a counter.
func (c limitsShowCmd) Run(ctx context.Context, io streams) error {
	switch {
	case c.Max < 1 || c.Max > 1000:
		return &exitError{2, fmt.Errorf("--max is 1 to 1,000, not %d", c.Max)}
	case c.Every < minEvery || c.Every > maxEvery:
		return &exitError{2, fmt.Errorf("--every is %s to %s, not %s", minEvery, maxEvery, c.Every)}
	}
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.Watch {
		return c.watch(ctx, io, conn)
	}
	resp, err := c.ask(ctx, conn)
	if err != nil {
		return err
	}
	if c.JSON {
		return printWhole(io.out, resp)
	}
	view := usageView{screen: screenOf(io.out), now: time.Now()}
	view.height = 0 // a terminal that scrolls has room for all
	_, err = fmt.Fprint(io.out, view.render(resp))
	return err
}

func (c limitsShowCmd) ask(ctx context.Context, conn *grpc.ClientConn) (*pb.GetUsageResponse, error) {
	return pb.NewAdminServiceClient(conn).GetUsage(ctx, &pb.GetUsageRequest{
		Tenant: c.Tenant, Agent: c.Agent, Session: c.Session, Limit: c.Limit, MaxRows: c.Max,
	})
}

// watch asks again and again until ctx ends. A server that goes away is said and waited for; one that does not answer the
// first time is an error, for that is more likely a wrong flag.
func (c limitsShowCmd) watch(ctx context.Context, io streams, conn *grpc.ClientConn) error {
	resp, err := c.ask(ctx, conn)
	if err != nil {
		return err
	}
	frame := openFrame(io.out, c.JSON)
	defer frame.close()
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		if err := frame.show(resp, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		again, failed := c.ask(ctx, conn)
		if ctx.Err() != nil {
			return nil // the person who watches had enough
		}
		if err = failed; err == nil {
			resp = again
		}
	}
}

type limitsRecoverCmd struct {
	remote
	Tenant string `help:"The tenant; it must be the credential's."`
	Yes    bool   `short:"y" help:"Do not ask: you know what it costs."`
}

// confirmation is the word that has to be typed.
const confirmation = "recover"

const recoverWarning = `The shared store of limits has lost what this tenant spent. To be safe, limits count as full until that would have ended
anyway: a window for one length, a day or a month to its end, a session's budget for good. If you go on, all of them begin
again from zero: up to the whole of each may be spent a second time. Look up first what was spent (the decision log and your
providers know), and lower a limit in the bundle if it must not be passed. This cannot be taken back, and goes on record.

Type "` + confirmation + `" to go on: `

// Run ends with 3 if nothing was changed because nobody confirmed it.
func (c limitsRecoverCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewAdminServiceClient(conn)
	if !c.Yes {
		status, err := client.GetStatus(ctx, &pb.GetStatusRequest{})
		if err != nil {
			return err
		}
		if l := status.GetLedger(); l.GetReachable() && !l.GetAmnesia() {
			return c.print(io.out, &pb.RecoverLimitsResponse{})
		}
		if err := confirm(ctx, io); err != nil {
			return err
		}
	}
	resp, err := client.RecoverLimits(ctx, &pb.RecoverLimitsRequest{Tenant: c.Tenant})
	if err != nil {
		return err
	}
	return c.print(io.out, resp)
}

func (c limitsRecoverCmd) print(w io.Writer, resp *pb.RecoverLimitsResponse) (err error) {
	switch {
	case c.JSON:
		return printWhole(w, resp)
	case resp.GetRecovered():
		_, err = fmt.Fprintln(w, "recovered: what was lost is forgotten, limits begin again from zero")
	default:
		_, err = fmt.Fprintln(w, "nothing was lost, and nothing was changed")
	}
	return err
}

var errNotConfirmed = errors.New("not confirmed: nothing was changed")

// confirm asks a person. The question goes to standard error, so that it is seen when the answer is piped on.
func confirm(ctx context.Context, given streams) error {
	if _, err := fmt.Fprint(given.err, recoverWarning); err != nil {
		return err
	}
	typed := make(chan string, 1)
	go func() { // reading a terminal can't be interrupted; the process ends with it
		line, _ := bufio.NewReader(io.LimitReader(given.in, 64)).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case word := <-typed:
		if word == confirmation {
			return nil
		}
	case <-ctx.Done():
	}
	return &exitError{3, errNotConfirmed}
}
