package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

func (r *rig) reviews() portcullisv1.ApprovalServiceClient {
	return portcullisv1.NewApprovalServiceClient(r.conn)
}

const askID = "0190-ask"

func TestWatchVerdictIsForThoseWhomItConcerns(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID)
	r.approvals.add("0190-of-b", func(a *approval.Approval) { a.Agent = "b" })
	r.approvals.add("0190-by-gateway", func(a *approval.Approval) { a.RequestedBy = "gateway" })
	cases := []struct {
		token, id string
		seen      bool
	}{
		{"agent", askID, true},
		{"gateway", "0190-by-gateway", true},
		{"approver", askID, true},
		{"auditor", askID, true},
		{"admin", askID, true},
		{"agent", "0190-of-b", false},       // may not speak for that agent
		{"agent", "0190-by-gateway", false}, // another credential asked
		{"gateway", askID, false},
		{"other-agent", askID, false},
		{"other-approver", askID, false},
		{"other-admin", askID, false},
		{"agent", "0190-nothing", false},
	}
	var refusals []string
	for _, c := range cases {
		stream, err := r.decisions().WatchVerdict(r.as(c.token), &portcullisv1.WatchVerdictRequest{ApprovalId: c.id})
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		switch {
		case c.seen && (err != nil || first.GetApprovalId() != c.id || first.GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_PENDING || first.GetApprovalsMissing() != 1):
			t.Errorf("%s on %s: %v %v", c.token, c.id, first, err)
		case !c.seen:
			wantWire(t, err, codes.NotFound, "APPROVAL_NOT_FOUND", "approval_id")
			refusals = append(refusals, fmt.Sprint(err))
		}
	}
	for _, text := range refusals {
		if text != refusals[len(refusals)-1] { // the last one is of an approval that does not exist
			t.Errorf("the refusal tells that it exists: %s", text)
		}
	}
}

func TestTheVerdictStreamsAndTheStreamEnds(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.Heartbeat = time.Millisecond })
	r.approvals.add(askID)
	stream, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: askID})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || first.GetSequence() != 1 || first.GetHeartbeat() {
		t.Fatalf("the current state: %v %v", first, err)
	}
	if beat, err := stream.Recv(); err != nil || !beat.GetHeartbeat() || beat.GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_PENDING || beat.GetSequence() != 1 {
		t.Fatalf("a heartbeat: %v %v", beat, err)
	}
	comment := "fine\u202e by\x1b[2J me\n" + strings.Repeat("x", 3000)
	result, err := r.reviews().SubmitVerdict(r.as("approver"), &portcullisv1.SubmitVerdictRequest{
		ApprovalId: askID, Verdict: portcullisv1.Verdict_VERDICT_APPROVE, Comment: comment, ExpectedDigest: "pc1:aa",
	})
	if err != nil || !result.GetApplied() || result.GetApproval().GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED {
		t.Fatalf("%v %v", result, err)
	}
	var last *portcullisv1.WatchVerdictResponse
	for {
		next, err := stream.Recv()
		if err != nil {
			break
		}
		last = next
	}
	want := "fine by[2J me " + strings.Repeat("x", 986)
	if last.GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED || last.GetSequence() != 2 || last.GetComment() != want {
		t.Errorf("the last message: %v", last)
	}
	if got := r.approvals.comments[0]; got != want || len([]rune(got)) != 1000 {
		t.Errorf("the comment that was kept has %d characters: %q", len([]rune(got)), got)
	}
	again, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: askID, AfterSequence: 1})
	if err != nil {
		t.Fatal(err)
	}
	if resumed, err := again.Recv(); err != nil || resumed.GetSequence() != 2 {
		t.Errorf("resumed: %v %v", resumed, err)
	}
	beyond, err := r.decisions().WatchVerdict(r.as("agent"), &portcullisv1.WatchVerdictRequest{ApprovalId: askID, AfterSequence: 99})
	if err != nil {
		t.Fatal(err)
	}
	_, err = beyond.Recv()
	wantWire(t, err, codes.OutOfRange, "CURSOR_OUT_OF_RANGE", "")
}

