package decision

import (
	"encoding/base64"
	"testing"
	"time"
)

// TestThreat_B19_ARequestsStateIsNobodyElsesToMake: it stands for the id of the approval once, for whom and for what it was
// sealed; with any byte flipped, for anybody else, or later it is nothing.
func TestThreat_B19_ARequestsStateIsNobodyElsesToMake(t *testing.T) {
	r := newRoom(t)
	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	state := asked.Approval.RequestState
	with := func(req Request, state string) Request {
		req.RequestState = state
		return req
	}
	r.wantRefused("APPROVAL_PENDING", with(mail(), state))
	r.approve(mail(), asked)

	raw, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		flipped := append([]byte(nil), raw...)
		flipped[i] ^= 1
		r.wantRefused("REQUEST_STATE_INVALID", with(mail(), base64.RawURLEncoding.EncodeToString(flipped)))
	}
	for name, forged := range map[string]string{"short": state[:20], "longer": state + "AAAA", "no base64": "!!", "an id": asked.Approval.ID} {
		if _, err := r.engine.Decide(t.Context(), gateway, with(mail(), forged)); reasonOf(err) != "REQUEST_STATE_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Request){
		"another agent":    func(q *Request) { q.Principal.Agent = "demo-operator" },
		"another session":  func(q *Request) { q.Principal.Session = "s2" },
		"another user":     func(q *Request) { q.Principal.User = "eve" },
		"another action":   func(q *Request) { *q = mailTo("eve@example.com") },
		"another approval": func(q *Request) { q.ApprovalID = "01890000-0000-7000-8000-000000000000" },
	} {
		req := mail()
		change(&req)
		if _, err := r.engine.Decide(t.Context(), gateway, with(req, state)); reasonOf(err) != "REQUEST_STATE_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := gateway
	other.Subject = "another gateway"
	if _, err := r.engine.Decide(t.Context(), other, with(mail(), state)); reasonOf(err) != "REQUEST_STATE_INVALID" {
		t.Errorf("another credential: %v", err)
	}
	r.want(Allow, "", with(mail(), state))
	r.wantRefused("APPROVAL_USED", with(mail(), state))

	late := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo("bob@example.com"))
	r.approve(mailTo("bob@example.com"), late)
	r.pass(301 * time.Second)
	r.wantRefused("REQUEST_STATE_INVALID", with(mailTo("bob@example.com"), late.Approval.RequestState))
}
