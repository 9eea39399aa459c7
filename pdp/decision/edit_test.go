package decision

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
)

// edit is a yes with other arguments, for what was seen.
func edit(seen, arguments string) approval.Ballot {
	return approval.Ballot{Verdict: approval.Approve, ExpectedDigest: seen, EditedArguments: arguments}
}

func digestOf(t *testing.T, req Request) string {
	t.Helper()
	return must[string](t)(req.Action.Digest())
}

const toBob = `{"to": "bob@example.com", "body": "Lunch?"}`

// TestThreat_B14_TheAgentGetsTheEditedArguments: it redeems what it asked for, and is told what to do instead, once.
func TestThreat_B14_TheAgentGetsTheEditedArguments(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	result, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob))
	edited := digestOf(t, call("demo-filtered", "send_email", toBob))
	if a := result.Approval; reason != "" || !result.Applied || a.State != approval.Approved || a.Digest != asked.ActionDigest || a.EditedDigest != edited || a.EditedBy != "ann" {
		t.Fatalf("%q %+v", reason, result)
	}
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID

	instead := call("demo-filtered", "send_email", toBob) // only what was asked for redeems
	instead.ApprovalID = asked.Approval.ID
	r.wantRefused("APPROVAL_MISMATCH", instead)

	got := r.want(Allow, "", redeem)
	if got.Effective == nil || got.Effective.ArgumentsJSON != `{"body":"Lunch?","to":"bob@example.com"}` {
		t.Errorf("to be done: %+v", got.Effective)
	}
	if !slices.ContainsFunc(got.Obligations, func(o Obligation) bool { return o.ID == "engine.edit" && o.Type == "use_effective" }) {
		t.Errorf("obligations: %+v", got.Obligations)
	}
	if got.Approval.EditedDigest != edited || got.ActionDigest != asked.ActionDigest {
		t.Errorf("names %+v and %s", got.Approval, got.ActionDigest)
	}
	r.wantRefused("APPROVAL_USED", redeem)
}

// TestThreat_B14_NobodyEditsIntoADeny: policy looks at the edited action from scratch; what it denies changes nothing, and
// the reviewer is told why.
func TestThreat_B14_NobodyEditsIntoADeny(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	for name, c := range map[string]struct{ arguments, code string }{
		"a credential":        {`{"to": "ann@example.com", "body": "the key is AKIAQ3EGRZ5WXN7TYP2M"}`, "CREDENTIAL_FOUND"},
		"in another spelling": {`{"to": "ann@example.com", "body": "QUtJQVEzRUdSWjVXWE43VFlQMk0="}`, "CREDENTIAL_FOUND"},
	} {
		result, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, c.arguments))
		var codes []string
		for _, why := range result.Reasons {
			codes = append(codes, why.Code)
		}
		if reason != "" || result.Applied || result.Reason != "EDIT_DENIED" || !slices.Contains(codes, c.code) {
			t.Errorf("%s: %q %+v", name, reason, result)
		}
	}
	a := must[approval.Approval](t)(r.rooms.Approvals.Get(t.Context(), asked.Approval.ID))
	if a.State != approval.Pending || a.EditedDigest != "" || len(a.Votes) != 0 || a.Sequence != 1 {
		t.Errorf("something changed: %+v", a)
	}
	r.kill(killswitch.Switch{Tool: "send_email"}, true)
	if result, _ := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob)); result.Reason != "EDIT_DENIED" || result.Reasons[0].Code != "KILL_SWITCH" {
		t.Errorf("stopped: %+v", result) // E18
	}
}

// TestThreat_B14_WhatTheEditedActionAsksIsCoveredByThisYes, and by nothing else: what asks later besides asks again.
func TestThreat_B14_WhatTheEditedActionAsksIsCoveredByThisYes(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	personal := `{"to": "ann@example.com", "body": "my SSN is 536-90-4399"}`
	result, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, personal))
	if reason != "" || !result.Applied {
		t.Fatalf("%q %+v", reason, result)
	}
	direct := r.decide(call("demo-filtered", "send_email", personal))
	if !slices.Equal(result.Approval.Rules, must[approval.Approval](t)(r.rooms.Approvals.Get(t.Context(), direct.Approval.ID)).Rules) {
		t.Errorf("covers %v", result.Approval.Rules)
	}
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.want(Allow, "", redeem)
}

