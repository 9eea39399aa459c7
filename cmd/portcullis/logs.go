package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
)

// decisionsDir is where the decision log is inside the data directory.
const decisionsDir = "decisions"

type logCmd struct {
	Query logQueryCmd `cmd:"" help:"Print lines that match."`
	Tail  logTailCmd  `cmd:"" help:"Print lines as they come."`
}

type logFilter struct {
	DataDir  string        `default:".portcullis" help:"Data directory of the server."`
	Type     string        `default:"" enum:",decision,verdict,outcome,approval,admin" help:"Only this type: decision, verdict, outcome, approval, admin, observation."`
	Effect   string        `default:"" enum:",allow,deny,require_approval" help:"Only decisions with this effect: allow, deny, require_approval."`
	Tool     string        `help:"Only this tool."`
	Agent    string        `help:"Only this agent."`
	Session  string        `help:"Only this session."`
	Decision string        `help:"Only this decision."`
	Approval string        `help:"Only what concerns this approval."`
	Since    time.Duration `help:"Only the last so long, for example 1h."`
	Max      int           `help:"At most so many lines; 0: all."`
	JSON     bool          `help:"Print whole lines as JSON."`
}

func (f logFilter) filter() decisionlog.Filter {
	out := decisionlog.Filter{
		Type: decisionlog.Type(f.Type), Effect: f.Effect, Tool: f.Tool, Agent: f.Agent, Session: f.Session,
		DecisionID: f.Decision, ApprovalID: f.Approval, Limit: f.Max,
	}
	if f.Since > 0 {
		out.Since = time.Now().Add(-f.Since)
	}
	return out
}

func (f logFilter) print(lines iter.Seq2[decisionlog.Entry, error], to streams) error {
	var problems error
	for e, err := range lines {
		if errors.Is(err, context.Canceled) {
			break
		}
		if err != nil { // a damaged line is reported, the others are shown
			problems = err
			fmt.Fprintln(to.err, "portcullis:", err)
			continue
		}
		if err := f.line(to.out, e); err != nil {
			return err
		}
	}
	return problems
}

func (f logFilter) line(w io.Writer, e decisionlog.Entry) error {
	if f.JSON {
		raw, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode line %d: %w", e.Seq, err)
		}
		_, err = fmt.Fprintln(w, string(raw))
		return err
	}
	_, err := fmt.Fprintf(w, "%s  %-8s %s\n", e.Time.UTC().Format("2006-01-02 15:04:05.000Z"), e.Type, plain(summary(e)))
	return err
}

func summary(e decisionlog.Entry) string {
	switch {
	case e.Decision != nil:
		d := e.Decision
		var s strings.Builder
		fmt.Fprintf(&s, "%-16s %s %s %s", d.Effect, d.Principal.Agent, d.Action.Kind, d.Action.Tool)
		for _, r := range d.Reasons {
			s.WriteString(" " + r.Code)
		}
		return s.String() + " " + d.DecisionID
	case e.Verdict != nil:
		v := e.Verdict
		return fmt.Sprintf("%s by %s on %s %s, applied %v, now %s", v.Verdict, v.Caller.Subject, v.Tool, v.ApprovalID, v.Applied, v.State)
	case e.Outcome != nil:
		o := e.Outcome
		return fmt.Sprintf("%s %s %s, charged %d micro-USD and %d tokens", o.Status, o.Tool, o.DecisionID, o.Charged.CostMicroUSD, o.Charged.Tokens)
	case e.Approval != nil:
		a := e.Approval
		return fmt.Sprintf("%s %s %s %s", a.Change, a.Tool, a.ApprovalID, a.Cause)
	case e.Observation != nil:
		o := e.Observation
		var s strings.Builder
		fmt.Fprintf(&s, "%s by %s", o.Principal.Agent, o.Caller.Subject)
		for _, span := range o.Spans {
			fmt.Fprintf(&s, ", %d bytes from %s", span.Bytes, strings.TrimSpace(span.Origin+" "+span.Name))
		}
		if o.Tools > 0 {
			fmt.Fprintf(&s, ", %d tools described", o.Tools)
		}
		return s.String()
	case e.Admin != nil:
		return fmt.Sprintf("%s by %s", e.Admin.Act, e.Admin.Caller.Subject)
	}
	return ""
}

type logQueryCmd struct{ logFilter }

// Run prints what is on disk.
func (c logQueryCmd) Run(io streams) error {
	return c.print(decisionlog.Query(filepath.Join(c.DataDir, decisionsDir), c.filter()), io)
}

type logTailCmd struct{ logFilter }

// Run prints lines as they come until it is interrupted; with --since, those before first.
func (c logTailCmd) Run(ctx context.Context, io streams) error {
	filter := c.filter()
	filter.FromStart = c.Since > 0
	return c.print(decisionlog.Follow(ctx, filepath.Join(c.DataDir, decisionsDir), filter), io)
}
