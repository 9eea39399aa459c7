package decision

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// refuse answers what needs no look at the content: a kill switch, and what was delegated.
func (e *Engine) refuse(_ context.Context, j *judgement) error {
	if s, stopped := e.stopped(j); stopped {
		j.deny("KILL_SWITCH", "engine.kill_switch", killMessage(s.WholeTenant), "critical")
		return nil
	}
	e.refuseDelegation(j)
	return nil
}

func killMessage(tenant bool) string {
	if tenant {
		return "An operator has stopped all agents. Do not try again."
	}
	return "An operator has stopped this agent, session or tool. Do not try again."
}

// inspect works out facts and findings. What could not be inspected is never clean: it is degraded, and policy asks.
func (e *Engine) inspect(ctx context.Context, j *judgement) error {
	a := &j.req.Action
	j.facts = e.factsOf(j, a)
	for _, f := range j.facts {
		if f.Type == "truncated" {
			j.degrade("facts_truncated")
		}
	}
	limited, cancel := context.WithTimeout(ctx, e.cfg.ScanTimeout)
	defer cancel()
	fingerprint := e.fingerprint(j)
	inspected := texts(a)
	result := j.snapshot.Scanner.Scan(limited, inspected, fingerprint, e.cfg.Scan)
	j.findings = result.Findings
	if arrives(a.Kind) || a.Kind == action.KindMemoryWrite {
		j.findings = scan.Merge(j.findings, scan.Suspicions(inspected))
	}
	e.inspectAcross(limited, j, inspected, fingerprint)
	j.findings = j.unsuppressed(j.findings)
	j.hide = hider(j.findings, fingerprint)
	hideNames(j.findings, j.facts, fingerprint)
	if result.Incomplete {
		j.degrade("scan_incomplete")
	}
	return nil
}

// unsuppressed leaves out the findings that a row of the table of suppressions takes back, whose pointers are still as
// they are in the action.
func (j *judgement) unsuppressed(findings []scan.Finding) []scan.Finding {
	return slices.DeleteFunc(findings, func(f scan.Finding) bool {
		return j.snapshot.Tables.Suppressed(f, j.req.Principal.Tenant, j.req.Action.Tool, j.now)
	})
}

func (e *Engine) factsOf(j *judgement, a *action.Action) []action.Fact {
	return a.Facts(action.FactOptions{DeniedPaths: e.cfg.DeniedPaths, KnownTools: j.snapshot.Tables.ToolNames(), Files: j.snapshot.Tables.Files})
}

// fingerprint names texts to who holds the key of the tenant, and to nobody else.
func (e *Engine) fingerprint(j *judgement) func(text string) string {
	return func(text string) string { return e.Keys.Fingerprint(j.req.Principal.Tenant, text) }
}

func texts(a *action.Action) []scan.Text {
	from := a.Texts()
	out := make([]scan.Text, len(from))
	for i, t := range from {
		out[i] = scan.Text{Pointer: t.Pointer, Value: t.Value, Name: isName(t.Pointer), Key: keyOf(a, t.Pointer)}
	}
	return out
}

// isName says whether a pointer leads to what something is called.
func isName(pointer string) bool {
	switch pointer {
	case "/tool", "/server", "/from_agent", "/http/method", "/memory/layer":
		return true
	}
	return strings.HasSuffix(pointer, action.KeySuffix) || strings.HasPrefix(pointer, "/http/headers/") && strings.HasSuffix(pointer, "/name")
}

// keyOf is what the value at a pointer is called: the argument, or the header. It has no name that would need escaping
// or would not be one in a file.
func keyOf(a *action.Action, pointer string) string {
	if at, ok := strings.CutPrefix(pointer, "/http/headers/"); ok && a.HTTP != nil {
		at, isValue := strings.CutSuffix(at, "/value")
		if i, err := strconv.Atoi(at); err == nil && isValue && i < len(a.HTTP.Headers) && plainName(a.HTTP.Headers[i].Name) {
			return a.HTTP.Headers[i].Name
		}
	}
	path, isArgument := strings.CutPrefix(pointer, "/arguments/")
	if !isArgument || strings.HasSuffix(path, action.KeySuffix) {
		return ""
	}
	names := strings.Split(path, "/")
	for _, name := range slices.Backward(names) {
		if _, err := strconv.Atoi(name); err == nil {
			continue // an item is called as its list
		}
		if strings.Contains(name, "~") || !plainName(name) {
			return ""
		}
		return name
	}
	return ""
}

// labels are what a session has come into contact with through this action: what arrived, not what was sent.
func (j *judgement) labels() []string {
	var out []string
	if arrives(j.req.Action.Kind) {
		for _, f := range j.findings {
			if !strings.HasPrefix(f.Rule, anomalyPrefix) {
				out = append(out, seenPrefix+f.Category)
			}
		}
	}
	if j.req.Action.Kind == action.KindToolResult {
		out = append(out, seenResult)
		if j.untrusted {
			out = append(out, memory.LabelUntrusted)
		}
	} else if j.req.Action.Kind == action.KindMessage && j.effect == Allow {
		out = append(out, labelOther, memory.LabelUntrusted)
	} else if arrives(j.req.Action.Kind) && j.effect == Allow {
		out = append(out, labelOther)
	}
	if j.req.Action.Kind == action.KindMessage && j.effect == Allow {
		out = append(out, labelMessage+j.knownSender())
	}
	if j.effect == Allow && j.role.Private {
		out = append(out, labelPrivate)
	}
	return append(append(out, j.memory.labels...), j.delegatedLabels()...)
}

// seenPrefix begins the labels of what arrived in a session: categories of what was found in it, and others.
const (
	seenPrefix = "seen:"
	seenResult = seenPrefix + "tool_result"
)

// sessionSaw are the categories of what was found in what arrived in the session before.
func (j *judgement) sessionSaw() (out []string) {
	for _, label := range j.session.Labels {
		if category, ok := strings.CutPrefix(label, seenPrefix); ok && scan.KnownCategory(category) {
			out = append(out, category)
		}
	}
	return out
}

// arrives says whether an action of the kind brings something to the agent.
func arrives(k action.Kind) bool {
	return k == action.KindToolResult || k == action.KindMemoryRead || k == action.KindMessage
}

// timely gives state engines a bound: no decision waits longer for one.
func timely(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, stateTimeout)
}

const stateTimeout = 5 * time.Second
