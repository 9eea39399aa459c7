package decision

import (
	"context"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/outflow"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// inspectAcross looks at where the action continues what the session has sent the same way before, so that a secret is not
// sent in two halves (threat D7). What it finds stands at pointer "", as of what is split over the values of one action.
func (e *Engine) inspectAcross(ctx context.Context, j *judgement, inspected []scan.Text, fingerprint func(string) string) {
	way := j.wayOut()
	if way == "" {
		return
	}
	met := e.Outflow.Propose(j.sessionID(), j.id, way, outgoing(inspected))
	if len(met) == 0 {
		return
	}
	seams := make([]scan.Seam, len(met))
	for i, s := range met {
		seams[i] = scan.Seam(s)
	}
	found, complete := j.snapshot.Scanner.Across(ctx, seams, fingerprint, e.cfg.Scan)
	if !complete {
		j.degrade("scan_incomplete")
	}
	for _, f := range found {
		j.split = append(j.split, f.Rule)
		if !holds(j.findings, f) {
			j.findings = scan.Merge(j.findings, []scan.Finding{f})
		}
	}
}

// holds says whether there is a finding of the same rule at the same place.
func holds(findings []scan.Finding, f scan.Finding) bool {
	for _, o := range findings {
		if o.Rule == f.Rule && o.Pointer == f.Pointer {
			return true
		}
	}
	return false
}

// wayOut names how the action takes its values beyond the machine; empty if it does not. Which server has the tool, and who
// is the recipient, are for the agent to say, so that they make no difference.
func (j *judgement) wayOut() string {
	a := &j.req.Action
	switch a.Kind {
	case action.KindToolCall:
		if !j.snapshot.Tables.External(a.Tool) {
			return ""
		}
	case action.KindHTTPRequest, action.KindModelOutput, action.KindMessage:
	default: // arrives, or stays
		return ""
	}
	return joined(string(a.Kind), j.tool())
}

func outgoing(inspected []scan.Text) []outflow.Value {
	out := make([]outflow.Value, 0, len(inspected))
	for _, t := range inspected {
		if !t.Name {
			out = append(out, outflow.Value{Pointer: t.Pointer, Text: t.Value})
		}
	}
	return out
}

// sent settles what goes out: what was proposed, what stands in its place, or nothing.
func (e *Engine) sent(j *judgement) {
	switch {
	case j.effect != Allow:
		e.Outflow.Drop(j.sessionID(), j.id)
	case j.effective != nil && j.wayOut() != "":
		e.Outflow.Replace(j.sessionID(), j.id, outgoing(texts(j.effective)))
	}
}
