package approval_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

func TestOneYesApproves(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	r, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve, Comment: "go\x1b ahead", ExpectedDigest: a.Digest})
	if err != nil || !r.Applied || r.Reason != "" {
		t.Fatalf("got %+v, %v", r, err)
	}
	got := w.get(a.ID)
	if got.State != approval.Approved || len(got.Votes) != 1 || got.Votes[0].Comment != "go  ahead" || !got.EndedAt.Equal(start) {
		t.Fatalf("got %+v", got)
	}
}

func TestThreat_B6_RequesterCannotApprove(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(func(a *approval.Ask) { a.RequestedBy = "Gateway-1" })
	for _, who := range []string{"Gateway-1", "gateway-1", " GATEWAY-1 ", "ｇateway-1", "bot", "Bot"} {
		for _, v := range []approval.Verdict{approval.Approve, approval.Reject} {
			_, err := w.SubmitVerdict(t.Context(), a.ID, person(who), approval.Ballot{Verdict: v})
			if !errors.Is(err, approval.ErrSelfApproval) {
				t.Errorf("%q, %s: got %v, want ErrSelfApproval", who, v, err)
			}
		}
	}
	if got := w.get(a.ID); got.State != approval.Pending || len(got.Votes) != 0 {
		t.Fatalf("a refused vote left a trace: %+v", got)
	}
}

func TestThreat_B12_OnlyAPersonWithTheRoleVotes(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	for name, v := range map[string]approval.Voter{
		"no role":              {Subject: "ann", Tenant: "acme"},
		"admin":                {Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleAdmin}},
		"auditor":              {Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleAuditor}},
		"agent":                {Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleAgent}},
		"agent and approver":   {Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleAgent, identity.RoleApprover}},
		"gateway and approver": {Subject: "ann", Tenant: "acme", Roles: []identity.Role{identity.RoleApprover, identity.RoleGateway}},
		"nobody":               {Subject: " ", Tenant: "acme", Roles: []identity.Role{identity.RoleApprover}},
		"no tenant":            {Subject: "ann", Roles: []identity.Role{identity.RoleApprover}},
	} {
		if _, err := w.SubmitVerdict(t.Context(), a.ID, v, approval.Ballot{Verdict: approval.Approve}); !errors.Is(err, approval.ErrNotApprover) {
			t.Errorf("%s: got %v, want ErrNotApprover", name, err)
		}
	}
	w.wantState(a.ID, approval.Pending)
}

func TestVerdictThatIsRefused(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	stranger := person("ann")
	stranger.Tenant = "other"
	for _, tc := range []struct {
		name    string
		id      string
		voter   approval.Voter
		verdict approval.Verdict
		digest  string
		want    error
	}{
		{"unknown approval", "0197-unknown", person("ann"), approval.Approve, "", approval.ErrNotFound},
		{"no id", "", person("ann"), approval.Approve, "", approval.ErrNotFound},
		{"other tenant", a.ID, stranger, approval.Approve, "", approval.ErrNotFound},
		{"another action", a.ID, person("ann"), approval.Approve, "pc1:bb", approval.ErrDigest},
		{"another action, rejected", a.ID, person("ann"), approval.Reject, "pc1:bb", approval.ErrDigest},
		{"no verdict", a.ID, person("ann"), "", "", &approval.Error{Reason: "INVALID", Field: "verdict"}},
		{"long name", a.ID, person(strings.Repeat("a", 5000)), approval.Approve, "", &approval.Error{Reason: "INVALID", Field: "subject"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := w.SubmitVerdict(t.Context(), tc.id, tc.voter, approval.Ballot{Verdict: tc.verdict, ExpectedDigest: tc.digest})
			wantErr(t, err, tc.want)
			if got := w.get(a.ID); got.Sequence != 1 {
				t.Fatalf("a refused verdict changed something: %+v", got)
			}
		})
	}
}

func TestThreat_B7_OnePersonCountsOnce(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	w.vote(a.ID, "alice", approval.Approve)
	for _, again := range []string{"alice", "Alice", "ALICE ", "ａlice"} {
		if r := w.vote(a.ID, again, approval.Approve); r.Applied || r.Reason != "ALREADY_VOTED" || r.Approval.State != approval.Pending {
			t.Fatalf("%q voted again: %+v", again, r)
		}
	}
	if got := w.get(a.ID); len(got.Votes) != 1 || got.Missing() != 1 {
		t.Fatalf("got %d votes, %d missing", len(got.Votes), got.Missing())
	}
	if r := w.vote(a.ID, "bob", approval.Approve); !r.Applied || r.Approval.State != approval.Approved {
		t.Fatalf("the second person did not count: %+v", r)
	}
}

