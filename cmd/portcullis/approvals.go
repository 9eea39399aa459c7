package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/review"
)

type approvalsCmd struct {
	Live    approvalsLiveCmd    `cmd:"" default:"withargs" help:"Read what waits and decide, on a terminal."`
	List    approvalsListCmd    `cmd:"" help:"List approvals, newest first."`
	Show    approvalsShowCmd    `cmd:"" help:"Show one approval with what would be done."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve one action, once."`
	Reject  approvalsRejectCmd  `cmd:"" help:"Reject one action."`
	Reveal  approvalsRevealCmd  `cmd:"" help:"Show what is masked; who looked, and why, is put on record."`
	Grants  approvalsGrantsCmd  `cmd:"" help:"List what people granted beside one action, as long as it holds."`
	Revoke  approvalsRevokeCmd  `cmd:"" help:"Withdraw a grant, an approval that is not used, or an ask."`
	Watch   approvalsWatchCmd   `cmd:"" help:"Show asks and verdicts as they come."`
}

type approvalsListCmd struct {
	remote
	All   bool   `help:"Also those that have ended."`
	Agent string `help:"Only this agent."`
	Tool  string `help:"Only this tool."`
	Max   int    `default:"200" help:"At most so many rows."`
}

// Run prints a row an approval, over as many pages as it takes.
func (c approvalsListCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewApprovalServiceClient(conn)
	req := &pb.ListApprovalsRequest{Agent: c.Agent, Tool: c.Tool}
	if !c.All {
		req.States = []pb.ApprovalState{pb.ApprovalState_APPROVAL_STATE_PENDING}
	}
	rows := 0
	for rows < c.Max {
		req.PageSize = int32(min(200, c.Max-rows))
		resp, err := client.ListApprovals(ctx, req)
		if err != nil {
			return err
		}
		for _, a := range resp.GetApprovals() {
			rows++
			if err := c.row(io.out, a); err != nil {
				return err
			}
		}
		if resp.GetNextPageToken() == "" {
			break
		}
		req.PageToken = resp.GetNextPageToken()
	}
	if rows == 0 && !c.JSON {
		_, err = fmt.Fprintln(io.out, "nothing is waiting")
	}
	return err
}

func (c approvalsListCmd) row(w io.Writer, a *pb.Approval) error {
	if c.JSON {
		return printJSON(w, a)
	}
	return printApprovalRow(w, a)
}

func printApprovalRow(w io.Writer, a *pb.Approval) error {
	_, err := fmt.Fprintf(w, "%s  %-9s %-16s %-20s %-24s %s\n", a.GetId(), stateOf(a),
		plain(a.GetPrincipal().GetAgent()), plain(a.GetTool()), codesOf(a.GetReasons()), left(a))
	return err
}

func codesOf(reasons []*pb.Reason) string {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.GetCode()
	}
	return strings.Join(codes, ",")
}

// stateOf says USED where an approved one has been redeemed.
func stateOf(a *pb.Approval) string {
	switch {
	case holds(a):
		return "GRANTED"
	case a.GetRedeemedAt() != nil:
		return "USED"
	}
	return short(a.GetState().String(), "APPROVAL_STATE_")
}

func left(a *pb.Approval) string {
	if a.GetState() != pb.ApprovalState_APPROVAL_STATE_PENDING {
		return a.GetEndedAt().AsTime().Format(time.RFC3339)
	}
	return time.Until(a.GetExpiresAt().AsTime()).Round(time.Second).String() + " left"
}

type approvalsShowCmd struct {
	remote
	ID     string `arg:"" help:"The approval."`
	Offset int64  `help:"Begin the action at this byte: where the page before said that it goes on."`
}

// Run prints the reviewer's view.
func (c approvalsShowCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewApprovalServiceClient(conn).GetApproval(ctx, &pb.GetApprovalRequest{ApprovalId: c.ID, Offset: c.Offset})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, resp)
	}
	return printApproval(io.out, resp)
}

