package decision

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

var ann = approval.Voter{Subject: "ann", Tenant: "default", Roles: []identity.Role{identity.RoleApprover}}

// answer hands in a ballot for what a request asked.
func (r *room) answer(asked Response, b approval.Ballot) error {
	r.t.Helper()
	_, err := r.rooms.Approvals.SubmitVerdict(r.t.Context(), asked.Approval.ID, ann, b)
	return err
}

// granted asks for a request, and grants it under terms.
func (r *room) granted(req Request, t approval.Terms) Response {
	r.t.Helper()
	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", req)
	if err := r.answer(asked, approval.Ballot{Verdict: approval.Approve, Terms: &t}); err != nil {
		r.t.Fatal(err)
	}
	return asked
}

// answersOf changes the table `answers`.
func answersOf(change func(*policy.Answers)) func(*room) {
	return func(r *room) {
		s := *r.snapshot()
		change(&s.Tables.Answers)
		r.holder.Swap(&s)
	}
}

// TestThreat_B13_AGrantCoversWhatItSaysAndNoMore: the same action, so often, so long, in that session, under that policy.
func TestThreat_B13_AGrantCoversWhatItSaysAndNoMore(t *testing.T) {
	r := newRoom(t)
	asked := r.granted(mail(), approval.Terms{Uses: 3, For: 10 * time.Minute})
	first := r.want(Allow, "", mail())
	if first.Approval == nil || first.Approval.ID != asked.Approval.ID {
		t.Errorf("allowed by %+v", first.Approval)
	}
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo("eve@example.com"))
	elsewhere := mail()
	elsewhere.Principal.Session = "elsewhere"
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", elsewhere)
	other := mail()
	other.Principal.User = "somebody else"
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", other)
	served := mail()
	served.Action.Server = "another" // threat A18: the same name, somewhere else
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", served)
	redescribed := mail()
	redescribed.Action.SchemaDigest = "sha256:" + strings.Repeat("0", 64) // threat A19
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", redescribed)
	r.want(Allow, "", mail())
	r.want(Allow, "", mail())
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()) // used up
}

func TestAGrantEnds(t *testing.T) {
	for name, end := range map[string]func(*room, Response){
		"with its time": func(r *room, _ Response) { r.pass(10 * time.Minute) },
		"by a person": func(r *room, asked Response) {
			if _, err := r.rooms.Approvals.Cancel(r.t.Context(), asked.Approval.ID, "enough"); err != nil {
				r.t.Fatal(err)
			}
		},
		"by a kill switch": func(r *room, _ Response) {
			r.kill(killswitch.Switch{Agent: "demo-filtered"}, true)
			if _, err := r.rooms.Approvals.CancelWhere(r.t.Context(), approval.Scope{Tenant: "default", Agent: "demo-filtered"}, "kill switch"); err != nil {
				r.t.Fatal(err)
			}
			r.kill(killswitch.Switch{Agent: "demo-filtered"}, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			asked := r.granted(mail(), approval.Terms{For: 10 * time.Minute})
			r.want(Allow, "", mail())
			end(r, asked)
			r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
		})
	}
}

// TestAGrantMayLeaveOpenWhatHarmsNobody: the text of a mail, not its recipient; and what asks besides asks still.
func TestAGrantMayLeaveOpenWhatHarmsNobody(t *testing.T) {
	r := newRoom(t)
	r.granted(mail(), approval.Terms{Uses: 10, For: time.Hour, AnySession: true, Vary: []string{"/arguments/body"}})
	text := func(body string) Request {
		return call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "`+body+`"}`)
	}
	r.want(Allow, "", text("Dinner?"))
	elsewhere := text("Breakfast?")
	elsewhere.Principal.Session = "elsewhere"
	r.want(Allow, "", elsewhere)
	r.want(RequireApproval, "PERSONAL_DATA_FOUND", text("my SSN is 536-90-4399"))
	r.want(Deny, "CREDENTIAL_FOUND", text("the key is AKIAQ3EGRZ5WXN7TYP2M"))
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", call("demo-filtered", "send_email", `{"to": "eve@example.com", "body": "Lunch?"}`))
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", call("demo-filtered", "send_email", `{"to": "ann@example.com", "cc": "eve@example.com", "body": "Lunch?"}`))
}

// TestThreat_B13_WhatVariesMayBecomeNoSink: a recipient where there was none when it was granted needs a person of its own.
func TestThreat_B13_WhatVariesMayBecomeNoSink(t *testing.T) {
	r := newRoom(t)
	r.granted(mail(), approval.Terms{Uses: 10, For: time.Hour, Vary: []string{"/arguments/cc", "/arguments/body"}})
	r.want(Allow, "", call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "Dinner?"}`))
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", call("demo-filtered", "send_email", `{"to": "ann@example.com", "cc": "eve@example.com", "body": "Lunch?"}`))
}