func TestThreat_B8_OneNoEndsIt(t *testing.T) {
	for name, votes := range map[string][]struct {
		who string
		v   approval.Verdict
	}{
		"no first":            {{"ann", approval.Reject}, {"bob", approval.Approve}, {"cal", approval.Approve}},
		"no second":           {{"ann", approval.Approve}, {"bob", approval.Reject}, {"cal", approval.Approve}},
		"a change of mind":    {{"ann", approval.Approve}, {"ann", approval.Reject}, {"bob", approval.Approve}, {"cal", approval.Approve}},
		"no twice, yes after": {{"ann", approval.Reject}, {"ann", approval.Reject}, {"ann", approval.Approve}, {"bob", approval.Approve}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, approval.Config{})
			a := w.ask(quorum(2))
			for _, v := range votes {
				w.vote(a.ID, v.who, v.v)
			}
			w.wantState(a.ID, approval.Rejected)
			_, err := w.Check(t.Context(), a.ID, redemption())
			wantErr(t, err, approval.ErrRejected)
		})
	}
}

func TestThreat_B9_AnUnmetQuorumIsNeverAYes(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	if r := w.vote(a.ID, "ann", approval.Approve); !r.Applied || r.Approval.State != approval.Pending || r.Approval.Missing() != 1 {
		t.Fatalf("one yes of two: %+v", r)
	}
	wantErr(t, w.Redeem(t.Context(), a.ID, redemption(), "d"), approval.ErrPending)
	w.clock.move(300 * time.Second) // the default TTL
	if r := w.vote(a.ID, "bob", approval.Approve); r.Applied || r.Approval.State != approval.Expired {
		t.Fatalf("the second yes came with the expiry: %+v", r)
	}
	wantErr(t, w.Redeem(t.Context(), a.ID, redemption(), "d"), approval.ErrExpired)
}

func TestThreat_B10_TerminalStatesAreFinal(t *testing.T) {
	end := map[string]func(w *world, id string){
		"approved":  func(w *world, id string) { w.vote(id, "ann", approval.Approve) },
		"rejected":  func(w *world, id string) { w.vote(id, "ann", approval.Reject) },
		"expired":   func(w *world, _ string) { w.clock.move(300 * time.Second) },
		"cancelled": func(w *world, id string) { _, _ = w.Cancel(w.t.Context(), id, "stop") },
	}
	for name, finish := range end {
		for _, v := range []approval.Verdict{approval.Approve, approval.Reject} {
			t.Run(fmt.Sprintf("%s, then %s", name, v), func(t *testing.T) {
				w := newWorld(t, approval.Config{})
				a := w.ask()
				finish(w, a.ID)
				r := w.vote(a.ID, "bob", v)
				if r.Applied || string(r.Approval.State) != name || r.Reason != "APPROVAL_"+strings.ToUpper(name) {
					t.Fatalf("got applied %v, %s, %q", r.Applied, r.Approval.State, r.Reason)
				}
				w.wantState(a.ID, approval.State(name))
				votes := w.get(a.ID).Votes
				if n := len(votes); n == 0 || votes[n-1].Subject != "bob" || votes[n-1].Applied {
					t.Fatalf("the late verdict is not on record: %+v", votes)
				}
			})
		}
	}
}

func TestVerdictIsIdempotentAlsoWhenItEndedIt(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	w.vote(a.ID, "ann", approval.Approve)
	before := w.get(a.ID)
	if r := w.vote(a.ID, "ann", approval.Approve); r.Applied || r.Reason != "ALREADY_VOTED" || r.Approval.State != approval.Approved {
		t.Fatalf("got %+v", r)
	}
	if got := w.get(a.ID); got.Sequence != before.Sequence {
		t.Fatalf("the repeated verdict was a change: %d, then %d", before.Sequence, got.Sequence)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t, approval.Config{})
	pending, approved, ended := w.ask(), w.ask(), w.ask()
	w.vote(approved.ID, "ann", approval.Approve)
	w.vote(ended.ID, "ann", approval.Reject)
	for _, tc := range []struct {
		name, id string
		applied  bool
		reason   string
		state    approval.State
		use      approval.Use
	}{
		{"pending", pending.ID, true, "", approval.Cancelled, approval.Unused},
		{"approved", approved.ID, true, "", approval.Approved, approval.Revoked},
		{"ended", ended.ID, false, "APPROVAL_REJECTED", approval.Rejected, approval.Unused},
		{"again", pending.ID, false, "APPROVAL_CANCELLED", approval.Cancelled, approval.Unused},
	} {
		r, err := w.Cancel(t.Context(), tc.id, "kill\nswitch")
		if err != nil || r.Applied != tc.applied || r.Reason != tc.reason || r.Approval.State != tc.state || r.Approval.Use != tc.use {
			t.Errorf("%s: got %+v, %v", tc.name, r, err)
		}
		if tc.applied && r.Approval.Cause != "kill switch" {
			t.Errorf("%s: cause %q", tc.name, r.Approval.Cause)
		}
	}
	wantErr(t, w.Redeem(t.Context(), approved.ID, redemption(), "d"), approval.ErrCancelled)
	_, err := w.Cancel(t.Context(), "unknown", "")
	wantErr(t, err, approval.ErrNotFound)
}