func TestSubmitVerdictRefusals(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID)
	r.approvals.add("0190-own", func(a *approval.Approval) { a.RequestedBy = "approver" })
	approve := portcullisv1.Verdict_VERDICT_APPROVE
	cases := []struct {
		name, token   string
		in            *portcullisv1.SubmitVerdictRequest
		code          codes.Code
		reason, field string
	}{
		{"no verdict", "approver", &portcullisv1.SubmitVerdictRequest{ApprovalId: askID}, codes.InvalidArgument, "INVALID_FIELD", "verdict"},
		{"no id", "approver", &portcullisv1.SubmitVerdictRequest{Verdict: approve}, codes.InvalidArgument, "INVALID_FIELD", "approval_id"},
		{"unknown", "approver", &portcullisv1.SubmitVerdictRequest{ApprovalId: "0190-no", Verdict: approve}, codes.NotFound, "APPROVAL_NOT_FOUND", "approval_id"},
		{"another tenant's", "other-approver", &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: approve}, codes.NotFound, "APPROVAL_NOT_FOUND", "approval_id"},
		{"one's own", "approver", &portcullisv1.SubmitVerdictRequest{ApprovalId: "0190-own", Verdict: approve}, codes.PermissionDenied, "SELF_APPROVAL", ""},
		{"another digest", "approver", &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: approve, ExpectedDigest: "pc1:bb"}, codes.FailedPrecondition, "DIGEST_MISMATCH", "expected_digest"},
		{"an admin", "admin", &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: approve}, codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"an agent that is an approver", "both", &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: approve}, codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.reviews().SubmitVerdict(r.as(c.token), c.in)
			wantWire(t, err, c.code, c.reason, c.field)
		})
	}
	if len(r.approvals.comments) != 0 {
		t.Error("a refused verdict was counted")
	}
}

func TestALateVerdictIsAnAnswer(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID, func(a *approval.Approval) { a.State = approval.Approved })
	out, err := r.reviews().SubmitVerdict(r.as("approver"), &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: portcullisv1.Verdict_VERDICT_REJECT})
	if err != nil || out.GetApplied() || out.GetReason() == "" || out.GetApproval().GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_APPROVED {
		t.Errorf("%v %v", out, err)
	}
}

func TestReadingApprovals(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID)
	r.approvals.add("0190-ended", func(a *approval.Approval) { a.State = approval.Rejected })
	r.approvals.add("0190-theirs", func(a *approval.Approval) { a.Tenant = "other" })
	list, err := r.reviews().ListApprovals(r.as("auditor"), &portcullisv1.ListApprovalsRequest{})
	if err != nil || len(list.GetApprovals()) != 2 || list.GetNextPageToken() != "next" {
		t.Errorf("list: %v %v", list, err)
	}
	list, err = r.reviews().ListApprovals(r.as("auditor"), &portcullisv1.ListApprovalsRequest{
		States: []portcullisv1.ApprovalState{portcullisv1.ApprovalState_APPROVAL_STATE_REJECTED}, Agent: "a",
	})
	if err != nil || len(list.GetApprovals()) != 1 || list.GetApprovals()[0].GetId() != "0190-ended" {
		t.Errorf("filtered: %v %v", list, err)
	}
	_, err = r.reviews().ListApprovals(r.as("auditor"), &portcullisv1.ListApprovalsRequest{States: make([]portcullisv1.ApprovalState, 1)})
	wantWire(t, err, codes.InvalidArgument, "INVALID_FIELD", "states")

	one, err := r.reviews().GetApproval(r.as("approver"), &portcullisv1.GetApprovalRequest{ApprovalId: askID})
	if err != nil || one.GetView().GetActionJson() != `{"tool":"⟦masked 4 bytes⟧_email"}` ||
		one.GetView().GetMasked() != 1 || one.GetView().GetAgentSays() != "it is fine" || one.GetApproval().GetKind() != portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL {
		t.Errorf("pending: %v %v", one, err)
	}
	one, err = r.reviews().GetApproval(r.as("approver"), &portcullisv1.GetApprovalRequest{ApprovalId: "0190-ended"})
	if err != nil || one.GetView() != nil || one.GetApproval().GetId() != "0190-ended" {
		t.Errorf("ended: %v %v", one, err)
	}
	_, err = r.reviews().GetApproval(r.as("approver"), &portcullisv1.GetApprovalRequest{ApprovalId: "0190-theirs"})
	wantWire(t, err, codes.NotFound, "APPROVAL_NOT_FOUND", "approval_id")
}

