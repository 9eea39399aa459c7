package corpus

import (
	"context"
	"fmt"
	"time"
)

// Effect is what was answered.
type Effect string

// The answers. One that is not known counts as Deny.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
	Ask   Effect = "ask"
)

// Session is who acts, and where.
type Session struct {
	Agent, ID, Run string
}

// Answer is a decision about one call.
type Answer struct {
	Decision string
	Effect   Effect
	// Reasons are the codes of what stood against the call.
	Reasons []string
	// Approval and Digest are set where a person has to say yes.
	Approval, Digest string
	// Busy is set if nothing stood against the call but a limit that other sessions share: a replay packs into a minute
	// what took days. Asking again may help after that long.
	Busy time.Duration
}

// Decider is asked what an agent would ask. It is used by many runs at once.
type Decider interface {
	// Decide asks about a call. approval is redeemed if it is set.
	Decide(ctx context.Context, s Session, c Call, approval string) (Answer, error)
	// Result reports what came back from the call that a decision was about. tool may be empty.
	Result(ctx context.Context, s Session, decision, tool, text string) error
	// Succeeded reports that an allowed call was carried out.
	Succeeded(ctx context.Context, decision string) error
}

// Observer is told what the user said before the first call.
type Observer interface {
	Observe(ctx context.Context, s Session, prompt string) error
}

// Reviewer is a person who answers an ask.
type Reviewer interface {
	Review(ctx context.Context, approval, digest string, yes bool) error
}

// Played is a run and how its calls were answered.
type Played struct {
	Run Run
	// Calls are in the order of the run's calls.
	Calls []PlayedCall
	// Err is why the run could not be played to its end. It then counts for nothing.
	Err error
}

// PlayedCall is one call, its first answer, and whether it could be carried out in the end.
type PlayedCall struct {
	Call   Call
	Answer Answer
	Done   bool
}

// Player plays runs. It keeps nothing between them, and may be used by many goroutines at once.
type Player struct {
	Decider Decider
	// Observer, if set, is told each run's prompt.
	Observer Observer
	// Reviewer, if set, answers each ask at once: no, or with Oracle, yes to exactly the calls that the user's task needs.
	// Without one asks stay open until they expire, and a server lets only so many of an agent wait.
	Reviewer Reviewer
	Oracle   bool
	// MaxWait is how long a call may wait for limits that sessions share; 0: it takes the answer as it is.
	MaxWait time.Duration
	// Waiting, if set, is told of each wait.
	Waiting func(time.Duration)
}

// noDecision stands for the decision of a call that was never made. A result that belongs to nothing must say so.
const noDecision = "none"

// Play plays one run. A call that is not allowed has no result, and the run goes on with the next one: what is being
// judged is each answer, not a model that gives up. Outcomes are reported as successes even where a recorded tool
// answered with an error: the record is the same each time it is played, and must not open a breaker.
func (p *Player) Play(ctx context.Context, run Run, session string) Played {
	out := Played{Run: run}
	s := Session{Agent: run.Agent, ID: session, Run: run.ID}
	if p.Observer != nil && run.Prompt != "" {
		if err := p.Observer.Observe(ctx, s, run.Prompt); err != nil {
			out.Err = fmt.Errorf("observe the prompt: %w", err)
			return out
		}
	}
	allowed := lastCall{decision: noDecision}
	for _, step := range run.Steps {
		at := lastCall{decision: allowed.decision}
		if step.Call.Tool != "" {
			answer, done, err := p.call(ctx, s, step.Call)
			if err != nil {
				out.Err = fmt.Errorf("call %d, of %s: %w", len(out.Calls)+1, step.Call.Tool, err)
				return out
			}
			out.Calls = append(out.Calls, PlayedCall{Call: step.Call, Answer: answer, Done: done != ""})
			if done != "" {
				at = lastCall{decision: done, tool: step.Call.Tool, happened: true}
				allowed = at
			}
		}
		if err := p.results(ctx, s, step.Results, at); err != nil {
			out.Err = fmt.Errorf("result after call %d: %w", len(out.Calls), err)
			return out
		}
	}
	return out
}

// lastCall is what a result belongs to.
type lastCall struct {
	decision, tool string
	happened       bool
}

// results reports what came back. Of a call that did not happen only the poison is, as a result of its own.
func (p *Player) results(ctx context.Context, s Session, results []Result, of lastCall) error {
	for _, r := range results {
		text := r.Text
		if !of.happened {
			text = r.Poison
		}
		if text == "" {
			continue
		}
		if err := p.Decider.Result(ctx, s, of.decision, of.tool, text); err != nil {
			return err
		}
	}
	return nil
}

// call asks, has a person look where there is one, and returns the first answer and the decision under which the call
// was carried out, if it was.
func (p *Player) call(ctx context.Context, s Session, c Call) (first Answer, done string, err error) {
	first, err = p.decide(ctx, s, c, "")
	if err != nil {
		return first, "", err
	}
	last := first
	if first.Effect == Ask && p.Reviewer != nil {
		if last, err = p.review(ctx, s, c, first); err != nil {
			return first, "", err
		}
	}
	if last.Effect != Allow {
		return first, "", nil
	}
	return first, last.Decision, p.Decider.Succeeded(ctx, last.Decision)
}

// review answers the ask, and redeems the answer if it is a yes.
func (p *Player) review(ctx context.Context, s Session, c Call, asked Answer) (Answer, error) {
	yes := p.Oracle && c.Part == User
	if err := p.Reviewer.Review(ctx, asked.Approval, asked.Digest, yes); err != nil || !yes {
		return asked, wrapped("review", err)
	}
	again, err := p.decide(ctx, s, c, asked.Approval)
	if err != nil {
		return asked, wrapped("redeem", err)
	}
	if again.Effect == Ask { // one yes is what a person gives
		return again, wrapped("review", p.Reviewer.Review(ctx, again.Approval, again.Digest, false))
	}
	return again, nil
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// minWait keeps a wrong clock from making a busy loop.
const minWait = 50 * time.Millisecond

// decide asks, and asks again while the server is only busy and there is time.
func (p *Player) decide(ctx context.Context, s Session, c Call, approval string) (Answer, error) {
	left := p.MaxWait
	for {
		a, err := p.Decider.Decide(ctx, s, c, approval)
		if err != nil || a.Busy <= 0 || left <= 0 {
			return a, err
		}
		wait := min(max(a.Busy, minWait), left)
		left -= wait
		if p.Waiting != nil {
			p.Waiting(wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return a, ctx.Err()
		}
	}
}