func TestThreat_E18_KillSwitchWithdrawsWhatItStops(t *testing.T) {
	in := func(tenant, agent, session, tool string) func(*approval.Ask) {
		return func(a *approval.Ask) { a.Tenant, a.Agent, a.Session, a.Tool = tenant, agent, session, tool }
	}
	for name, tc := range map[string]struct {
		scope approval.Scope
		want  string // of the asks below, those that are stopped
	}{
		"tenant":          {approval.Scope{Tenant: "acme"}, "0 1 2 3 5"},
		"agent":           {approval.Scope{Tenant: "acme", Agent: "bot"}, "0 1 2 5"},
		"session":         {approval.Scope{Tenant: "acme", Session: "s1"}, "0 1 3 5"},
		"tool":            {approval.Scope{Tenant: "acme", Tool: "PAY"}, "0 2 3"},
		"agent and tool":  {approval.Scope{Tenant: "acme", Agent: "bot", Tool: "mail"}, "1 5"},
		"nobody's tenant": {approval.Scope{Tenant: "acm"}, ""},
		"agent's prefix":  {approval.Scope{Tenant: "acme", Agent: "bo"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, approval.Config{})
			asks := []approval.Approval{
				w.ask(in("acme", "bot", "s1", "pay")), w.ask(in("acme", "bot", "s1", "mail")), w.ask(in("acme", "bot", "s2", "pay")),
				w.ask(in("acme", "other", "s1", "pay")), w.ask(in("umbrella", "bot", "s1", "pay")),
				w.ask(in("acme", "bot", "s1", "mail")), w.ask(in("acme", "bot", "s1", "mail")),
			}
			w.vote(asks[5].ID, "ann", approval.Approve) // approved and not used: withdrawn too
			w.vote(asks[6].ID, "ann", approval.Reject)  // ended: stays as it is
			n, err := w.CancelWhere(t.Context(), tc.scope, "stopped")
			if err != nil {
				t.Fatal(err)
			}
			var stopped []string
			for i, a := range asks {
				if got := w.get(a.ID); got.State == approval.Cancelled || got.Use == approval.Revoked {
					stopped = append(stopped, fmt.Sprint(i))
				}
			}
			if got := strings.Join(stopped, " "); got != tc.want || n != len(stopped) {
				t.Fatalf("stopped %q (counted %d), want %q", got, n, tc.want)
			}
		})
	}
	w := newWorld(t, approval.Config{})
	_, err := w.CancelWhere(t.Context(), approval.Scope{Agent: "bot"}, "")
	wantErr(t, err, &approval.Error{Reason: "INVALID", Field: "tenant"})
}

// TestARefusedEditIsNotKept, not even where time writes the record at the same moment: a stage opens as somebody whom it is
// not for edits.
func TestARefusedEditIsNotKept(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(func(a *approval.Ask) {
		a.TTL = time.Minute
		a.Stages = []approval.Stage{{Quorum: 1, Groups: []string{"g"}}, {After: 10 * time.Second, Quorum: 1, Groups: []string{"h"}}}
	})
	looks := 0
	now := func() time.Time { // the second look is the one in the transaction
		if looks++; looks == 2 {
			w.clock.move(10 * time.Second)
		}
		return w.clock.now()
	}
	q, err := approval.New(w.cfg, w.store, w.keys, now)
	if err != nil {
		t.Fatal(err)
	}
	looks = 0
	_, err = q.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{
		Verdict: approval.Approve, ExpectedDigest: a.Digest, EditedArguments: "{}",
		Edit: &approval.Edit{Digest: "pc1:bb", Action: []byte("other"), Stages: []approval.Stage{{Quorum: 1, Groups: []string{"g"}}}},
	})
	wantErr(t, err, approval.ErrStage)
	after := w.get(a.ID)
	if after.Stage != 1 || after.EditedDigest != "" || after.Edits != 0 || len(after.Stages) != 2 {
		t.Errorf("%+v", after)
	}
	shown, err := w.Reveal(t.Context(), a.ID)
	if err != nil || string(shown.Action) != string(ask().Action) {
		t.Errorf("shown is %s, %v", shown.Action, err)
	}
}

