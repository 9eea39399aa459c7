package policy

import (
	"strings"
	"testing"
	"time"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

const (
	smallAsk = "package portcullis.rules.asking\n\nask contains \"x\" if input.action.tool == \"add\"\n"
	termsOk  = `terms := {"ttl_seconds": 60, "stages": [{"after_seconds": 0, "quorum": 1, "groups": [], "roles": []}]}` + "\n\n"
	voteOk   = `vote := {"may_vote": true, "stages": [0], "code": "", "message": ""} if input.review.voter.person == "ann"` + "\n\n"
)

// approver is a small bundle that asks, with an approver policy of this text.
func approver(tb testing.TB, text string) *Bundle {
	tb.Helper()
	b := small(tb)
	b.Modules["rules/asking.rego"] = smallAsk
	if text != "" {
		b.Modules["portcullis/approval.rego"] = "package portcullis.approval\n\n" + text
	}
	return b
}

func TestTheApproverPolicyIsCheckedAtLoad(t *testing.T) {
	load(t, approver(t, termsOk+voteOk))
	load(t, small(t)) // asks for nobody
	for name, c := range map[string]struct {
		bundle *Bundle
		says   []string
	}{
		"none, and rules ask":           {approver(t, ""), []string{"no module defines data.portcullis.approval.terms", "data.portcullis.approval.vote"}},
		"no vote":                       {approver(t, termsOk), []string{"no module defines data.portcullis.approval.vote"}},
		"a rule that feeds nothing":     {approver(t, termsOk+voteOk+"vot := 1\n"), []string{"rule vot feeds nothing"}},
		"what is empty there":           {approver(t, termsOk+strings.Replace(voteOk, "input.review.voter.person", "input.session.started_at", 1)), []string{"input.session.started_at", "empty when people are asked"}},
		"the arguments":                 {approver(t, termsOk+"vote := {\"may_vote\": true} if input.action.arguments.x\n"), []string{"input.action.arguments"}},
		"roles of the asker":            {approver(t, termsOk+"vote := {\"may_vote\": true} if \"agent\" in input.principal.roles\n"), []string{"input.principal.roles"}},
		"a field that is not there":     {approver(t, termsOk+"vote := {\"may_vote\": true} if input.review.votr\n"), []string{"votr"}},
		"the clock":                     {approver(t, termsOk+"vote := {\"may_vote\": time.now_ns() > 1}\n"), []string{"time.now_ns"}},
		"everybody may vote on nothing": {approver(t, termsOk+`vote := {"may_vote": true, "stages": [0], "code": "", "message": ""}`+"\n"), []string{"trial vote"}},
		"terms of another shape":        {approver(t, "terms := 7\n\n"+voteOk), []string{"how people are asked", ReasonBadDecision}},
		"more than it may lay down":     {approver(t, `terms := {"ttl_seconds": 90000, "stages": []}`+"\n\n"+voteOk), []string{ReasonBadDecision}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), c.bundle, LoadOptions{Toolchain: tools(), Now: time.Now})
			wantError(t, err, c.says...)
		})
	}
}

// TestNoDecisionLeansOnTheApproverPolicy: it is not part of what a memo entry is found by.
func TestNoDecisionLeansOnTheApproverPolicy(t *testing.T) {
	for name, c := range map[string]struct{ rule, says string }{
		"by name":        {`deny contains "x" if data.portcullis.approval.terms.ttl_seconds > 1`, "is evaluated by itself only"},
		"by any name":    {`deny contains "x" if { some name; data.portcullis[name].terms }`, "is evaluated by itself only"},
		"its input, too": {`deny contains "x" if input.review.amount > 1`, "input.review"},
	} {
		t.Run(name, func(t *testing.T) {
			b := approver(t, termsOk+voteOk)
			b.Modules["rules/leaning.rego"] = "package portcullis.rules.leaning\n\n" + c.rule + "\n"
			_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
			wantError(t, err, c.says)
		})
	}
	s := load(t, approver(t, termsOk+"vote := {\"may_vote\": true} if input.principal.user == \"x\"\n"))
	if len(s.paths.children) == 0 || reads(inputPathsOf(t, approver(t, termsOk+"vote := {\"may_vote\": true} if input.principal.user == \"x\"\n")), "principal", "user") {
		t.Error("what the approver policy reads is part of the memo's key")
	}
}

