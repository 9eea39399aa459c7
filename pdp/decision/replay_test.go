package decision

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
)

// counted is a table by which each call and each micro-dollar shows.
func counted() func(*room) {
	return withTables(limitTable(
		limitRow("tried", 1000, map[string]any{"counts": "attempts"}),
		limitRow("spent", 1000, map[string]any{"measure": "cost_micro_usd"}),
	))
}

func repeated(id string) Request {
	req := add()
	req.RequestID, req.Action.Estimate.CostMicroUSD = id, 10
	return req
}

func (r *room) wantCharged(tried, spent int64) {
	r.t.Helper()
	if a, s := r.used("tried", add()), r.used("spent", add()); a != tried || s != spent {
		r.t.Fatalf("%d tries and %d micro-USD are charged; want %d and %d", a, s, tried, spent)
	}
}

func TestARepeatedRequestHearsTheSame(t *testing.T) {
	r := newRoom(t, counted())
	first := r.want(Allow, "", repeated("r1"))
	for range 3 {
		if again := r.want(Allow, "", repeated("r1")); again.DecisionID != first.DecisionID {
			t.Fatalf("decision %s, then %s", first.DecisionID, again.DecisionID)
		}
	}
	r.wantCharged(1, 10)
	if n := len(r.lines(decisionlog.TypeDecision)); n != 1 {
		t.Fatalf("%d lines in the log", n)
	}
	if other := r.want(Allow, "", repeated("r2")); other.DecisionID == first.DecisionID {
		t.Fatal("another id has the same answer")
	}
	r.wantCharged(2, 20)
}

func TestARepeatedRequestHearsTheSameConcurrently(t *testing.T) {
	r := newRoom(t, counted())
	var wg sync.WaitGroup
	ids := make([]string, 50)
	for i := range ids {
		wg.Go(func() {
			resp, err := r.engine.Decide(t.Context(), gateway, repeated("r1"))
			if err != nil || resp.Effect != Allow {
				t.Errorf("%s, %v", resp.Effect, err)
			}
			ids[i] = resp.DecisionID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatal("two decisions on one request")
		}
	}
	r.wantCharged(1, 10)
}

func TestARequestIdIsForOneAction(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Request)
		reused bool // or else: another key, decided by itself
	}{
		"tool":       {func(req *Request) { req.Action.Tool = "search" }, true},
		"argument":   {func(req *Request) { req.Action.Arguments = map[string]any{"sum": "2+3"} }, true},
		"approval":   {func(req *Request) { req.ApprovalID = "other" }, true},
		"kind":       {func(req *Request) { req.Action.Kind = action.KindModelOutput }, true},
		"agent":      {func(req *Request) { req.Principal.Agent = "demo-filtered" }, false},
		"session":    {func(req *Request) { req.Principal.Session = "s2" }, false},
		"run":        {func(req *Request) { req.Principal.Run = "r" }, false},
		"user":       {func(req *Request) { req.Principal.User = "u" }, false},
		"delegation": {func(req *Request) { req.Principal.Delegation = []string{"t"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			first := r.want(Allow, "", repeated("r1"))
			req := repeated("r1")
			tc.change(&req)
			if tc.reused {
				r.wantRefused("REQUEST_ID_REUSED", req)
				return
			}
			if resp := r.decide(req); resp.DecisionID == first.DecisionID {
				t.Fatal("the answer of another principal was given")
			}
		})
	}
	t.Run("credential", func(t *testing.T) {
		r := newRoom(t)
		first := r.want(Allow, "", repeated("r1"))
		other := gateway
		other.CredentialID = "c2"
		if resp, err := r.engine.Decide(t.Context(), other, repeated("r1")); err != nil || resp.DecisionID == first.DecisionID {
			t.Fatalf("%s, %v", resp.DecisionID, err)
		}
	})
}

func TestAfterTheWindowARequestIdIsNew(t *testing.T) {
	r := newRoom(t, counted())
	first := r.want(Allow, "", repeated("r1"))
	r.pass(10*time.Minute - time.Second)
	if r.want(Allow, "", repeated("r1")).DecisionID != first.DecisionID {
		t.Fatal("forgotten too early")
	}
	r.pass(time.Second)
	if r.want(Allow, "", repeated("r1")).DecisionID == first.DecisionID {
		t.Fatal("remembered too long")
	}
}

