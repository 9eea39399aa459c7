package console

import (
	"net/http"
	"strconv"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// outcomeBody says what a verdict or a withdrawal did, with the approval as it stands now.
type outcomeBody struct {
	Heading, Text string
	Applied       bool
	Reasons       []reason
	Record        record
}

// verdict says yes or no to the action whose digest was on the page. A yes needs all of it to have been shown, whatever
// its length.
func (c *Console) verdict(v *visit) {
	id, digest := v.r.PathValue("id"), v.form["digest"]
	in := &pb.SubmitVerdictRequest{ApprovalId: id, Comment: v.form["comment"], ExpectedDigest: digest}
	switch {
	case !isID(id):
		c.refuse(v.w, v.r, errMissing)
		return
	case digest == "": // the contract would take it for whatever is there
		c.refuse(v.w, v.r, &Refusal{Invalid, "DIGEST_NEEDED", "The form does not say which action it is for. Look at it again."})
		return
	case v.form["verdict"] == "approve" && v.keys.isReadTo(v.form["read"], id, digest, wholly):
		in.Verdict, in.SeenInFull = pb.Verdict_VERDICT_APPROVE, true
	case v.form["verdict"] == "approve":
		c.refuse(v.w, v.r, &Refusal{Stale, "NOT_SEEN_IN_FULL", "You have not been shown all of this action as it is now. Read it from its begin."})
		return
	case v.form["verdict"] == "reject":
		in.Verdict = pb.Verdict_VERDICT_REJECT
	default:
		c.refuse(v.w, v.r, &Refusal{Invalid, "NO_VERDICT", "The form says neither yes nor no."})
		return
	}
	resp, err := c.desk.SubmitVerdict(v.r.Context(), v.credential, in)
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	body := outcomeBody{Applied: resp.GetApplied(), Record: recordOf(resp.GetApproval(), c.cfg.Now()), Reasons: reasonsOf(resp.GetReasons())}
	body.Heading, body.Text = whatVerdictDid(resp)
	c.outcome(v, body)
}

func whatVerdictDid(resp *pb.SubmitVerdictResponse) (heading, text string) {
	a := resp.GetApproval()
	pending := a.GetState() == pb.ApprovalState_APPROVAL_STATE_PENDING
	switch {
	case !resp.GetApplied() && resp.GetReason() == "ALREADY_VOTED":
		return "You have said so already: nothing was changed", "Your first verdict stands, and this one did not count. The state is: " + stateInWords(a) + "."
	case !resp.GetApplied():
		return "Too late: nothing was changed", "Your verdict did not count (" + readable(resp.GetReason()) + "): this was " + stateInWords(a) + " before. Your verdict is on record, and what stands below stands."
	case pending:
		return "Your yes counts", inPlural(a.GetApprovalsMissing(), "more person has", "more people have") + " to approve before the agent may act."
	case a.GetState() == pb.ApprovalState_APPROVAL_STATE_APPROVED:
		return "Approved", "The agent may do this, once, and nothing else."
	}
	return "Rejected", "The agent has been told no."
}

// reveal shows the page with nothing masked. Who looks, and why, is on record before; so it takes a form, and the page is
// shown only if it is of the action that the form was about.
func (c *Console) reveal(v *visit) {
	id, digest := v.r.PathValue("id"), v.form["digest"]
	offset, err := strconv.ParseInt(v.form["offset"], 10, 64)
	if err != nil || offset < 0 || digest == "" {
		c.refuse(v.w, v.r, &Refusal{Invalid, "FORM_UNREADABLE", "The form does not say what to show."})
		return
	}
	before, err := c.get(v, id, offset)
	if err == nil && digestOf(before.GetApproval()) != digest {
		err = errChanged
	}
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	shown, err := c.desk.RevealApproval(v.r.Context(), v.credential, &pb.RevealApprovalRequest{ApprovalId: id, Offset: offset, Reason: v.form["reason"]})
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	after, err := c.get(v, id, offset)
	if err == nil && (digestOf(after.GetApproval()) != digest || after.GetApproval().GetSequence() != before.GetApproval().GetSequence()) {
		err = errChanged
	}
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	body := v.ask(after.GetApproval(), shown.GetView(), offset, v.form["read"], c)
	body.Revealed = true
	c.write(v.w, v.r, http.StatusOK, "ask", v.page("Ask "+short(id)+", nothing masked", body))
}

var errChanged = &Refusal{Stale, "DIGEST_MISMATCH", "The action was changed meanwhile. Look at it again."}

// withdraw ends what waits, or what was approved and not used.
func (c *Console) withdraw(v *visit) {
	id := v.r.PathValue("id")
	if !isID(id) {
		c.refuse(v.w, v.r, errMissing)
		return
	}
	resp, err := c.desk.CancelApproval(v.r.Context(), v.credential, &pb.CancelApprovalRequest{ApprovalId: id, Reason: v.form["reason"]})
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	body := outcomeBody{Applied: resp.GetApplied(), Record: recordOf(resp.GetApproval(), c.cfg.Now()), Heading: "Withdrawn", Text: "It cannot be used any more."}
	if !body.Applied {
		body.Heading, body.Text = "Nothing was changed", "It had ended before ("+readable(resp.GetReason())+")."
	}
	c.outcome(v, body)
}

func (c *Console) outcome(v *visit, body outcomeBody) {
	status := http.StatusOK
	if !body.Applied {
		status = http.StatusConflict
	}
	c.write(v.w, v.r, status, "outcome", v.page(body.Heading, body))
}