func inputPathsOf(t *testing.T, b *Bundle) [][]string {
	t.Helper()
	c, err := tools().compile(b)
	if err != nil {
		t.Fatal(err)
	}
	return inputPaths(c)
}

// TestReviewIsNotInADecision: a rule that looked at it would see nothing, so it is undefined there.
func TestReviewIsNotInADecision(t *testing.T) {
	v, err := call("add").value(false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(v.String(), `"review"`) {
		t.Error("a decision sees a review")
	}
	in := call("add")
	in.Review = &policyv1.Review{}
	if v, err = in.value(false); err != nil || !strings.Contains(v.String(), `"review"`) || !strings.Contains(v.String(), `"elapsed_seconds": 0`) {
		t.Errorf("a review sees %s, %v", v, err)
	}
}

func TestTheTableOfApproversIsChecked(t *testing.T) {
	head := `"profiles":{"profiles":[{"name":"p","approve_high":"always","tools":["x"]}]},"tools":{"tools":[]},"blocked":{"tools":[]},"risk":{"levels":[{"name":"HIGH","rank":1,"approval":true}],"default_level":"HIGH","provable_up_to":"HIGH"},"approvals":{"default":{"ttl_seconds":300,"quorum":1},"levels":[],`
	rows := func(text string) string { return head + `"rows":[` + text + `]}` }
	for text, says := range map[string]string{
		rows(`{"name":"a","tools":["x"],"quorum":2,"stages":[{"quorum":1},{"after_seconds":60,"groups":["g"]}]}`): "",
		head + `"fallback":{"after_seconds":60,"groups":["g"]}}`:                                                  "",
		rows(`{"tools":["x"]}`):                                                    "a row has no name",
		rows(`{"name":"a"},{"name":"a"}`):                                          "stands there twice",
		rows(`{"name":"a","tool":"x"}`):                                            "unknown field",
		rows(`{"name":"a","tools":["x","y"]}`):                                     "knows the tool y",
		rows(`{"name":"a","tools":[]}`):                                            "tools is empty",
		rows(`{"name":"a","tools":"x"}`):                                           "cannot unmarshal",
		rows(`{"name":"a","risks":["LOW"]}`):                                       "risk \"LOW\" is none of",
		rows(`{"name":"a","kinds":["CALL"]}`):                                      "no kind of action",
		rows(`{"name":"a","quorum":0}`):                                            "quorum is 1 to 10",
		rows(`{"name":"a","ttl_seconds":86401}`):                                   "ttl_seconds is 1 to 86400",
		rows(`{"name":"a","amount_at_least":-1}`):                                  "amount_at_least is negative",
		rows(`{"name":"a","groups":[]}`):                                           "groups has 1 to 20 names",
		rows(`{"name":"a","roles":["boss"]}`):                                      "role \"boss\" is none of",
		rows(`{"name":"a","stages":[]}`):                                           "1 to 4 stages",
		rows(`{"name":"a","groups":["g"],"stages":[{"quorum":1}]}`):                "not beside them",
		rows(`{"name":"a","stages":[{"after_seconds":1}]}`):                        "the first stage opens at once",
		rows(`{"name":"a","stages":[{},{"after_seconds":9},{"after_seconds":9}]}`): "later than the one before",
		rows(`{"name":"a","stages":[{},{"after_seconds":9,"quorum":11}]}`):         "quorum is 1 to 10",
		head + `"fallback":{"groups":["g"]}}`:                                      "after_seconds, from 1",
		head + `"fallback":{"after_seconds":60}}`:                                  "groups or roles must be given",
	} {
		err := checkShapes(tree(t, `{"tables":{`+text+`}}`), nil)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", text[len(head):], err, says)
		}
	}
}
