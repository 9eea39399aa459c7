package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	pending   = pb.ApprovalState_APPROVAL_STATE_PENDING
	approved  = pb.ApprovalState_APPROVAL_STATE_APPROVED
	rejected  = pb.ApprovalState_APPROVAL_STATE_REJECTED
	expired   = pb.ApprovalState_APPROVAL_STATE_EXPIRED
	cancelled = pb.ApprovalState_APPROVAL_STATE_CANCELLED
)

// hear collects the states of an approval until its stream ends, which it must by itself.
func hear(t *testing.T, a agent, id string) <-chan []pb.ApprovalState {
	t.Helper()
	stream, err := a.WatchVerdict(t.Context(), &pb.WatchVerdictRequest{ApprovalId: id})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatalf("the state is not sent at once: %v", err)
	}
	out := make(chan []pb.ApprovalState, 1)
	go func() {
		states := []pb.ApprovalState{first.GetState()}
		defer func() { out <- states }()
		for {
			change, err := stream.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the stream broke: %v", err)
				}
				return
			}
			if !change.GetHeartbeat() {
				states = append(states, change.GetState())
			}
		}
	}()
	return out
}

func heard(t *testing.T, states <-chan []pb.ApprovalState, want ...pb.ApprovalState) {
	t.Helper()
	select {
	case got := <-states:
		if !slices.Equal(got, want) {
			t.Fatalf("heard %v, want %v", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the stream did not end; want %v", want)
	}
}

func TestAskApproveRedeemOnce(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a := p.agent(t)
	s := session(t)
	asked := a.wants(t, email(s), ask, "RISK_NEEDS_APPROVAL")
	id := asked.GetApproval().GetId()
	if left := time.Until(asked.GetApproval().GetExpiresAt().AsTime()); left < 4*time.Minute || left > 5*time.Minute {
		t.Errorf("expires in %s, want 300 s", left)
	}
	states := hear(t, a, id)

	list := p.grpcurl(t, p.approverToken(), `{"states": ["APPROVAL_STATE_PENDING"]}`, "ApprovalService/ListApprovals").ok(t)
	show := p.grpcurl(t, p.approverToken(), `{"approval_id": "`+id+`"}`, "ApprovalService/GetApproval").ok(t)
	if !strings.Contains(list.out, id) || !strings.Contains(show.out, "ann@example.com") || !strings.Contains(show.out, asked.GetActionDigest()) {
		t.Fatalf("the reviewer does not see it:\n%s\n%s", list.out, show.out)
	}
	verdict := `{"approval_id": "` + id + `", "verdict": "VERDICT_APPROVE", "comment": "fine"}`
	for _, token := range []string{p.agentToken(), p.adminToken()} { // threats B6, B12
		if got := p.grpcurl(t, token, verdict, "ApprovalService/SubmitVerdict"); got.code == 0 || !strings.Contains(got.err, "PermissionDenied") {
			t.Fatalf("approved with %s: %s%s", token, got.out, got.err)
		}
	}
	_, err := pb.NewDecisionServiceClient(p.dial(t, p.approverToken())).Decide(t.Context(), email(s))
	refused(t, err, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	_, err = a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_PENDING")

	if got := p.grpcurl(t, p.approverToken(), verdict, "ApprovalService/SubmitVerdict").ok(t); !strings.Contains(got.out, `"applied": true`) {
		t.Fatalf("not applied: %s", got.out)
	}
	heard(t, states, pending, approved)

	redeemed := a.wants(t, redeem(email(s), id), allow)
	if redeemed.GetActionDigest() != asked.GetActionDigest() {
		t.Errorf("another action was allowed than was asked for")
	}
	_, err = a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_USED")
}

// TestThreat_B1_AnApprovalCoversOneAction changes one thing at a time; then the action itself is still redeemed.
func TestThreat_B1_AnApprovalCoversOneAction(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a := p.agent(t)
	s := session(t)
	id := a.wants(t, email(s), ask).GetApproval().GetId()
	p.cli(t, "approvals", "approve", id).ok(t)
	for name, change := range map[string]func(*pb.DecideRequest){
		"arguments": func(r *pb.DecideRequest) {
			r.Action.Args = &pb.Action_ArgumentsJson{ArgumentsJson: `{"to": "eve@example.com", "body": "Lunch?"}`}
		},
		"tool":          func(r *pb.DecideRequest) { r.Action.Tool = "file_delete" },
		"server":        func(r *pb.DecideRequest) { r.Action.Server = "elsewhere" },
		"schema digest": func(r *pb.DecideRequest) { r.Action.SchemaDigest = "00" },
		"agent":         func(r *pb.DecideRequest) { r.Principal.Agent = "demo-operator" },
		"session":       func(r *pb.DecideRequest) { r.Principal.Session += "-2" },
		"a higher cost": func(r *pb.DecideRequest) { r.Action.Estimate = &pb.Usage{CostMicroUsd: 101} }, // one more than the default
	} {
		req := redeem(email(s), id)
		change(req)
		if _, err := a.Decide(t.Context(), req); err == nil {
			t.Errorf("%s: redeemed", name)
		} else {
			refused(t, err, codes.FailedPrecondition, "APPROVAL_MISMATCH")
		}
	}
	a.wants(t, redeem(email(s), id), allow)
}

func TestReject(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a := p.agent(t)
	s := session(t)
	id := a.wants(t, email(s), ask).GetApproval().GetId()
	states := hear(t, a, id)
	p.cli(t, "approvals", "reject", id, "-m", "not this account").ok(t)
	heard(t, states, pending, rejected)
	_, err := a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_REJECTED")
	if late := p.cli(t, "approvals", "approve", id); late.code != 3 || !strings.Contains(late.out, "REJECTED") {
		t.Fatalf("a verdict after the verdict: code %d %s%s", late.code, late.out, late.err)
	}
	shown := p.cli(t, "approvals", "show", id).ok(t)
	if !strings.Contains(shown.out, "not this account") || strings.Contains(shown.out, "ann@example.com") {
		t.Fatalf("an ended approval shows its votes and not its action:\n%s", shown.out)
	}
}

// TestThreat_B10_SilenceIsANo waits until an ask runs out; a verdict after that changes nothing.
func TestThreat_B10_SilenceIsANo(t *testing.T) {
	t.Parallel()
	p := hasty.get(t)
	a := p.agent(t)
	s := session(t)
	id := a.wants(t, email(s), ask).GetApproval().GetId()
	heard(t, hear(t, a, id), pending, expired)
	late := p.cli(t, "approvals", "approve", id, "--json")
	var answer struct {
		Applied  bool
		Reason   string
		Approval struct{ State string }
	}
	if err := json.Unmarshal([]byte(late.out), &answer); err != nil || late.code != 3 || answer.Applied || answer.Approval.State != expired.String() {
		t.Fatalf("a late verdict: code %d %v %+v %s", late.code, err, answer, late.err)
	}
	_, err := a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_EXPIRED")
}

func TestUnknownApproval(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a, people := p.agent(t), p.approver(t)
	const nobody = "01890000-0000-7000-8000-000000000000"
	_, err := a.Decide(t.Context(), redeem(email(session(t)), nobody))
	refused(t, err, codes.NotFound, "APPROVAL_NOT_FOUND")
	_, err = people.GetApproval(t.Context(), &pb.GetApprovalRequest{ApprovalId: nobody})
	refused(t, err, codes.NotFound, "APPROVAL_NOT_FOUND")
	_, err = people.SubmitVerdict(t.Context(), &pb.SubmitVerdictRequest{ApprovalId: nobody, Verdict: pb.Verdict_VERDICT_APPROVE})
	refused(t, err, codes.NotFound, "APPROVAL_NOT_FOUND")
	stream, err := a.WatchVerdict(t.Context(), &pb.WatchVerdictRequest{ApprovalId: nobody})
	if err == nil {
		_, err = stream.Recv()
	}
	refused(t, err, codes.NotFound, "APPROVAL_NOT_FOUND")
}

// TestThreat_B1_DigestOfWhatWasSeen: a reviewer who names the digest approves that and nothing else.
func TestThreat_B1_DigestOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a := p.agent(t)
	asked := a.wants(t, email(session(t)), ask)
	id := asked.GetApproval().GetId()
	if got := p.cli(t, "approvals", "approve", id, "--digest", "pc1:00"); got.code != 1 || !strings.Contains(got.err, "DIGEST_MISMATCH") {
		t.Fatalf("approved another digest: %d %s%s", got.code, got.out, got.err)
	}
	p.cli(t, "approvals", "approve", id, "--digest", asked.GetActionDigest()).ok(t)
}

// TestWatchApprovals sees an ask and its end, on the stream and in the terminal's list.
func TestWatchApprovals(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	stream, err := p.approver(t).WatchApprovals(t.Context(), &pb.WatchApprovalsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	id := p.agent(t).wants(t, email(session(t)), ask).GetApproval().GetId()
	seen := func() pb.ApprovalState { return next(t, stream, id) }
	if got := seen(); got != pending {
		t.Fatalf("%s, want pending", got)
	}
	if list := p.cli(t, "approvals", "list", "--agent", "demo-filtered").ok(t); !strings.Contains(list.out, id) {
		t.Fatalf("not listed:\n%s", list.out)
	}
	p.cli(t, "approvals", "reject", id).ok(t)
	if got := seen(); got != rejected {
		t.Fatalf("%s, want rejected", got)
	}
	if list := p.cli(t, "approvals", "list").ok(t); strings.Contains(list.out, id) {
		t.Fatalf("still listed:\n%s", list.out)
	}
	if list := p.cli(t, "approvals", "list", "--all").ok(t); !strings.Contains(list.out, id) {
		t.Fatalf("not listed with --all:\n%s", list.out)
	}
}

// next is the next change of one approval among all.
func next(t *testing.T, stream grpc.ServerStreamingClient[pb.WatchApprovalsResponse], id string) pb.ApprovalState {
	t.Helper()
	for {
		change, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if change.GetApproval().GetId() == id {
			return change.GetApproval().GetState()
		}
	}
}

// TestThreat_B14_AReviewerChangesArguments: decided anew, the tool stays, and the agent gets what it may do; into what is
// denied nobody can edit.
func TestThreat_B14_AReviewerChangesArguments(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a, s := p.agent(t), session(t)
	request := func() *pb.DecideRequest {
		return call("demo-filtered", s, "send_email", `{"to": "all@example.com", "body": "Lunch?"}`)
	}
	asked := a.wants(t, request(), ask)
	id, digest := asked.GetApproval().GetId(), asked.GetActionDigest()
	if got := p.feed(t, `{"to": "ann@example.com"`, "approvals", "approve", id, "--digest", digest, "--arguments", "-"); got.code != 1 {
		t.Errorf("arguments that are no JSON: %d %s%s", got.code, got.out, got.err)
	}
	if got := p.feed(t, `{"to": "ann@example.com", "body": "`+awsKey+`"}`, "approvals", "approve", id, "--digest", digest, "--arguments", "-"); got.code != 3 || !strings.Contains(got.err, "EDIT_DENIED") || !strings.Contains(got.err, "CREDENTIAL_FOUND") {
		t.Errorf("edited into what is denied: %d %s%s", got.code, got.out, got.err)
	}
	p.feed(t, `{"to": "ann@example.com", "body": "Lunch?"}`, "approvals", "approve", id, "--digest", digest, "--arguments", "-").ok(t)
	got := a.wants(t, redeem(request(), id), allow)
	if got.GetEffectiveArgumentsJson() != `{"body":"Lunch?","to":"ann@example.com"}` {
		t.Errorf("to do instead: %s", got.GetEffectiveArgumentsJson())
	}
	if _, err := a.Decide(t.Context(), redeem(request(), id)); err == nil {
		t.Error("used twice")
	}
}
