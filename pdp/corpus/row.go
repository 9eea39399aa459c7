package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// task is one row: what somebody wants done, and by which calls.
type task struct {
	line  int
	agent string
	id    string
	// prompt is what the user says, or the attacker's text.
	prompt string
	calls  []Step
	attack bool
}

// fields are a row's fields, not yet parsed.
type fields map[string]json.RawMessage

// agentPattern and maxToolBytes are what the contract takes.
var agentPattern = regexp.MustCompile(`^[A-Za-z0-9._:@/-]{1,128}$`)

const maxToolBytes = 256

func (f fields) task(kind Kind) (task, error) {
	r := reading{fields: f}
	var t task
	switch kind {
	case AgentDojo:
		t = r.agentDojo()
	case InjecAgent:
		t = r.injecAgent()
	case RealCalls:
		t = r.realCall()
	case ASB:
		t = r.asb()
	case Tau2:
		t = r.tau2()
	default:
		return task{}, ErrUnknown
	}
	if r.err == nil && !agentPattern.MatchString(t.agent) {
		r.fail(errors.New("the row gives an agent a name that no request can carry"))
	}
	return t, r.err
}

// reading takes fields out of a row and keeps the first error.
type reading struct {
	fields fields
	err    error
}

func (r *reading) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// decode reads a field that must be there.
func decode[T any](r *reading, name, want string) T {
	var out T
	raw, ok := r.fields[name]
	switch {
	case !ok:
		r.fail(fmt.Errorf("field %q is missing", name))
	case isNull(raw) || json.Unmarshal(raw, &out) != nil:
		r.fail(fmt.Errorf("field %q is not %s", name, want))
	}
	return out
}

func (r *reading) text(name string) string { return decode[string](r, name, "a string") }

// optional reads a text that may be missing or null.
func (r *reading) optional(name string) *string {
	if isNull(r.fields[name]) {
		return nil
	}
	s := r.text(name)
	return &s
}

// arguments reads an object as it stands, so that numbers stay exact. None is an empty object.
func (r *reading) arguments(name string) json.RawMessage {
	raw := r.fields[name]
	if isNull(raw) {
		return noArguments()
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		r.fail(fmt.Errorf("field %q is not an object", name))
	}
	return raw
}

func noArguments() json.RawMessage { return json.RawMessage("{}") }

// call makes a step of a tool's name and arguments.
func (r *reading) call(tool string, arguments json.RawMessage) Step {
	if tool == "" || len(tool) > maxToolBytes {
		r.fail(fmt.Errorf("a tool's name is empty or longer than %d bytes", maxToolBytes))
	}
	return Step{Call: Call{Tool: tool, Arguments: arguments, Part: User}}
}

// calls reads the field of that name of AgentDojo and tau2.
func (r *reading) calls() []Step {
	var out []Step
	for i, f := range decode[[]fields](r, "calls", "a list of objects") {
		inner := reading{fields: f}
		step := inner.call(inner.text("tool"), inner.arguments("arguments"))
		result := inner.optional("result")
		failure := inner.optional("error")
		switch {
		case result != nil && (*result != "" || failure == nil):
			step.Results = []Result{{Text: *result}}
		case failure != nil: // what a failed call said is what the model reads
			step.Results = []Result{{Text: *failure}}
		}
		if inner.err != nil {
			r.fail(fmt.Errorf("call %d: %w", i+1, inner.err))
		}
		out = append(out, step)
	}
	return out
}

func (r *reading) agentDojo() task {
	suite, kind, id := r.text("suite"), r.text("kind"), r.text("id")
	if kind != "user" && kind != "injection" {
		r.fail(errors.New(`field "kind" is neither "user" nor "injection"`))
	}
	return task{agent: "agentdojo-" + suite, id: suite + "/" + id, prompt: r.text("prompt"), calls: r.calls(), attack: kind == "injection"}
}

// userArguments are an object, or the text of one, or not there at all.
func (r *reading) userArguments() json.RawMessage {
	const name = "user_arguments"
	if !bytes.HasPrefix(r.fields[name], []byte(`"`)) {
		return r.arguments(name)
	}
	text := r.text(name)
	if text == "" {
		return noArguments()
	}
	arguments, err := fromLiteral(text)
	if err != nil {
		r.fail(fmt.Errorf("field %q: %w", name, err))
	}
	return arguments
}

// injecAgent is a row that names the attacker's tools without their arguments.
func (r *reading) injecAgent() task {
	user := r.call(r.text("user_tool"), r.userArguments())
	user.Results = []Result{poisoned(r.text("tool_response"))}
	steps := []Step{user}
	tools := decode[[]string](r, "attacker_tools", "a list of strings")
	if r.err == nil && len(tools) == 0 {
		r.fail(errors.New(`field "attacker_tools" is empty`))
	}
	for _, tool := range tools {
		steps = append(steps, attacking(r.call(tool, noArguments())))
	}
	return task{agent: "injecagent", id: user.Call.Tool, prompt: r.text("prompt"), calls: steps, attack: true}
}

// realCall is a row with the call that a real model made after it had read the poison.
func (r *reading) realCall() task {
	user := r.call(r.text("user_tool"), r.userArguments())
	user.Results = []Result{poisoned(r.text("tool_response"))}
	if more := r.optional("attacker_tool_response"); more != nil {
		// What an earlier call of the attack returned. That call is not in the row, so it comes as one more result.
		user.Results = append(user.Results, poisoned(*more))
	}
	attack := attacking(r.call(r.text("tool"), r.arguments("arguments")))
	return task{agent: "injecagent", id: user.Call.Tool + ":" + attack.Call.Tool, prompt: r.text("prompt"), calls: []Step{user, attack}, attack: true}
}

func (r *reading) asb() task {
	agent, attack := r.text("agent"), decode[bool](r, "attack", "true or false")
	step := r.call(r.text("tool"), noArguments())
	if attack {
		step = attacking(step)
	}
	t := task{agent: "asb-" + agent, id: agent + "/" + step.Call.Tool, calls: []Step{step}, attack: attack}
	if instruction := r.optional("instruction"); instruction != nil {
		t.prompt = *instruction
	}
	return t
}

func (r *reading) tau2() task {
	domain := r.text("domain")
	return task{agent: "tau2-" + domain, id: domain + "/" + r.text("id"), prompt: r.text("reason"), calls: r.calls()}
}

func poisoned(text string) Result { return Result{Text: text, Poison: text} }

func attacking(s Step) Step {
	s.Call.Part = Attack
	return s
}
