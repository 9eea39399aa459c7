package decision

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

func TestThreat_B1_AnApprovalIsForOneAction(t *testing.T) {
	tool := mail()
	tool.Principal.Agent = "demo-operator"
	tool.Action.Server, tool.Action.SchemaDigest = "mail-server", "abc"
	tool.Action.Content, tool.Action.InReplyTo, tool.Action.FromAgent = "text", "d1", "agent"
	tool.Action.Estimate = action.Usage{CostMicroUSD: 100, Tokens: 10}
	tool.Principal.Run, tool.Principal.User = "run", "user"
	request := tool
	request.Action.Kind, request.Action.Tool = action.KindHTTPRequest, ""
	request.Action.HTTP = &action.HTTPRequest{Method: "GET", URL: "https://a.example/", Headers: []action.Header{{Name: "a", Value: "b"}}, Body: "x"}

	asks := tuned(t, map[string]any{
		"tools":    map[string]any{"tools": []any{map[string]any{"tool": "http_request", "risk": "HIGH"}}},
		"profiles": map[string]any{"profiles": []any{map[string]any{"name": "filtered", "tools": []any{"send_email", "http_request"}}}},
	})
	with := func(change func(*action.Action)) func(*Request) { return func(req *Request) { change(&req.Action) } }
	web := func(change func(*action.HTTPRequest)) func(*Request) {
		return with(func(a *action.Action) { h := *a.HTTP; h.Headers = slices.Clone(h.Headers); change(&h); a.HTTP = &h })
	}
	for _, c := range []struct {
		about string
		base  Request
		fits  bool
		edits map[string]func(*Request)
	}{
		{"tool call", tool, false, map[string]func(*Request){
			"kind":          with(func(a *action.Action) { a.Kind = action.KindMessage }),
			"tool":          with(func(a *action.Action) { a.Tool = "file_delete" }),
			"server":        with(func(a *action.Action) { a.Server = "other-server" }),
			"schema digest": with(func(a *action.Action) { a.SchemaDigest = "abd" }),
			"value":         with(func(a *action.Action) { a.Arguments = map[string]any{"to": "eve@example.com", "body": "Lunch?"} }),
			"one more": with(func(a *action.Action) {
				a.Arguments = map[string]any{"to": "ann@example.com", "body": "Lunch?", "bcc": "eve"}
			}),
			"one less":    with(func(a *action.Action) { a.Arguments = map[string]any{"to": "ann@example.com"} }),
			"null":        with(func(a *action.Action) { a.Arguments = map[string]any{"to": "ann@example.com", "body": nil} }),
			"none":        with(func(a *action.Action) { a.Arguments = nil }),
			"content":     with(func(a *action.Action) { a.Content = "Text" }),
			"in reply to": with(func(a *action.Action) { a.InReplyTo = "d2" }),
			"from agent":  with(func(a *action.Action) { a.FromAgent = "other" }),
			"memory":      with(func(a *action.Action) { a.Memory = &action.MemoryRef{Layer: "l", Key: "k"} }),
			"more cost":   with(func(a *action.Action) { a.Estimate.CostMicroUSD++ }),
			"more tokens": with(func(a *action.Action) { a.Estimate.Tokens++ }),
			"agent":       func(req *Request) { req.Principal.Agent = "demo-filtered" },
			"session":     func(req *Request) { req.Principal.Session = "s2" },
		}},
		{"HTTP request", request, false, map[string]func(*Request){
			"method": web(func(h *action.HTTPRequest) { h.Method = "POST" }),
			"URL":    web(func(h *action.HTTPRequest) { h.URL = "https://a.example/x" }),
			"header": web(func(h *action.HTTPRequest) { h.Headers[0].Value = "c" }),
			"body":   web(func(h *action.HTTPRequest) { h.Body = "y" }),
		}},
		{"what is not the action", tool, true, map[string]func(*Request){
			"call id":     with(func(a *action.Action) { a.CallID = "c" }),
			"less cost":   with(func(a *action.Action) { a.Estimate.CostMicroUSD-- }),
			"less tokens": with(func(a *action.Action) { a.Estimate.Tokens-- }),
			"spelling":    with(func(a *action.Action) { a.ArgumentsBytes++ }),
			"request id":  func(req *Request) { req.RequestID = "r" },
			"run":         func(req *Request) { req.Principal.Run = "other" },
		}},
	} {
		for name, change := range c.edits {
			t.Run(c.about+"/"+name, func(t *testing.T) {
				r := newRoom(t)
				r.holder.Swap(asks)
				good := r.approved(c.base)
				bad := good
				change(&bad)
				if c.fits {
					r.want(Allow, "", bad)
					return
				}
				r.wantRefused("APPROVAL_MISMATCH", bad)
				r.want(Allow, "", good) // the try used nothing up
			})
		}
	}
}

