package decision

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// approvalRows is the table `approvals` with rows for one test.
func approvalRows(rows ...map[string]any) map[string]any {
	list := make([]any, len(rows))
	for i, row := range rows {
		list[i] = maps.Clone(row)
		list[i].(map[string]any)["name"] = string(rune('a' + i))
	}
	return map[string]any{"approvals": map[string]any{"rows": list}}
}

func voter(subject string, groups ...string) approval.Voter {
	return approval.Voter{Subject: subject, Tenant: "default", Roles: []identity.Role{identity.RoleApprover}, Person: subject, Groups: groups}
}

// says hands in a verdict by way of the engine, and returns what stands and the reason of the error.
func (r *room) says(asked Response, who approval.Voter, b approval.Ballot) (approval.Result, string) {
	r.t.Helper()
	result, err := r.engine.SubmitVerdict(r.t.Context(), asked.Approval.ID, who, b)
	return result, reasonOf(err)
}

// wantVote hands in a yes and checks its reason (of the error, or why it was not applied) and the state after it.
func (r *room) wantVote(asked Response, who approval.Voter, v approval.Verdict, reason string, state approval.State) {
	r.t.Helper()
	result, refused := r.says(asked, who, approval.Ballot{Verdict: v})
	if refused == "" {
		refused = result.Reason
	}
	if got := must[approval.Approval](r.t)(r.rooms.Approvals.Get(r.t.Context(), asked.Approval.ID)); refused != reason || got.State != state {
		r.t.Fatalf("%s says %s: %q, %s; want %q, %s", who.Subject, v, refused, got.State, reason, state)
	}
}

// TestThreat_B6_NobodyApprovesWhatTheyAskedFor: not with the credential that asked, not with another account of the person
// behind it, not as the agent, and not as the person who runs it.
func TestThreat_B6_NobodyApprovesWhatTheyAskedFor(t *testing.T) {
	r := newRoom(t)
	asker := gateway
	asker.Person, asker.Owner = "gus", "olga"
	asked, err := r.engine.Decide(t.Context(), asker, mail())
	if err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]approval.Voter{
		"the credential":                {Subject: "gateway"},
		"its person":                    {Subject: "gus"},
		"its person, by another name":   {Subject: "g.us@corp", Person: "GUS "},
		"the owner":                     {Subject: "olga"},
		"the owner, by another account": {Subject: "sso|77", Person: "Olga"},
		"the agent":                     {Subject: "demo-filtered"},
		"the agent, in other letters":   {Subject: "x", Person: "ＤＥＭＯ-filtered"},
	} {
		who.Tenant, who.Roles = "default", []identity.Role{identity.RoleApprover}
		for _, v := range []approval.Verdict{approval.Approve, approval.Reject} {
			if _, reason := r.says(asked, who, approval.Ballot{Verdict: v}); reason != "SELF_APPROVAL" {
				t.Errorf("%s: %s is %q", name, v, reason)
			}
		}
	}
	for name, roles := range map[string][]identity.Role{
		"an agent": {identity.RoleAgent}, "an agent that approves": {identity.RoleAgent, identity.RoleApprover},
		"a gateway": {identity.RoleGateway, identity.RoleApprover}, "an admin": {identity.RoleAdmin}, "nobody": nil,
	} {
		who := voter("eve")
		who.Roles = roles
		if _, reason := r.says(asked, who, approval.Ballot{Verdict: approval.Approve}); reason != "NOT_AN_APPROVER" {
			t.Errorf("%s: %q", name, reason)
		}
	}
	r.wantVote(asked, voter("ann"), approval.Approve, "", approval.Approved)
}

// TestThreat_B7_OnePersonCountsOnce, whatever they sign in with.
func TestThreat_B7_OnePersonCountsOnce(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"tools": []any{"send_email"}, "quorum": 2})))
	asked := r.decide(mail())
	r.wantVote(asked, voter("ann"), approval.Approve, "", approval.Pending)
	second := voter("ann-on-her-phone")
	second.Person = " ANN"
	r.wantVote(asked, second, approval.Approve, "ALREADY_VOTED", approval.Pending)
	r.wantVote(asked, voter("ＡＮＮ"), approval.Approve, "ALREADY_VOTED", approval.Pending)
	r.wantVote(asked, voter("bob"), approval.Approve, "", approval.Approved)
}