func TestThreat_E17_AnAnswerDoesNotOutliveItsRevision(t *testing.T) {
	r := newRoom(t, counted())
	first := r.want(Allow, "", repeated("r1"))
	r.wantCharged(1, 10)
	rows := limitTable(
		limitRow("tried", 1000, map[string]any{"counts": "attempts"}), limitRow("spent", 1000, map[string]any{"measure": "cost_micro_usd"}),
	)
	rows["size"] = map[string]any{"max_tokens": 7999}
	r.holder.Swap(tuned(t, rows))
	again := r.want(Allow, "", repeated("r1"))
	if again.DecisionID == first.DecisionID || again.BundleRevision == first.BundleRevision {
		t.Fatal("the answer of the revision before was given")
	}
	r.wantCharged(1, 10) // not twice
	cost := action.Usage{CostMicroUSD: 4}
	r.report(again, Succeeded, &cost)
	r.wantCharged(1, 4)
	r.report(first, Succeeded, &cost)
	r.wantCharged(1, 4) // both are one action, and settled once
	rows["blocked"] = map[string]any{"tools": []any{"calculator"}}
	r.holder.Swap(tuned(t, rows))
	r.want(Deny, "TOOL_BLOCKED", repeated("r1"))
	r.wantCharged(1, 4)
}

func TestThreat_E18_AnAnswerDoesNotOutliveAKillSwitch(t *testing.T) {
	r := newRoom(t, counted())
	r.want(Allow, "", repeated("r1"))
	r.kill(killswitch.Switch{Session: "s1"}, true)
	r.want(Deny, "KILL_SWITCH", repeated("r1"))
	r.wantCharged(1, 10)
}

func TestThreat_I10_RequestIdsAreBounded(t *testing.T) {
	r := newRoom(t, func(r *room) { r.config.ReplayMax, r.config.ReplayAgent = 8, 5 })
	for i := range 5 {
		r.want(Allow, "", repeated(fmt.Sprint("r", i)))
	}
	r.wantRefused("REQUEST_IDS_FULL", repeated("r5"))
	r.want(Allow, "", repeated("r0")) // what is remembered is answered
	r.want(Allow, "", add())          // and so is a request without an id
	other := func(id string) Request {
		req := repeated(id)
		req.Principal.Agent = "demo-filtered"
		return req
	}
	for i := range 3 {
		r.want(Allow, "", other(fmt.Sprint("r", i)))
	}
	r.wantRefused("REQUEST_IDS_FULL", other("r3"))
	r.pass(10 * time.Minute)
	r.want(Allow, "", repeated("r5"))
	if n := len(r.engine.replay.answers); n != 1 {
		t.Fatalf("%d request ids are remembered after the window", n)
	}
}

func TestARequestThatEndedInAnErrorMayBeTriedAgain(t *testing.T) {
	r := newRoom(t)
	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	req := mail()
	req.RequestID, req.ApprovalID = "r1", asked.Approval.ID
	r.wantRefused("APPROVAL_PENDING", req)
	r.approve(mail(), asked)
	r.want(Allow, "", req)
	r.want(Allow, "", req) // the same answer, not a second use
}

func TestAFailureOfTheEngineIsNotRemembered(t *testing.T) {
	r := newRoom(t, counted())
	r.log.broken.Store(true)
	r.want(Deny, "LOG_UNAVAILABLE", repeated("r1"))
	r.log.broken.Store(false)
	r.history.putBroken.Store(true)
	r.want(Deny, "STATE_UNAVAILABLE", repeated("r1"))
	r.history.putBroken.Store(false)
	first := r.want(Allow, "", repeated("r1"))
	if again := r.want(Allow, "", repeated("r1")); again.DecisionID != first.DecisionID {
		t.Fatalf("decision %s, then %s", first.DecisionID, again.DecisionID)
	}
	r.wantCharged(2, 10) // every try counts as one (but for a session that cannot be written: it fails first), money only where it was allowed
}
