package decision

import (
	"context"
	"strconv"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// loop is how far an agent has come in doing the same again.
type loop struct {
	call           string // digest of what makes two calls the same; empty for actions that are no calls
	counted        bool   // by Propose
	repeats, cycle policy.Level
}

// lookAtSession fetches the session's facts, and counts a call as proposed. One that comes again with its approval was
// counted when a person was asked; one whose earlier answer no longer stands, when it was given.
func (e *Engine) lookAtSession(ctx context.Context, j *judgement) error {
	var err error
	j.loop = loop{repeats: policy.LevelNone, cycle: policy.LevelNone}
	if j.loop.call, err = callDigest(&j.req.Action, j.digest); err != nil {
		return err
	}
	if j.loop.call == "" || j.approval != nil || j.replayed {
		j.session, err = e.Sessions.Facts(ctx, j.sessionID(), j.loop.call)
	} else {
		j.session, err = e.Sessions.Propose(ctx, j.sessionID(), j.loop.call)
		j.loop.counted = err == nil
	}
	if err == nil {
		err = e.inherit(ctx, j)
	}
	if err != nil || j.loop.call == "" || j.snapshot.Tables.Loops.Exempt(j.tool()) {
		return err
	}
	table := &j.snapshot.Tables.Loops
	j.loop.repeats = e.loopLevel(j, "loop_repeats", table.Repeats, j.session.Repeats+1)
	j.loop.cycle = e.loopLevel(j, "loop_cycle", table.Cycles, j.session.Cycle.Calls)
	return nil
}

// loopLevel is the level of a loop of so many calls. From the lowest on, inspection says so; whoever watches events hears
// of each level once.
func (e *Engine) loopLevel(j *judgement, name string, at policy.Thresholds, calls int64) policy.Level {
	level, reached := at.Level(calls)
	if level == policy.LevelNone {
		return level
	}
	j.findings = append(j.findings, scan.Finding{
		Rule: anomalyPrefix + name, Category: "suspicion", Severity: "medium", Confidence: "high", Count: 1,
	})
	if !reached || !j.loop.counted {
		return level
	}
	e.Observer.Anomaly(name)
	who := j.subject()
	e.Events.Publish(event.Event{
		Type: event.Anomaly, Tenant: who.Tenant,
		Message: "agent " + who.Agent + " runs in a loop of " + strconv.FormatInt(calls, 10) + " calls",
		Attributes: map[string]string{
			"threshold": name, "level": string(level), "agent": who.Agent, "session": who.Session, "tool": who.Tool,
		},
	})
	return level
}

// uncounted is the call that remember has to count: one that was denied before its session was looked at, or one whose
// approval was not used up after all.
func (j *judgement) uncounted() string {
	if j.loop.counted || j.redeemed || j.replayed {
		return ""
	}
	if j.loop.call == "" {
		j.loop.call, _ = callDigest(&j.req.Action, j.digest) // the whole action had a digest, so its call has one
	}
	return j.loop.call
}

// callDigest says what makes two calls the same: the tool and its arguments, or method, URL and body of a request. What
// an agent may write beside them (where the tool lives, its schema, headers) makes no other call of it.
func callDigest(a *action.Action, whole string) (string, error) {
	beside := a.Server != "" || a.SchemaDigest != "" || a.Content != "" || a.InReplyTo != "" || a.FromAgent != "" || a.Memory != nil
	if a.Kind == action.KindToolCall && !beside && a.HTTP == nil {
		return whole, nil // the same, without working it out again
	}
	same := action.Action{Kind: a.Kind}
	switch a.Kind {
	case action.KindToolCall:
		same.Tool, same.Arguments, same.ArgumentsBytes = a.Tool, a.Arguments, a.ArgumentsBytes
	case action.KindHTTPRequest:
		if a.HTTP != nil {
			same.HTTP = &action.HTTPRequest{Method: a.HTTP.Method, URL: a.HTTP.URL, Body: a.HTTP.Body}
		}
	default:
		return "", nil
	}
	return same.Digest()
}