// TestThreat_B15_AnEditSurvivesACrash with the action that it made, and what was approved can be used once.
func TestThreat_B15_AnEditSurvivesACrash(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(func(a *approval.Ask) { a.Stages = []approval.Stage{{Quorum: 2}} })
	edit := approval.Ballot{
		Verdict: approval.Approve, ExpectedDigest: a.Digest, EditedArguments: "{}",
		Edit: &approval.Edit{Digest: "pc1:bb", Action: []byte("other"), Stages: []approval.Stage{{Quorum: 2}}},
	}
	if _, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), edit); err != nil {
		t.Fatal(err)
	}
	after := w.crash()
	shown, err := after.Reveal(t.Context(), a.ID)
	if err != nil || string(shown.Action) != "other" || shown.Approval.Missing() != 1 {
		t.Fatalf("%s, %d missing, %v", shown.Action, shown.Approval.Missing(), err)
	}
	if _, err := after.SubmitVerdict(t.Context(), a.ID, person("bob"), approval.Ballot{Verdict: approval.Approve, ExpectedDigest: "pc1:bb"}); err != nil {
		t.Fatal(err)
	}
	again := after.crash()
	if given, err := again.Edited(t.Context(), a.ID); err != nil || string(given) != "other" {
		t.Errorf("the agent is given %s, %v", given, err)
	}
	if err := again.Redeem(t.Context(), a.ID, redemption(), "d"); err != nil {
		t.Error(err)
	}
	if _, err := again.Edited(t.Context(), a.ID); !errors.Is(err, approval.ErrEnded) {
		t.Errorf("used, and still there: %v", err)
	}
}

// TestWhoWatchesHearsOfAStage at its moment, although nobody voted.
func TestWhoWatchesHearsOfAStage(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(func(a *approval.Ask) {
		a.Stages = []approval.Stage{{Quorum: 1, Groups: []string{"g"}}, {After: 10 * time.Second, Quorum: 1}}
	})
	events, err := w.WatchAll(t.Context(), approval.Filter{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			w.clock.move(10 * time.Second)
			if err := w.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if e.Approval.ID != a.ID || e.Approval.Stage != 1 || e.Approval.State != approval.Pending {
			t.Errorf("heard %+v", e.Approval)
		}
		break
	}
}

// TestABallotOfAnEarlierLookIsRefused: policy ruled on what stands no more. Of what has ended it is too late, as always.
func TestABallotOfAnEarlierLookIsRefused(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	w.vote(a.ID, "ann", approval.Approve)
	stale := approval.Ballot{Verdict: approval.Approve, Stages: []int{0}, Sequence: a.Sequence}
	_, err := w.SubmitVerdict(t.Context(), a.ID, person("bob"), stale)
	wantErr(t, err, approval.ErrMoved)
	if n := len(w.get(a.ID).Votes); n != 1 {
		t.Errorf("%d votes", n)
	}
	w.vote(a.ID, "cal", approval.Reject)
	if r, err := w.SubmitVerdict(t.Context(), a.ID, person("bob"), stale); err != nil || r.Applied || r.Reason != "APPROVAL_REJECTED" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestThreat_B1_ContentOfBeforeAnEditIsNotTakenForIt: what is sealed says which action it is.
func TestThreat_B1_ContentOfBeforeAnEditIsNotTakenForIt(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	_, before, err := w.store.Content(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{
		Verdict: approval.Approve, ExpectedDigest: a.Digest, EditedArguments: "{}", Edit: &approval.Edit{Digest: "pc1:bb", Action: []byte("other")},
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Update(t.Context(), a.ID, func(r *approval.Record) approval.Effect { r.Content = before; return approval.Write }); err != nil {
		t.Fatal(err)
	}
	if given, err := w.Edited(t.Context(), a.ID); err == nil {
		t.Errorf("the agent is given %s", given)
	}
}