func printApproval(w io.Writer, resp *pb.GetApprovalResponse) error {
	a, v := resp.GetApproval(), resp.GetView()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", a.GetId(), stateOf(a), left(a))
	fmt.Fprintf(&b, "agent    %s (tenant %s, session %s)\n", plain(a.GetPrincipal().GetAgent()), plain(a.GetPrincipal().GetTenant()), plain(a.GetPrincipal().GetSession()))
	if u := a.GetPrincipal().GetUser(); u != "" {
		fmt.Fprintf(&b, "for      %s\n", plain(u))
	}
	fmt.Fprintf(&b, "wants    %s %s %s\n", short(a.GetKind().String(), "ACTION_KIND_"), plain(a.GetTool()), plain(a.GetServer()))
	fmt.Fprintf(&b, "digest   %s\n", digestOfAction(a))
	if a.GetEditedDigest() != "" {
		fmt.Fprintf(&b, "edited   a reviewer has changed the arguments; what was asked for is %s\n", a.GetActionDigest())
	}
	for _, r := range a.GetReasons() {
		fmt.Fprintf(&b, "because  %s: %s\n", r.GetCode(), plain(r.GetMessage()))
	}
	for i, stage := range a.GetStages() {
		fmt.Fprintf(&b, "needs    %s\n", stageInWords(stage, i <= int(a.GetStage()), a.GetCreatedAt().AsTime()))
	}
	for _, vote := range a.GetVotes() {
		fmt.Fprintf(&b, "vote     %s %s %s\n", plain(vote.GetSubject()), short(vote.GetVerdict().String(), "VERDICT_"), plain(vote.GetComment()))
	}
	if v != nil {
		printReview(&b, v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// digestOfAction is that of what would be done.
func digestOfAction(a *pb.Approval) string { return cmp.Or(a.GetEditedDigest(), a.GetActionDigest()) }

// stageInWords says who may approve, and from when on.
func stageInWords(s *pb.ApprovalStage, open bool, asked time.Time) string {
	people := "an approver"
	if s.GetQuorum() != 1 {
		people = fmt.Sprintf("%d different approvers", s.GetQuorum())
	}
	if who := slices.Concat(s.GetGroups(), s.GetRoles()); len(who) > 0 {
		people += " of " + plain(strings.Join(who, " or "))
	}
	if !open {
		people += ", from " + asked.Add(time.Duration(s.GetAfterSeconds())*time.Second).Local().Format("15:04:05") + " on"
	}
	return people
}

// printReview prints what would be done, then what is known about it, then what the agent says.
func printReview(b *strings.Builder, v *pb.ReviewView) {
	fmt.Fprintf(b, "action   %d bytes", v.GetActionBytes())
	if v.GetMasked() > 0 {
		fmt.Fprintf(b, ", %d places masked", v.GetMasked())
	}
	if v.GetTruncated() {
		fmt.Fprintf(b, ", shown from byte %d", v.GetOffset())
	}
	b.WriteString("\n")
	for line := range strings.Lines(review.LayOut(plain(v.GetActionJson()))) {
		b.WriteString("         " + line)
	}
	b.WriteString("\n")
	if next := v.GetNextOffset(); next > 0 {
		fmt.Fprintf(b, "         GOES ON AT BYTE %d: you have not seen all of it\n", next)
	}
	for _, f := range v.GetFindings() {
		fmt.Fprintf(b, "found    %s %s at %s (%d)\n", f.GetCategory(), plain(f.GetRule()), plain(f.GetPointer()), f.GetCount())
	}
	for _, o := range v.GetOrigins() {
		if o.GetSink() {
			fmt.Fprintf(b, "from     %s: %s\n", plain(o.GetPointer()), plain(strings.Join(o.GetOrigins(), ", ")))
		}
	}
	if saw := v.GetSessionSaw(); len(saw) > 0 {
		fmt.Fprintf(b, "session  has taken in: %s\n", plain(strings.Join(saw, ", ")))
	}
	if says := v.GetAgentSays(); says != "" {
		fmt.Fprintf(b, "the agent says, and nobody has checked it:\n         %s\n", plain(says))
	}
}

type approvalsRevealCmd struct {
	remote
	ID     string `arg:"" help:"The approval."`
	Reason string `short:"m" required:"" help:"Why it must be seen, for the record."`
	Offset int64  `help:"Begin the action at this byte."`
}

// Run prints the action with nothing masked.
func (c approvalsRevealCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewApprovalServiceClient(conn).RevealApproval(ctx, &pb.RevealApprovalRequest{ApprovalId: c.ID, Reason: c.Reason, Offset: c.Offset})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, resp)
	}
	var b strings.Builder
	printReview(&b, resp.GetView())
	_, err = fmt.Fprint(io.out, b.String())
	return err
}

type verdictFlags struct {
	remote
	ID      string `arg:"" help:"The approval."`
	Comment string `short:"m" help:"Why."`
	Digest  string `help:"The digest that you saw; anything else is refused."`
	All     bool   `name:"seen-in-full" help:"You have read all of an action that is longer than one page."`
}

type approvalsApproveCmd struct {
	verdictFlags
	Uses       int32         `help:"Also grant later asks like this one, so many in all."`
	For        time.Duration `help:"Also grant later asks like this one, for so long."`
	AnySession bool          `help:"The grant holds in any session of the agent, not in this one alone."`
	Arguments  string        `help:"Approve with the arguments in this JSON file instead, or - for standard input; needs --digest. The action is decided anew." placeholder:"FILE"`
	Vary       []string      `help:"Under the grant this argument may be different, such as /arguments/body. It must not decide who is affected." placeholder:"POINTER"`
}

// Run approves.
func (c approvalsApproveCmd) Run(ctx context.Context, io streams) error {
	var grant *pb.Grant
	if c.Uses != 0 || c.For != 0 || c.AnySession || len(c.Vary) > 0 {
		grant = &pb.Grant{Uses: c.Uses, Seconds: int64(c.For / time.Second), AnySession: c.AnySession, Vary: c.Vary}
	}
	req := &pb.SubmitVerdictRequest{Verdict: pb.Verdict_VERDICT_APPROVE, Grant: grant}
	if c.Arguments != "" {
		raw, err := readInput(c.Arguments, io)
		if err != nil {
			return err
		}
		req.EditedArgumentsJson = string(raw)
	}
	return c.submit(ctx, io, req)
}

type approvalsGrantsCmd struct{ remote }

// Run prints a row a grant that holds.
func (c approvalsGrantsCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewApprovalServiceClient(conn)
	req := &pb.ListApprovalsRequest{States: []pb.ApprovalState{pb.ApprovalState_APPROVAL_STATE_APPROVED}, PageSize: 200}
	rows := 0
	for {
		resp, err := client.ListApprovals(ctx, req)
		if err != nil {
			return err
		}
		for _, a := range resp.GetApprovals() {
			if !holds(a) {
				continue
			}
			rows++
			if c.JSON {
				err = printJSON(io.out, a)
			} else {
				_, err = fmt.Fprintln(io.out, grantRow(a))
			}
			if err != nil {
				return err
			}
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if rows == 0 && !c.JSON {
		_, err = fmt.Fprintln(io.out, "no grant holds")
	}
	return err
}

// holds says whether a grant can still be used.
func holds(a *pb.Approval) bool {
	g := a.GetGrant()
	return g != nil && (g.GetUses() == 0 || g.GetUsed() < g.GetUses()) && time.Now().Before(a.GetExpiresAt().AsTime()) && a.GetState() == pb.ApprovalState_APPROVAL_STATE_APPROVED && !a.GetWithdrawn()
}

func grantRow(a *pb.Approval) string {
	g := a.GetGrant()
	uses := fmt.Sprintf("%d of %d used", g.GetUsed(), g.GetUses())
	if g.GetUses() == 0 {
		uses = fmt.Sprintf("%d used", g.GetUsed())
	}
	where := "session " + plain(a.GetPrincipal().GetSession())
	if g.GetAnySession() {
		where = "any session"
	}
	parts := []string{fmt.Sprintf("%s  %-16s %-20s %s, %s left, %s", a.GetId(), plain(a.GetPrincipal().GetAgent()), plain(a.GetTool()), uses,
		time.Until(a.GetExpiresAt().AsTime()).Round(time.Second), where)}
	for _, v := range g.GetVary() {
		parts = append(parts, "any "+plain(v))
	}
	for _, v := range a.GetVotes() {
		if v.GetApplied() {
			parts = append(parts, "by "+plain(v.GetSubject()))
		}
	}
	return strings.Join(parts, ", ")
}

type approvalsRevokeCmd struct {
	remote
	ID     string `arg:"" help:"The approval."`
	Reason string `short:"m" help:"Why."`
}

// Run withdraws.
func (c approvalsRevokeCmd) Run(ctx context.Context, io streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewApprovalServiceClient(conn).CancelApproval(ctx, &pb.CancelApprovalRequest{ApprovalId: c.ID, Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, resp)
	} else {
		err = printApprovalRow(io.out, resp.GetApproval())
	}
	if err == nil && !resp.GetApplied() {
		err = &exitError{3, fmt.Errorf("nothing was withdrawn: %s", resp.GetReason())}
	}
	return err
}

type approvalsRejectCmd struct{ verdictFlags }

// Run rejects.
func (c approvalsRejectCmd) Run(ctx context.Context, io streams) error {
	return c.submit(ctx, io, &pb.SubmitVerdictRequest{Verdict: pb.Verdict_VERDICT_REJECT})
}

func (c verdictFlags) submit(ctx context.Context, io streams, req *pb.SubmitVerdictRequest) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	req.ApprovalId, req.Comment, req.ExpectedDigest, req.SeenInFull = c.ID, c.Comment, c.Digest, c.All
	resp, err := pb.NewApprovalServiceClient(conn).SubmitVerdict(ctx, req)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(io.out, resp); err != nil {
			return err
		}
	} else if err := printApprovalRow(io.out, resp.GetApproval()); err != nil {
		return err
	}
	if !resp.GetApplied() {
		for _, r := range resp.GetReasons() {
			if _, err := fmt.Fprintf(io.err, "  %s: %s\n", r.GetCode(), plain(r.GetMessage())); err != nil {
				return err
			}
		}
		return &exitError{3, fmt.Errorf("the verdict changed nothing: %s", resp.GetReason())}
	}
	return nil
}

type approvalsWatchCmd struct {
	remote
	After uint64 `help:"Resume after this cursor."`
}

// Run prints a row a change until it is interrupted.
func (c approvalsWatchCmd) Run(ctx context.Context, to streams) error {
	conn, err := c.connect(asApprover)
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := pb.NewApprovalServiceClient(conn).WatchApprovals(ctx, &pb.WatchApprovalsRequest{AfterCursor: c.After})
	if err != nil {
		return explain(err)
	}
	for {
		msg, err := stream.Recv()
		if ended(ctx, err) {
			return nil
		}
		switch {
		case err != nil:
			return explain(err)
		case msg.GetHeartbeat():
		case c.JSON:
			if err := printJSON(to.out, msg); err != nil {
				return err
			}
		default:
			if err := printApprovalRow(to.out, msg.GetApproval()); err != nil {
				return err
			}
		}
	}
}