// TestThreat_B17_WhatIsCutMustBeReadFirst: a yes to an action of more than a page needs the voter's word; a no does not.
func TestThreat_B17_WhatIsCutMustBeReadFirst(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID, func(a *approval.Approval) { a.ActionBytes = 1 << 20 })
	r.approvals.add("0190-long", func(a *approval.Approval) { a.ActionBytes = 1 << 20 })
	one, err := r.reviews().GetApproval(r.as("approver"), &portcullisv1.GetApprovalRequest{ApprovalId: askID, Offset: 1<<20 - 16})
	if v := one.GetView(); err != nil || !v.GetTruncated() || v.GetActionBytes() != 1<<20 || v.GetActionJson() != "0123456789abcdef" || v.GetNextOffset() != 0 {
		t.Errorf("the last page: %v %v", one.GetView(), err)
	}
	yes := &portcullisv1.SubmitVerdictRequest{ApprovalId: askID, Verdict: portcullisv1.Verdict_VERDICT_APPROVE}
	_, err = r.reviews().SubmitVerdict(r.as("approver"), yes)
	wantWire(t, err, codes.FailedPrecondition, "NOT_SEEN_IN_FULL", "seen_in_full")
	yes.SeenInFull = true
	if out, err := r.reviews().SubmitVerdict(r.as("approver"), yes); err != nil || !out.GetApplied() {
		t.Errorf("%v %v", out, err)
	}
	no := &portcullisv1.SubmitVerdictRequest{ApprovalId: "0190-long", Verdict: portcullisv1.Verdict_VERDICT_REJECT}
	if out, err := r.reviews().SubmitVerdict(r.as("approver"), no); err != nil || !out.GetApplied() {
		t.Errorf("%v %v", out, err)
	}
}

// TestARevealIsOnRecordOrRefused: what is masked is shown to people who may vote, once it is written down.
func TestARevealIsOnRecordOrRefused(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID)
	r.approvals.add("0190-theirs", func(a *approval.Approval) { a.Tenant = "other" })
	r.approvals.add("0190-ended", func(a *approval.Approval) { a.State = approval.Approved })
	ask := func(token, id, reason string) (*portcullisv1.RevealApprovalResponse, error) {
		return r.reviews().RevealApproval(r.as(token), &portcullisv1.RevealApprovalRequest{ApprovalId: id, Reason: reason})
	}
	for _, c := range []struct {
		token, id, why string
		code           codes.Code
		reason, field  string
	}{
		{"agent", askID, "x", codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"gateway", askID, "x", codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"auditor", askID, "x", codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"admin", askID, "x", codes.PermissionDenied, "ROLE_NOT_ALLOWED", ""},
		{"approver", "0190-theirs", "x", codes.NotFound, "APPROVAL_NOT_FOUND", "approval_id"},
		{"approver", "0190-ended", "x", codes.FailedPrecondition, "APPROVAL_ENDED", ""},
		{"approver", askID, " \n", codes.InvalidArgument, "INVALID_FIELD", "reason"},
	} {
		_, err := ask(c.token, c.id, c.why)
		wantWire(t, err, c.code, c.reason, c.field)
	}
	if len(r.approvals.reveals) != 0 {
		t.Errorf("what was refused is on record: %q", r.approvals.reveals)
	}
	out, err := ask("approver", askID, "the name\u202e looks odd")
	if err != nil || out.GetView().GetActionJson() != `{"tool":"send_email"}` || out.GetView().GetMasked() != 0 {
		t.Errorf("%v %v", out, err)
	}
	if len(r.approvals.reveals) != 1 || r.approvals.reveals[0] != "approver "+askID+" 0 the name looks odd" {
		t.Errorf("on record: %q", r.approvals.reveals)
	}
	r.approvals.unrecorded = approval.Unrecorded(errBroken)
	_, err = ask("approver", askID, "again")
	wantWire(t, err, codes.Unavailable, "STATE_UNAVAILABLE", "")
}

func TestWatchApprovalsIsOfOneTenant(t *testing.T) {
	r := start(t, nil)
	r.approvals.add("0190-theirs", func(a *approval.Approval) { a.Tenant = "other" })
	r.approvals.add(askID)
	stream, err := r.reviews().WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := stream.Recv(); err != nil || e.GetApproval().GetId() != askID {
		t.Fatalf("%v %v", e, err)
	}
	r.approvals.add("0190-next")
	if e, err := stream.Recv(); err != nil || e.GetApproval().GetId() != "0190-next" || e.GetCursor() != 2 {
		t.Fatalf("%v %v", e, err)
	}
	old, err := r.reviews().WatchApprovals(r.as("approver"), &portcullisv1.WatchApprovalsRequest{AfterCursor: 5000})
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.Recv()
	wantWire(t, err, codes.OutOfRange, "CURSOR_OUT_OF_RANGE", "")
}

