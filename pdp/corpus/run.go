package corpus

import (
	"encoding/json"
	"iter"
)

// Part is whose wish a call is.
type Part string

// The parts of a run.
const (
	User   Part = "user"
	Attack Part = "attack"
)

// Call is a tool call that the agent proposes. Arguments is a JSON object as it stood in the row.
type Call struct {
	Tool      string
	Arguments json.RawMessage
	Part      Part
}

// Result is what comes back from a call. Poison is what reaches the session even if the call did not happen: the
// attacker's text, or all of a result that it can't be told apart from.
type Result struct {
	Text   string
	Poison string
}

// Step is a call and what comes back from it. A step without a tool only brings results: those of no call.
type Step struct {
	Call    Call
	Results []Result
}

// Run is what one agent does in one session.
type Run struct {
	// ID names the row, or the two rows, that it comes from.
	ID string
	// Line is where the row, or the user's, stands in its file.
	Line  int
	Agent string
	// Prompt is what the user says first. A server that can observe is told.
	Prompt string
	Steps  []Step
	// Attacked is true if somebody else than the user has a part in it.
	Attacked bool
	// Trespass is true if the attack is the use of a tool that is not the agent's: then being off the profile is how it
	// is to be stopped. Everywhere else a tool off the profile says nothing about the attack.
	Trespass bool
}

// Which selects runs.
type Which string

// All runs, those without an attacker, and those with one.
const (
	All      Which = "all"
	Benign   Which = "benign"
	Attacked Which = "attacked"
)

func (w Which) takes(attacked bool) bool { return w == All || attacked == (w == Attacked) }

// Count says how many runs Runs gives.
func (c *Corpus) Count(which Which) int {
	n := 0
	for range c.Runs(which) {
		n++
	}
	return n
}

// Runs gives the corpus as traffic. Runs share what they have in common: they are not to be changed.
func (c *Corpus) Runs(which Which) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for _, t := range c.tasks {
			if !c.yield(which, t, yield) {
				return
			}
		}
	}
}

// yield gives the runs that begin with one row.
func (c *Corpus) yield(which Which, t task, yield func(Run) bool) bool {
	own := Run{ID: t.id, Line: t.line, Agent: t.agent, Prompt: t.prompt, Steps: t.calls, Attacked: t.attack, Trespass: t.attack && c.Kind == ASB}
	if c.Kind != AgentDojo {
		return !which.takes(t.attack) || yield(own)
	}
	if t.attack { // plays its part in the user's runs
		return true
	}
	if which.takes(false) && !yield(own) {
		return false
	}
	if !which.takes(true) {
		return true
	}
	for _, attack := range c.tasks {
		if !attack.attack || attack.agent != t.agent || len(attack.calls) == 0 {
			continue
		}
		if !yield(pair(own, attack)) {
			return false
		}
	}
	return true
}

// pair is a user's task that an attacker got into: the poison stands in the result of the user's last call, and the
// attacker's calls follow.
func pair(user Run, attack task) Run {
	out := user
	out.ID, out.Attacked = user.ID+":"+attack.id, true
	out.Steps = make([]Step, 0, len(user.Steps)+len(attack.calls)+1)
	out.Steps = append(out.Steps, user.Steps...)
	poison := Result{Text: attack.prompt, Poison: attack.prompt}
	if n := len(out.Steps); n > 0 && len(out.Steps[n-1].Results) > 0 {
		last := out.Steps[n-1]
		poison.Text = last.Results[0].Text + "\n\n" + attack.prompt
		last.Results = []Result{poison}
		out.Steps[n-1] = last
	} else {
		out.Steps = append(out.Steps, Step{Results: []Result{poison}})
	}
	for _, s := range attack.calls {
		out.Steps = append(out.Steps, attacking(s))
	}
	return out
}