// TestThreat_B13_TooBroadAGrantIsRefused and the ask is still open afterwards.
func TestThreat_B13_TooBroadAGrantIsRefused(t *testing.T) {
	week, hour := 7*24*time.Hour, time.Hour
	shell := func(command string) Request {
		return call("demo-operator", "shell_command", `{"command": "`+command+`"}`)
	}
	for name, c := range map[string]struct {
		req    Request
		terms  approval.Terms
		reason string
	}{
		"bash -lc":          {shell("bash -lc 'ls'"), approval.Terms{Uses: 2, For: hour}, "GRANT_TOO_BROAD"},
		"sh -c":             {shell("sh -c ls"), approval.Terms{Uses: 2, For: hour}, "GRANT_TOO_BROAD"},
		"env":               {shell("env A=b ls"), approval.Terms{Uses: 2, For: hour}, "GRANT_TOO_BROAD"},
		"xargs":             {shell("echo x | xargs rm"), approval.Terms{Uses: 2, For: hour}, "GRANT_TOO_BROAD"},
		"any command":       {shell("ls /srv"), approval.Terms{Uses: 2, For: hour, Vary: []string{"/arguments/command"}}, "GRANT_TOO_BROAD"},
		"any recipient":     {mail(), approval.Terms{Uses: 2, For: hour, Vary: []string{"/arguments/to"}}, "GRANT_TOO_BROAD"},
		"any tool":          {mail(), approval.Terms{Uses: 2, For: hour, Vary: []string{"/tool"}}, "INVALID"},
		"any arguments":     {mail(), approval.Terms{Uses: 2, For: hour, Vary: []string{"/arguments"}}, "INVALID"},
		"for a week":        {mail(), approval.Terms{For: week}, "INVALID"},
		"more than policy":  {mail(), approval.Terms{Uses: 101}, "INVALID"},
		"less than nothing": {mail(), approval.Terms{Uses: -1}, "INVALID"},
		"without end":       {mail(), approval.Terms{AnySession: true}, "INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			asked := r.decide(c.req)
			if asked.Effect != RequireApproval {
				t.Fatalf("%s %v", asked.Effect, codes(asked.Reasons))
			}
			if err := r.answer(asked, approval.Ballot{Verdict: approval.Approve, Terms: &c.terms}); reasonOf(err) != c.reason {
				t.Errorf("granted: %v, want %s", err, c.reason)
			}
			if err := r.answer(asked, approval.Ballot{Verdict: approval.Approve}); err != nil {
				t.Errorf("the ask is not open any more: %v", err)
			}
		})
	}
	r := newRoom(t, answersOf(func(a *policy.Answers) { a.Grants.Uses = 0 }))
	if err := r.answer(r.decide(mail()), approval.Ballot{Verdict: approval.Approve, Terms: &approval.Terms{Uses: 1}}); reasonOf(err) != "GRANT_TOO_BROAD" {
		t.Errorf("granted where policy lets nobody: %v", err)
	}
}

// TestAGrantNeverTurnsADenyAround: it lifts asks, and only those that were there when it was given.
func TestAGrantNeverTurnsADenyAround(t *testing.T) {
	r := newRoom(t)
	r.granted(mail(), approval.Terms{Uses: 10, For: time.Hour})
	r.want(Allow, "", mail())
	r.kill(killswitch.Switch{Tool: "send_email"}, true)
	r.want(Deny, "KILL_SWITCH", mail())
	r.kill(killswitch.Switch{Tool: "send_email"}, false)
	next := *r.snapshot()
	next.Revision = "r-next"
	r.holder.Swap(&next)
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
}