// TestApprovalErrorsBecomeCodes has one row for every sort of error of the queue; ErrState's text is not told.
func TestApprovalErrorsBecomeCodes(t *testing.T) {
	r := start(t, nil)
	r.approvals.add(askID)
	cases := []struct {
		err    error
		code   codes.Code
		reason string
	}{
		{approval.ErrUsed, codes.FailedPrecondition, "APPROVAL_USED"},
		{approval.ErrExpired, codes.FailedPrecondition, "APPROVAL_EXPIRED"},
		{approval.ErrMismatch, codes.FailedPrecondition, "APPROVAL_MISMATCH"},
		{approval.ErrSlow, codes.ResourceExhausted, "SLOW_READER"},
		{approval.ErrTooManyWatchers, codes.ResourceExhausted, "TOO_MANY_WATCHERS"},
		{approval.ErrNotApprover, codes.PermissionDenied, "NOT_AN_APPROVER"},
		{fmt.Errorf("secret: %w", limit.ErrUnavailable), codes.Unavailable, "STATE_UNAVAILABLE"},
		{fmt.Errorf("read: %w", errBroken), codes.Internal, "INTERNAL"},
		{&approval.Error{Problem: approval.Unavailable, Reason: "STATE_UNAVAILABLE", Detail: "secret"}, codes.Unavailable, "STATE_UNAVAILABLE"},
	}
	for _, c := range cases {
		f, _ := explain(c.err)
		if f.code != c.code || f.reason != c.reason || strings.Contains(f.Error(), "secret") {
			t.Errorf("%v became %v %s %q", c.reason, f.code, f.reason, f.Error())
		}
	}
}

// TestManyVerdictsEachForItself: each is bound to its digest and has its own result; one that fails changes nothing for the
// others.
func TestManyVerdictsEachForItself(t *testing.T) {
	r := start(t, nil)
	r.approvals.add("0190-a")
	r.approvals.add("0190-b")
	r.approvals.add("0190-c", func(a *approval.Approval) { a.Tenant = "other" })
	approve := portcullisv1.Verdict_VERDICT_APPROVE
	one := func(id, digest string) *portcullisv1.SubmitVerdictRequest {
		return &portcullisv1.SubmitVerdictRequest{ApprovalId: id, Verdict: approve, ExpectedDigest: digest}
	}
	many := &portcullisv1.SubmitVerdictsRequest{Verdicts: []*portcullisv1.SubmitVerdictRequest{
		one("0190-a", "pc1:aa"), one("0190-b", "pc1:other"), one("0190-b", ""), one("0190-c", "pc1:aa"), one("0190-nothing", "pc1:aa"),
		{ApprovalId: "0190-b", ExpectedDigest: "pc1:aa"},
		one("0190-b", "pc1:aa"), one("0190-b", "pc1:aa"),
	}}
	client := r.reviews()
	out, err := client.SubmitVerdicts(r.as("approver"), many)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, result := range out.GetResults() {
		if e := result.GetError(); e != nil {
			got = append(got, e.GetCode()+" "+e.GetReason())
			continue
		}
		got = append(got, fmt.Sprint(result.GetResponse().GetApplied()))
	}
	want := []string{
		"true", "FAILED_PRECONDITION DIGEST_MISMATCH", "INVALID_ARGUMENT DIGEST_NEEDED", "NOT_FOUND APPROVAL_NOT_FOUND",
		"NOT_FOUND APPROVAL_NOT_FOUND", "INVALID_ARGUMENT INVALID_FIELD", "true", "false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	for name, verdicts := range map[string][]*portcullisv1.SubmitVerdictRequest{
		"none": nil, "too many": slices.Repeat([]*portcullisv1.SubmitVerdictRequest{one("0190-a", "pc1:aa")}, 101),
	} {
		if _, err := client.SubmitVerdicts(r.as("approver"), &portcullisv1.SubmitVerdictsRequest{Verdicts: verdicts}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.SubmitVerdicts(r.as("agent"), many); status.Code(err) != codes.PermissionDenied {
		t.Errorf("an agent: %v", err)
	}
}