// TestThreat_B8_OneOfSeveralCanStopIt: two of three said yes would do; one no ends it.
func TestThreat_B8_OneOfSeveralCanStopIt(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"quorum": 2, "groups": []any{"finance"}})))
	asked := r.decide(mail())
	r.wantVote(asked, voter("ann", "finance"), approval.Approve, "", approval.Pending)
	r.wantVote(asked, voter("bob", "finance"), approval.Reject, "", approval.Rejected)
	r.wantVote(asked, voter("cal", "finance"), approval.Approve, "APPROVAL_REJECTED", approval.Rejected)
	redeem := mail()
	redeem.ApprovalID = asked.Approval.ID
	r.wantRefused("APPROVAL_REJECTED", redeem)
}

// TestThreat_B8_LargeAmountsNeedTwoPeople, and so does an amount that nobody can read.
func TestThreat_B8_LargeAmountsNeedTwoPeople(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"amount_at_least": 1000, "quorum": 2})))
	for amount, quorum := range map[string]int{`999`: 1, `999.01`: 2, `1000`: 2, `-5000`: 2, `"1,000"`: 2, `"plenty"`: 2} {
		asked := r.decide(call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "x", "amount": `+amount+`}`))
		if asked.Approval == nil || asked.Approval.Quorum != quorum {
			t.Errorf("%s: %+v, want a quorum of %d", amount, asked.Approval, quorum)
		}
	}
}

// TestThreat_B8_VerdictsFasterThanAnybodyReadsAreTold once, and nobody is locked out.
func TestThreat_B8_VerdictsFasterThanAnybodyReadsAreTold(t *testing.T) {
	r := newRoom(t, func(r *room) { r.config.VerdictsMax, r.config.VerdictsWithin = 3, time.Minute })
	for i := range 6 {
		asked := r.decide(mailTo(string(rune('a'+i)) + "@example.com"))
		r.wantVote(asked, voter("ann"), approval.Approve, "", approval.Approved)
	}
	if n := r.heard.anomalies["approver_rate"]; n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	r.pass(2 * time.Minute)
	for i := range 3 {
		r.wantVote(r.decide(mailTo(string(rune('n'+i))+"@example.com")), voter("ann"), approval.Approve, "", approval.Approved)
	}
	if n := r.heard.anomalies["approver_rate"]; n != 1 {
		t.Errorf("slow verdicts are told of: %d", n)
	}
}

var escalating = map[string]any{"ttl_seconds": 300, "stages": []any{
	map[string]any{"groups": []any{"first"}, "quorum": 2}, map[string]any{"after_seconds": 120, "groups": []any{"second"}, "quorum": 1},
}}

// TestThreat_B9_TimeAloneNeverMakesAYes: a stage whose quorum is complete before it opens waits for a vote.
func TestThreat_B9_TimeAloneNeverMakesAYes(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(escalating)))
	asked := r.decide(mail())
	both := voter("ann", "first", "second")
	r.wantVote(asked, voter("sam", "second"), approval.Approve, "STAGE_NOT_OPEN", approval.Pending)
	r.wantVote(asked, voter("eve", "third"), approval.Approve, "NOT_ASKED", approval.Pending)
	r.wantVote(asked, both, approval.Approve, "", approval.Pending)
	r.pass(120 * time.Second)
	a := must[approval.Approval](t)(r.rooms.Approvals.Get(t.Context(), asked.Approval.ID))
	if a.State != approval.Pending || a.Stage != 1 || a.Missing() != 1 {
		t.Fatalf("%s at stage %d with %d missing", a.State, a.Stage, a.Missing())
	}
	r.wantVote(asked, both, approval.Approve, "", approval.Approved) // says it again, for the stage that has opened
}

// TestThreat_B9_AnUnmetQuorumIsANo, however many said yes in time.
func TestThreat_B9_AnUnmetQuorumIsANo(t *testing.T) {
	for name, after := range map[string]time.Duration{"first stage": 0, "all stages": 200 * time.Second} {
		t.Run(name, func(t *testing.T) {
			row := maps.Clone(escalating)
			row["stages"] = []any{map[string]any{"quorum": 2}, map[string]any{"after_seconds": 120, "groups": []any{"second"}, "quorum": 2}}
			r := newRoom(t, withTables(approvalRows(row)))
			asked := r.decide(mail())
			r.pass(after)
			r.wantVote(asked, voter("ann", "second"), approval.Approve, "", approval.Pending)
			r.pass(300*time.Second - after)
			r.wantVote(asked, voter("bob", "second"), approval.Approve, "APPROVAL_EXPIRED", approval.Expired) // B10: recorded, and too late
			redeem := mail()
			redeem.ApprovalID = asked.Approval.ID
			r.wantRefused("APPROVAL_EXPIRED", redeem)
		})
	}
}

func TestEscalationAddsPeopleAndTakesNobodyAway(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(escalating)))
	r.pass(time.Second)
	asked := r.decide(mail())
	r.wantVote(asked, voter("ann", "first"), approval.Approve, "", approval.Pending)
	r.pass(130 * time.Second)
	r.wantVote(asked, voter("bob", "first"), approval.Approve, "", approval.Approved)

	other := r.decide(mailTo("bob@example.com"))
	r.pass(130 * time.Second)
	r.wantVote(other, voter("sam", "second"), approval.Approve, "", approval.Approved)
	early := r.decide(mailTo("cal@example.com"))
	r.wantVote(early, voter("sam", "second"), approval.Reject, "", approval.Rejected) // a no is never too early
}

// TestThreat_B5_PolicyChangesWhileItIsPending: a yes could be used by nobody, so it is not taken; a no is.
func TestThreat_B5_PolicyChangesWhileItIsPending(t *testing.T) {
	r := newRoom(t)
	asked := r.decide(mail())
	redeem := r.approved(mailTo("bob@example.com"))
	next := *r.snapshot()
	next.Revision = "r-next"
	r.holder.Swap(&next)
	r.wantVote(asked, voter("ann"), approval.Approve, "POLICY_CHANGED", approval.Pending)
	r.wantRefused("APPROVAL_MISMATCH", redeem)
	r.wantVote(asked, voter("ann"), approval.Reject, "", approval.Rejected)
}

// TestAnApproverPolicyThatFailsLetsNobodyThrough: undefined, of another type, failing.
func TestAnApproverPolicyThatFailsLetsNobodyThrough(t *testing.T) {
	const whole = "package portcullis.approval\n\n"
	const terms = `terms := {"ttl_seconds": 60, "stages": [{"after_seconds": 0, "quorum": 1, "groups": [], "roles": []}]}` + "\n"
	const vote = `vote := {"may_vote": true, "stages": [0], "code": "", "message": ""} if input.review.verdict != ""` + "\n"
	for name, c := range map[string]struct {
		module       string
		asked, voted string // codes
	}{
		"good":                 {terms + vote, "", ""},
		"terms undefined":      {`terms := {} if input.review.requested_by == "nobody"` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"terms wrong":          {`terms := {"ttl_seconds": 60, "stages": "all"} if input.review.requested_by != ""` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"no stages":            {`terms := {"ttl_seconds": 60, "stages": []} if input.review.requested_by != ""` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"first is not at once": {`terms := {"ttl_seconds": 60, "stages": [{"after_seconds": 9, "quorum": 1}]} if input.review.requested_by != ""` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"nobody needed":        {`terms := {"ttl_seconds": 60, "stages": [{"after_seconds": 0, "quorum": 0}]} if input.review.requested_by != ""` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"terms fail":           {`terms := {"ttl_seconds": to_number(input.review.requested_by), "stages": []} if input.review.requested_by != ""` + "\n" + vote, "APPROVER_POLICY_FAILED", ""},
		"vote undefined":       {terms + `vote := {"may_vote": true} if input.review.requested_by == "nobody"` + "\n", "", "APPROVER_POLICY_FAILED"},
		"vote is a boolean":    {terms + `vote := true if input.review.requested_by != ""` + "\n", "", "APPROVER_POLICY_FAILED"},
		"vote says a string":   {terms + `vote := {"may_vote": "true"} if input.review.requested_by != ""` + "\n", "", "APPROVER_POLICY_FAILED"},
		"vote has more":        {terms + `vote := {"may_vote": true, "stages": [0], "x": 1} if input.review.requested_by != ""` + "\n", "", "APPROVER_POLICY_FAILED"},
		"vote fails":           {terms + `vote := {"may_vote": to_number(input.review.requested_by) == 1} if input.review.requested_by != ""` + "\n", "", "APPROVER_POLICY_FAILED"},
		"vote for no stage":    {terms + `vote := {"may_vote": true, "stages": []} if input.review.verdict != ""` + "\n", "", "NO_OPEN_STAGE"},
		"vote for another":     {terms + `vote := {"may_vote": true, "stages": [3, -1]} if input.review.verdict != ""` + "\n", "", "NO_OPEN_STAGE"},
		"in its own words":     {terms + `vote := {"may_vote": false, "code": "GONE_HOME", "message": "Nobody is in."}` + "\n", "", "GONE_HOME"},
	} {
		t.Run(name, func(t *testing.T) {
			bundle, err := builtIn().Overlay(&policy.Bundle{Source: "own", Data: map[string]any{}, Modules: map[string]string{
				"portcullis/approval.rego": whole + c.module,
			}})
			if err != nil {
				t.Fatal(err)
			}
			r := newRoom(t, func(r *room) { r.holder.Swap(compiled(bundle)) })
			asked := r.decide(mail())
			if c.asked != "" {
				wantAnswer(t, asked, Deny, c.asked)
				return
			}
			wantAnswer(t, asked, RequireApproval, "RISK_NEEDS_APPROVAL")
			state := approval.Pending
			if c.voted == "" {
				state = approval.Approved
			}
			r.wantVote(asked, voter("ann"), approval.Approve, c.voted, state)
		})
	}
}

// TestVotesAtOnceAreRuledOnAsTheAskStands: as many as the quorum count, and none is lost.
func TestVotesAtOnceAreRuledOnAsTheAskStands(t *testing.T) {
	r := newRoom(t, withTables(approvalRows(map[string]any{"quorum": 5})))
	asked := r.decide(mail())
	said := make(chan string)
	people := []string{"ann", "bob", "cal", "dan", "eve", "fay", "gil", "hal"}
	for _, who := range people {
		go func() {
			result, err := r.engine.SubmitVerdict(t.Context(), asked.Approval.ID, voter(who), approval.Ballot{Verdict: approval.Approve})
			if err != nil {
				said <- err.Error()
				return
			}
			said <- result.Reason
		}()
	}
	var got []string
	for range people {
		got = append(got, <-said)
	}
	slices.Sort(got)
	if want := []string{"", "", "", "", "", "APPROVAL_APPROVED", "APPROVAL_APPROVED", "APPROVAL_APPROVED"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestAVerdictIsRuledOnAgainWhereSomebodyWasFaster: a policy may want the second yes from others than the first, and somebody
// votes between the ruling and the record.
func TestAVerdictIsRuledOnAgainWhereSomebodyWasFaster(t *testing.T) {
	bundle, err := builtIn().Overlay(&policy.Bundle{Source: "own", Data: map[string]any{}, Modules: map[string]string{"portcullis/approval.rego": `package portcullis.approval

terms := {"ttl_seconds": 60, "stages": [{"after_seconds": 0, "quorum": 2, "groups": [], "roles": []}]}

vote := {"may_vote": true, "stages": [0], "code": "", "message": ""} if {
	input.review.verdict == "approve"
	count(input.review.votes) == 0
} else := {"may_vote": true, "stages": [0], "code": "", "message": ""} if {
	"second" in input.review.voter.groups
} else := {"may_vote": false, "stages": [], "code": "SECOND_PAIR_OF_EYES", "message": "Others have to look now."}
`}})
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, func(r *room) { r.holder.Swap(compiled(bundle)) })
	asked := r.decide(mail())
	faster := func() {
		r.asks.onUpdate = nil
		r.wantVote(asked, voter("bob"), approval.Approve, "", approval.Pending)
	}
	r.asks.onUpdate = faster
	r.wantVote(asked, voter("ann"), approval.Approve, "SECOND_PAIR_OF_EYES", approval.Pending)
	r.wantVote(asked, voter("cal", "second"), approval.Approve, "", approval.Approved)
}