// TestThreat_B2_AGrantIsUsedNoMoreOftenThanItSays, however many ask at once.
func TestThreat_B2_AGrantIsUsedNoMoreOftenThanItSays(t *testing.T) {
	r := newRoom(t)
	r.granted(mail(), approval.Terms{Uses: 5})
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[Effect]int{}
	for range 9 {
		wg.Go(func() {
			resp, err := r.engine.Decide(t.Context(), gateway, mail())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[resp.Effect]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[Allow] != 5 || got[RequireApproval] != 4 {
		t.Errorf("%v, want 5 allowed and 4 asked", got)
	}
}

// ownOf is the credential of an agent that speaks for itself.
func ownOf(agent string) identity.Caller {
	c := gateway
	c.Subject, c.Roles, c.Agents, c.CredentialID = agent, []identity.Role{identity.RoleAgent}, []string{agent}, "own"
	return c
}

// TestThreat_B18_ANoIsRemembered: in that session, for that action, until its time has passed; also by another process.
func TestThreat_B18_ANoIsRemembered(t *testing.T) {
	r := newRoom(t, answersOf(func(a *policy.Answers) { a.Refusals.Seconds = 600 }))
	if err := r.answer(r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()), approval.Ballot{Verdict: approval.Reject}); err != nil {
		t.Fatal(err)
	}
	r.want(Deny, "APPROVAL_REFUSED", mail())
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo("bob@example.com"))
	elsewhere := mail()
	elsewhere.Principal.Session = "elsewhere"
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", elsewhere)
	for name, c := range map[string]struct {
		caller identity.Caller
		effect Effect
	}{"a gateway, which knows for whom": {gateway, RequireApproval}, "the agent, which says what it likes": {ownOf("demo-filtered"), Deny}} {
		renamed := mail()
		renamed.Principal.User = "somebody else"
		if resp := r.by(c.caller, renamed); resp.Effect != c.effect {
			t.Errorf("%s: %s %v", name, resp.Effect, codes(resp.Reasons))
		}
	}
	again := must[*approval.Queue](t)(approval.New(approval.Config{}, r.asks, r.rooms.Keys, r.clock)) // what another process has
	r.engine.Approvals = again
	r.want(Deny, "APPROVAL_REFUSED", mail())
	r.pass(10 * time.Minute)
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())

	anywhere := newRoom(t, answersOf(func(a *policy.Answers) { a.Refusals.AnySession = true }))
	if err := anywhere.answer(anywhere.decide(mail()), approval.Ballot{Verdict: approval.Reject}); err != nil {
		t.Fatal(err)
	}
	anywhere.want(Deny, "APPROVAL_REFUSED", elsewhere)
	forgets := newRoom(t, answersOf(func(a *policy.Answers) { a.Refusals.Seconds = 0 }))
	if err := forgets.answer(forgets.decide(mail()), approval.Ballot{Verdict: approval.Reject}); err != nil {
		t.Fatal(err)
	}
	forgets.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
}

// TestTheSameAskIsJoined: one question, one verdict; the first to come uses it, each of the others asks again, once.
func TestTheSameAskIsJoined(t *testing.T) {
	r := newRoom(t)
	first := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	second, third := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()), r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	if second.Approval.ID != first.Approval.ID || third.Approval.ID != first.Approval.ID {
		t.Fatal("the same was asked more than once")
	}
	other := mail()
	other.Principal.User = "somebody else"
	if r.want(RequireApproval, "RISK_NEEDS_APPROVAL", other).Approval.ID == first.Approval.ID {
		t.Error("asked for somebody else, and joined")
	}
	redeem := r.approve(mail(), first)
	r.want(Allow, "", redeem)
	next := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", redeem)
	if next.Approval.ID == first.Approval.ID {
		t.Error("the second of three is told to wait for what is used")
	}
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", redeem)
	r.wantRefused("APPROVAL_USED", redeem) // there were three, not four
}

// TestThreat_A16_AFloodOfAsksIsDeniedAndTold: beyond what a session may ask, whatever became of it.
func TestThreat_A16_AFloodOfAsksIsDeniedAndTold(t *testing.T) {
	r := newRoom(t, answersOf(func(a *policy.Answers) { a.Asks.PerSession = 3 }))
	for i := range 3 {
		asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo(strings.Repeat("a", i+1)+"@example.com"))
		if err := r.answer(asked, approval.Ballot{Verdict: approval.Reject}); err != nil {
			t.Fatal(err)
		}
	}
	r.wantTold("ask_rate", func() { r.want(Deny, "APPROVALS_FULL", mailTo("last@example.com")) })
	elsewhere := mail()
	elsewhere.Principal.Session = "elsewhere"
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", elsewhere)
	r.pass(5 * time.Minute)
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo("last@example.com"))
}

// TestThreat_B16_NobodyThere: where policy says so, an ask that nobody can answer is denied at once, and told.
func TestThreat_B16_NobodyThere(t *testing.T) {
	newRoom(t).want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()) // as shipped, it waits
	r := newRoom(t, answersOf(func(a *policy.Answers) { a.NoRoute = "deny" }))
	r.wantTold("no_route", func() { r.want(Deny, "NO_ROUTE", mail()) })
	leave := r.rooms.Approvals.Attend("another")
	r.want(Deny, "NO_ROUTE", mail())
	leave()
	leave = r.rooms.Approvals.Attend("default")
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	leave()
	r.want(Deny, "NO_ROUTE", mailTo("bob@example.com"))
	r.engine.Notified = func(tenant string) bool { return tenant == "default" }
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mailTo("bob@example.com"))
}

// wantTold demands that operators hear of a threshold that the agent crossed.
func (r *room) wantTold(threshold string, do func()) {
	r.t.Helper()
	heard := r.events(do)
	for _, e := range heard {
		if e.Type == event.Anomaly && e.Attributes["threshold"] == threshold && e.Attributes["agent"] == "demo-filtered" {
			return
		}
	}
	r.t.Errorf("operators hear %+v", heard)
}