func TestThreat_B14_RefusedEdits(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	long := `{"a": "` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		b      approval.Ballot
		reason string
	}{
		"of what was not looked at": {edit("", toBob), "DIGEST_NEEDED"},
		"of another action":         {edit("pc1:other", toBob), "DIGEST_MISMATCH"},
		"that changes nothing":      {edit(asked.ActionDigest, `{"body": "Lunch?", "to": "ann@example.com"}`), "INVALID"},
		"with a no":                 {approval.Ballot{Verdict: approval.Reject, ExpectedDigest: asked.ActionDigest, EditedArguments: toBob}, "INVALID"},
		"no object":                 {edit(asked.ActionDigest, `[1]`), action.ReasonNotAnObject},
		"no JSON":                   {edit(asked.ActionDigest, `{"to": `), action.ReasonInvalidJSON},
		"twice the same":            {edit(asked.ActionDigest, `{"to": "a", "to": "b"}`), action.ReasonDuplicateKey},
		"not a number":              {edit(asked.ActionDigest, `{"to": NaN}`), action.ReasonInvalidJSON},
		"too large":                 {edit(asked.ActionDigest, long), action.ReasonTooLarge},
		"with a zero byte":          {edit(asked.ActionDigest, `{"to": "a\u0000"}`), action.ReasonNUL},
		"with a grant": {approval.Ballot{
			Verdict: approval.Approve, ExpectedDigest: asked.ActionDigest, EditedArguments: toBob, Terms: &approval.Terms{Uses: 2},
		}, "GRANT_TOO_BROAD"},
	} {
		if _, reason := r.says(asked, voter("ann"), c.b); reason != c.reason {
			t.Errorf("%s: %q, want %q", name, reason, c.reason)
		}
	}
	message := r.decide(Request{Principal: mail().Principal, Action: action.Action{Kind: action.KindMessage, Content: "my SSN is 536-90-4399", FromAgent: "a"}})
	if message.Approval != nil {
		if _, reason := r.says(message, voter("ann"), edit(message.ActionDigest, toBob)); reason != "NO_ARGUMENTS" {
			t.Errorf("a message: %q", reason)
		}
	}
	r.wantVote(asked, voter("ann"), approval.Approve, "", approval.Approved)
}

// TestThreat_B14_VotesForWhatWasAskedAreNoneForTheEdit: who approved the one has not seen the other. They may vote again,
// and have to name what they looked at.
func TestThreat_B14_VotesForWhatWasAskedAreNoneForTheEdit(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"quorum": 2})))
	asked := r.decide(mail())
	r.wantVote(asked, voter("ann"), approval.Approve, "", approval.Pending)
	result, reason := r.says(asked, voter("bob"), edit(asked.ActionDigest, toBob))
	if reason != "" || result.Approval.State != approval.Pending || result.Approval.Missing() != 1 {
		t.Fatalf("%q, %s with %d missing: one of two saw what would be done", reason, result.Approval.State, result.Approval.Missing())
	}
	edited := result.Approval.EditedDigest
	for name, c := range map[string]struct{ digest, reason string }{
		"names nothing": {"", "DIGEST_NEEDED"}, "names what was asked": {asked.ActionDigest, "DIGEST_MISMATCH"},
	} {
		if _, reason := r.says(asked, voter("cal"), approval.Ballot{Verdict: approval.Approve, ExpectedDigest: c.digest}); reason != c.reason {
			t.Errorf("%s: %q, want %q", name, reason, c.reason)
		}
	}
	shown := must[approval.Revealed](t)(r.rooms.Approvals.Reveal(t.Context(), asked.Approval.ID))
	if !strings.Contains(string(shown.Action), "bob@example.com") || strings.Contains(string(shown.Action), "ann@example.com") {
		t.Errorf("reviewers are shown %s", shown.Action)
	}
	result, reason = r.says(asked, voter("bob"), approval.Ballot{Verdict: approval.Approve, ExpectedDigest: edited})
	if reason != "" || result.Reason != "ALREADY_VOTED" {
		t.Errorf("the editor again: %q %q", reason, result.Reason)
	}
	result, reason = r.says(asked, voter("ann"), approval.Ballot{Verdict: approval.Approve, ExpectedDigest: edited})
	if reason != "" || result.Approval.State != approval.Approved {
		t.Fatalf("%q %s", reason, result.Approval.State)
	}
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	if got := r.want(Allow, "", redeem); !strings.Contains(got.Effective.ArgumentsJSON, "bob@") {
		t.Errorf("%+v", got.Effective)
	}
}

