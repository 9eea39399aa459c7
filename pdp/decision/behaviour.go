package decision

import (
	"context"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/behaviour"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// compared is how unlike the agent's usual calls the call is. The zero value is of what is no call.
type compared struct {
	call    behaviour.Call
	percent int64
	level   policy.Surprise
	because []string
}

// compare looks how surprising a call is. From `rare` on inspection says so, whatever follows from it.
func (e *Engine) compare(_ context.Context, j *judgement) error {
	a := &j.req.Action
	if a.Kind != action.KindToolCall && a.Kind != action.KindHTTPRequest {
		return nil
	}
	j.compared.call = behaviour.Call{Tool: j.tool(), Bytes: int64(a.ArgumentsBytes) + httpBytes(a.HTTP), Sinks: j.leads()}
	s := e.Behaviour.Look(j.who(), j.compared.call)
	j.compared.percent, j.compared.because = s.Percent, s.Because
	if j.compared.level = j.snapshot.Tables.Behaviour.Level(s.Calls, s.Percent); j.compared.level == policy.SurpriseRare {
		j.findings = append(j.findings, scan.Finding{
			Rule: anomalyPrefix + "behaviour", Category: "suspicion", Severity: "low", Confidence: "low", Count: 1,
		})
	}
	return nil
}

// leads is how the sinks stand, and the host that the call leads to first.
func (j *judgement) leads() string {
	for _, f := range j.facts {
		if f.Host != "" {
			return j.sinks + " " + f.Host
		}
	}
	return j.sinks
}

func (j *judgement) who() behaviour.Who {
	p := j.req.Principal
	return behaviour.Who{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session}
}

// learn adds a call that was allowed to what is usual. What was refused, or still waits for a person, teaches nothing; nor does an
// answer that is given again.
func (e *Engine) learn(j *judgement) {
	if j.effect == Allow && j.compared.call.Tool != "" && !j.replayed {
		e.Behaviour.Learn(j.who(), j.compared.call)
	}
}

func (c *compared) input() *policyv1.Surprise {
	if c.level == "" || c.level == policy.SurpriseUnknown {
		return &policyv1.Surprise{Level: string(policy.SurpriseUnknown)}
	}
	return &policyv1.Surprise{Level: string(c.level), Percent: c.percent, Because: c.because}
}

// entry is for the log, of what is worth a look.
func (c *compared) entry() *decisionlog.Surprise {
	if c.level != policy.SurpriseUnusual && c.level != policy.SurpriseRare {
		return nil
	}
	return &decisionlog.Surprise{Level: string(c.level), Percent: c.percent, Because: c.because}
}
