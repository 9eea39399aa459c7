package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type statusCmd struct {
	remote
	Watch bool `help:"Stay, and show events as they come."`
}

// Run prints the status, then events with --watch. It ends with 1 if the server does not serve.
func (c statusCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewAdminServiceClient(conn)
	resp, err := client.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, resp)
	} else {
		err = printStatus(io.out, resp)
	}
	if err != nil {
		return err
	}
	if c.Watch {
		return c.events(ctx, io, client)
	}
	if !resp.GetServing() {
		return errors.New("the server does not serve")
	}
	return nil
}

func printStatus(w io.Writer, s *pb.GetStatusResponse) error {
	var b strings.Builder
	serving := "NOT SERVING"
	if s.GetServing() {
		serving = "serving"
	}
	fmt.Fprintf(&b, "portcullis %s, %s since %s\n", s.GetVersion(), serving, s.GetStartedAt().AsTime().Format("2006-01-02 15:04:05Z"))
	fmt.Fprintf(&b, "bundle     %s from %s\n", s.GetBundleRevision(), s.GetBundleSource())
	if e := s.GetBundleError(); e != "" {
		fmt.Fprintf(&b, "           LAST LOAD FAILED: %s\n", strings.ReplaceAll(e, "\n", "\n           "))
	}
	for _, part := range s.GetComponents() {
		state := "ok"
		switch {
		case part.GetOk():
		case part.GetTolerated():
			state = "DEGRADED: " + plain(part.GetMessage())
		default:
			state = "FAILING: " + plain(part.GetMessage())
		}
		fmt.Fprintf(&b, "%-10s %s\n", part.GetName(), state)
	}
	printLedger(&b, s.GetLedger())
	fmt.Fprintf(&b, "decisions  %d, %d waiting for a person, %d log lines lost\n", s.GetDecisions(), s.GetPendingApprovals(), s.GetLogDropped())
	for _, k := range s.GetKillSwitches() {
		fmt.Fprintf(&b, "stopped    %s by %s: %s\n", killName(k), plain(k.GetSetBy()), plain(k.GetReason()))
	}
	for _, br := range s.GetBreakers() {
		fmt.Fprintf(&b, "breaker    %s %s is %s after %d failures\n", br.GetName(), plain(br.GetKey()), br.GetState(), br.GetFailures())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printLedger says how the store of limits feels.
func printLedger(b *strings.Builder, l *pb.LedgerStatus) {
	if l == nil { // an older server
		return
	}
	fmt.Fprintf(b, "ledger     %s", plain(l.GetKind()))
	for _, n := range []struct {
		count int64
		what  string
	}{{l.GetCells(), "counters"}, {l.GetReservations(), "reservations"}, {l.GetRoundTrips(), "round trips"}} {
		if n.count > 0 || n.count == 0 && n.what == "counters" {
			fmt.Fprintf(b, ", %d %s", n.count, n.what)
		}
	}
	b.WriteByte('\n')
	if !l.GetReachable() {
		fmt.Fprintf(b, "           UNREACHABLE: %s\n", plain(l.GetError()))
	}
	if l.GetAmnesia() {
		b.WriteString("           LOST ITS MEMORY: limits count as full until what was lost has ended, or `portcullis limits recover`\n")
	}
	if n := l.GetTenantsInAmnesia(); n > 0 && !l.GetAmnesia() {
		fmt.Fprintf(b, "           lost its memory of %d other tenants: their operators have to accept that\n", n)
	}
	if behind := l.GetClockBehind().AsDuration(); behind > 0 {
		fmt.Fprintf(b, "           this machine's clock is %s behind the time by which limits are counted\n", behind.Round(time.Millisecond))
	}
}

func (c statusCmd) events(ctx context.Context, out streams, client pb.AdminServiceClient) error {
	stream, err := client.WatchEvents(ctx, &pb.WatchEventsRequest{})
	if err != nil {
		return explain(err)
	}
	for {
		e, err := stream.Recv()
		if ended(ctx, err) {
			return nil
		}
		switch {
		case err != nil:
			return explain(err)
		case e.GetType() == pb.EventType_EVENT_TYPE_HEARTBEAT:
		case c.JSON:
			if err := printJSON(out.out, e); err != nil {
				return err
			}
		default:
			if _, err := fmt.Fprintf(out.out, "%s  %-11s %s\n", e.GetAt().AsTime().Format("15:04:05"),
				strings.ToLower(short(e.GetType().String(), "EVENT_TYPE_")), plain(e.GetMessage())); err != nil {
				return err
			}
		}
	}
}

type killCmd struct {
	remote
	Agent       string `help:"Agent to stop."`
	Session     string `help:"Session to stop."`
	Tool        string `help:"Tool to stop."`
	WholeTenant bool   `help:"Stop everything of the tenant."`
	Off         bool   `help:"Let it go again."`
	Reason      string `short:"m" help:"Why."`
}

// Run sets or clears a kill switch and prints those that are on.
func (c killCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).SetKillSwitch(ctx, &pb.SetKillSwitchRequest{
		Agent: c.Agent, Session: c.Session, Tool: c.Tool, WholeTenant: c.WholeTenant, Enabled: !c.Off, Reason: c.Reason,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, resp)
	}
	for _, k := range resp.GetKillSwitches() {
		if _, err := fmt.Fprintf(io.out, "stopped: %s (%s)\n", killName(k), plain(k.GetReason())); err != nil {
			return err
		}
	}
	if len(resp.GetKillSwitches()) == 0 {
		_, err = fmt.Fprintln(io.out, "nothing is stopped")
	}
	if n := resp.GetApprovalsCancelled(); n > 0 {
		_, err = fmt.Fprintf(io.out, "%d approvals withdrawn\n", n)
	}
	return err
}

func killName(k *pb.KillSwitch) string {
	var parts []string
	for _, part := range []struct{ name, value string }{{"agent", k.GetAgent()}, {"session", k.GetSession()}, {"tool", k.GetTool()}} {
		if part.value != "" {
			parts = append(parts, part.name+" "+plain(part.value))
		}
	}
	if len(parts) == 0 {
		return "tenant " + plain(k.GetTenant())
	}
	return strings.Join(parts, ", ")
}

type breakerCmd struct {
	Reset breakerResetCmd `cmd:"" help:"Close the breakers of an agent."`
}

type breakerResetCmd struct {
	remote
	Agent string `arg:"" help:"The agent."`
	Tool  string `help:"Only this tool."`
}

// Run closes breakers and says how many.
func (c breakerResetCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).ResetBreaker(ctx, &pb.ResetBreakerRequest{Agent: c.Agent, Tool: c.Tool})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, resp)
	}
	_, err = fmt.Fprintf(io.out, "%d breakers closed\n", resp.GetClosed())
	return err
}