func TestThreat_B1_AnApprovalIsForTheCredentialThatAsked(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	other := gateway
	other.Subject = "gateway-2"
	if _, err := r.engine.Decide(t.Context(), other, redeem); reasonOf(err) != "APPROVAL_MISMATCH" {
		t.Fatalf("another credential: %v", err)
	}
	foreign := gateway
	foreign.Tenant = "other"
	redeem.Principal.Tenant = "other"
	if _, err := r.engine.Decide(t.Context(), foreign, redeem); reasonOf(err) != "APPROVAL_NOT_FOUND" {
		t.Fatalf("another tenant: %v", err)
	}
}

func TestAnApprovalInAnotherStateIsAnError(t *testing.T) {
	r := newRoom(t)
	unknown := mail()
	unknown.ApprovalID = "01234567-89ab-7def-8123-456789abcdef"
	r.wantRefused("APPROVAL_NOT_FOUND", unknown)

	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	pending := mail()
	pending.ApprovalID = asked.Approval.ID
	r.wantRefused("APPROVAL_PENDING", pending)
	ann := approval.Voter{Subject: "ann", Tenant: "default", Roles: []identity.Role{identity.RoleApprover}}
	if _, err := r.rooms.Approvals.SubmitVerdict(t.Context(), pending.ApprovalID, ann, approval.Ballot{Verdict: approval.Reject}); err != nil {
		t.Fatal(err)
	}
	r.wantRefused("APPROVAL_REJECTED", pending)

	late := r.approved(mailTo("bob@example.com"))
	r.pass(300 * time.Second)
	r.wantRefused("APPROVAL_EXPIRED", late)
}

func TestThreat_B2_AnApprovalIsUsedOnce(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	var wg sync.WaitGroup
	var allowed, used atomic.Int64
	for range 50 {
		wg.Go(func() {
			resp, err := r.engine.Decide(t.Context(), gateway, redeem)
			switch {
			case err == nil && resp.Effect == Allow:
				allowed.Add(1)
			case reasonOf(err) == "APPROVAL_USED":
				used.Add(1)
			default:
				t.Errorf("%s %v, %v", resp.Effect, codes(resp.Reasons), err)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1 || used.Load() != 49 {
		t.Fatalf("%d allowed, %d told that it is used", allowed.Load(), used.Load())
	}
	for _, line := range r.lines(decisionlog.TypeDecision) {
		if a := line.Decision.Approval; a == nil || a.ID != redeem.ApprovalID || a.Redeemed != (line.Decision.Effect == "allow") {
			t.Errorf("the log says %s with %+v", line.Decision.Effect, a)
		}
	}
}

func TestThreat_B5_AnotherRevisionNeedsAnotherAsk(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	r.holder.Swap(tuned(t, map[string]any{"size": map[string]any{"max_tokens": 7999}}))
	r.wantRefused("APPROVAL_MISMATCH", redeem)
	r.holder.Swap(builtInSnapshot()) // the same content again
	r.want(Allow, "", redeem)
}

// A yes lifts what asked, and nothing else: what has come to be denied since stays denied, and the yes is not used up.
func TestThreat_B5_ADenyWinsOverAYes(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("few", 1, map[string]any{"window_seconds": 60}))))
	redeem := r.approved(mail())
	r.want(Allow, "", call("demo-filtered", "calculator", ""))
	r.want(Deny, "LIMIT_EXCEEDED", redeem)
	r.pass(2 * time.Minute)
	r.want(Allow, "", redeem)
}

func TestThreat_B1_ARefusedRedemptionIsOnRecord(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	redeem.Action.Server = "elsewhere"
	r.wantRefused("APPROVAL_MISMATCH", redeem)
	lines := r.lines(decisionlog.TypeApproval)
	if len(lines) == 0 || lines[len(lines)-1].Approval.Change != "redemption_refused" ||
		lines[len(lines)-1].Approval.Cause != "APPROVAL_MISMATCH digest" || lines[len(lines)-1].Approval.ApprovalID != redeem.ApprovalID {
		t.Fatalf("the log has %+v", lines)
	}
}