// TestThreat_B14_AnEditMeetsTheTermsOfWhatItMakes: a larger amount needs the people that it would have needed.
func TestThreat_B14_AnEditMeetsTheTermsOfWhatItMakes(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"amount_at_least": 1000, "quorum": 2, "groups": []any{"finance"}})))
	small := call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "x", "amount": 10}`)
	large := `{"to": "ann@example.com", "body": "x", "amount": 5000}`
	asked := r.decide(small)
	if _, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, large)); reason != "NOT_ASKED" {
		t.Errorf("who may not approve the large one made it: %q", reason)
	}
	result, reason := r.says(asked, voter("fay", "finance"), edit(asked.ActionDigest, large))
	if reason != "" || result.Approval.State != approval.Pending || result.Approval.Quorum != 2 || result.Approval.Missing() != 1 {
		t.Fatalf("%q %s, quorum %d", reason, result.Approval.State, result.Approval.Quorum)
	}
	seen := approval.Ballot{Verdict: approval.Approve, ExpectedDigest: result.Approval.EditedDigest}
	if _, reason := r.says(asked, voter("ann"), seen); reason != "NOT_ASKED" {
		t.Errorf("somebody else: %q", reason)
	}
	if result, reason = r.says(asked, voter("gil", "finance"), seen); reason != "" || result.Approval.State != approval.Approved {
		t.Fatalf("%q %s", reason, result.Approval.State)
	}
}

// TestThreat_B14_RedeemingDecidesTheEditedActionOnceMore: what has changed since counts.
func TestThreat_B14_RedeemingDecidesTheEditedActionOnceMore(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	if _, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob)); reason != "" {
		t.Fatal(reason)
	}
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.kill(killswitch.Switch{Agent: "demo-filtered"}, true)
	r.want(Deny, "KILL_SWITCH", redeem) // E18: between approve and consume
	r.kill(killswitch.Switch{Agent: "demo-filtered"}, false)
	r.want(Allow, "", redeem)
}

// TestAnEditLeavesNoTrace where it is not carried out: no call is counted, and limits have given back.
func TestAnEditLeavesNoTrace(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("mails", 3, map[string]any{"scope": []any{"agent"}, "tools": []any{"send_email"}}))))
	asked := r.decide(mail())
	for i := range 5 {
		if _, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, `{"to": "x`+string(rune('a'+i))+`", "body": "AKIAQ3EGRZ5WXN7TYP2M"}`)); reason != "" {
			t.Fatal(reason)
		}
	}
	if used := r.used("mails", mail()); used != 0 {
		t.Errorf("%d are charged", used)
	}
	if _, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob)); reason != "" {
		t.Fatal(reason)
	}
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.want(Allow, "", redeem)
	if used := r.used("mails", mail()); used != 1 {
		t.Errorf("%d are charged, want 1", used)
	}
}

// TestThreat_A19_TheSchemaChangesAfterTheYes: the tool is not what was approved any more.
func TestThreat_A19_TheSchemaChangesAfterTheYes(t *testing.T) {
	r := newRoom(t)
	req := mail()
	req.Action.SchemaDigest = strings.Repeat("a", 64)
	redeem := r.approved(req)
	redeem.Action.SchemaDigest = strings.Repeat("b", 64)
	r.wantRefused("APPROVAL_MISMATCH", redeem)
	redeem.Action.SchemaDigest = strings.Repeat("a", 64)
	r.want(Allow, "", redeem)
}

// TestAnEditIsNoCallOfTheAgents: however often a reviewer tries, the session has not made the call.
func TestAnEditIsNoCallOfTheAgents(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	secret := `{"to": "ann@example.com", "body": "the key is AKIAQ3EGRZ5WXN7TYP2M"}`
	for range 31 {
		if result, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, secret)); reason != "" || result.Reason != "EDIT_DENIED" {
			t.Fatalf("%q %+v", reason, result)
		}
	}
	if got := codes(r.decide(call("demo-filtered", "send_email", secret)).Reasons); slices.Contains(got, "LOOP") || !slices.Contains(got, "CREDENTIAL_FOUND") {
		t.Errorf("the agent's first call of that: %v", got)
	}
}

// TestAnEditIsCoveredByItsOwnYes also where a grant would have covered the edited action: the grant may be gone by then.
func TestAnEditIsCoveredByItsOwnYes(t *testing.T) {
	r := newRoom(t)
	granted := r.granted(call("demo-filtered", "send_email", toBob), approval.Terms{Uses: 5})
	asked := r.decide(mail())
	result, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob))
	if reason != "" || len(result.Approval.Rules) == 0 {
		t.Fatalf("%q, covers %v", reason, result.Approval.Rules)
	}
	must[approval.Result](t)(r.rooms.Approvals.Cancel(t.Context(), granted.Approval.ID, "enough"))
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.want(Allow, "", redeem)
}

// TestThreat_B1_WhatAsksBesidesAnEditAsksAboutNothingElse: where more asks at the redemption of an edited action than its
// reviewer approved, no ask may show the one action and be bound to the other.
func TestThreat_B1_WhatAsksBesidesAnEditAsksAboutNothingElse(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("soft", 1, map[string]any{"on_exceed": "require_approval"}))))
	asked := r.decide(mail())
	if _, reason := r.says(asked, voter("ann"), edit(asked.ActionDigest, toBob)); reason != "" {
		t.Fatal(reason)
	}
	r.want(Allow, "", r.approved(mailTo("carol@example.com"))) // the limit is used up now
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.want(Deny, "EDIT_OUTGROWN", redeem)

	again := r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", mail())
	shown := must[approval.Revealed](t)(r.rooms.Approvals.Reveal(t.Context(), again.Approval.ID))
	if act := must[*action.Action](t)(action.ReadCanonical(shown.Action)); must[string](t)(act.Digest()) != shown.Approval.EffectiveDigest() {
		t.Error("the reviewer sees another action than the approval is for")
	}
}
