package decision

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// TestWhatLimitsSayIsCounted: by the limit's name and by what it said, once an action, whoever acts.
func TestWhatLimitsSayIsCounted(t *testing.T) {
	table := limitTable(
		limitRow("hard", 4, map[string]any{"scope": []any{"agent"}}),
		limitRow("soft", 1, map[string]any{"on_exceed": "require_approval"}),
		limitRow("alert", 2, map[string]any{"on_exceed": "alert", "scope": []any{"tenant"}}),
		limitRow("of_another_tool", 1, map[string]any{"tools": []any{"search"}}),
	)
	r := newRoom(t, withTables(table))
	heard := func(what string, want ...string) {
		t.Helper()
		got := slices.DeleteFunc(r.heard.limited(), func(said string) bool { // the default limits said something, too
			name, _, _ := strings.Cut(said, " ")
			return !slices.Contains([]string{"hard", "soft", "alert", "of_another_tool"}, name)
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: heard %q, want %q", what, got, want)
		}
	}
	r.want(Allow, "", add())
	heard("the first", "alert charged 1", "hard charged 1", "soft charged 1")
	asked := r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", add())
	heard("past the soft one", "alert alerted 1", "hard charged 1", "soft asked 1")
	r.want(Allow, "", r.approve(add(), asked))
	heard("approved", "alert alerted 1", "hard charged 1", "soft passed 1")

	again := add()
	again.RequestID, again.Principal.Session = "r1", "another"
	for range 3 {
		r.want(Allow, "", again)
	}
	heard("one request, thrice", "alert alerted 1", "hard charged 1", "soft charged 1")
	table["size"] = map[string]any{"max_tokens": 7_999}
	r.holder.Swap(tuned(t, table))
	r.want(Allow, "", again)
	heard("the same request under another revision")

	fourth := add()
	fourth.Principal.Session = "a third"
	r.want(Allow, "", fourth)
	r.heard.limited()
	r.want(Deny, "LIMIT_EXCEEDED", fourth)
	heard("past the hard one", "hard exceeded 1")

	r.ledger.broken.Store(true)
	r.pass(time.Second) // the ledger's no is believed for a moment
	other := add()
	other.Principal.Session = "not seen yet"
	for range 50 { // until the broken ledger is noticed
		if resp := r.decide(other); slices.Contains(codes(resp.Reasons), "STATE_UNAVAILABLE") {
			break
		}
	}
	if got := r.heard.limited(); !slices.Contains(got, "hard unavailable 1") || slices.Contains(got, "of_another_tool unavailable 1") {
		t.Errorf("with a broken ledger: %q", got)
	}
}

// A user's limit follows the credential: an agent that speaks for itself neither leaves a user's counter by naming another
// user, nor spends one that is not its own.
func TestThreat_A6_AnAgentDoesNotChooseWhoseLimitCounts(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("of_user", 2, map[string]any{"scope": []any{"tenant", "user"}}))))
	own := gateway
	own.Roles, own.Agents, own.CredentialID = []identity.Role{identity.RoleAgent}, []string{"demo-basic"}, "c2"
	for i, tc := range []struct {
		caller identity.Caller
		user   string
		want   Effect
	}{
		{own, "ann", Allow},
		{own, "bob", Allow},
		{own, "cem", Deny},
		{own, "", Deny},
		{gateway, "ann", Allow},
		{gateway, "ann", Allow},
		{gateway, "ann", Deny},
		{gateway, "bob", Allow},
	} {
		req := add()
		req.Principal.User = tc.user
		resp, err := r.engine.Decide(t.Context(), tc.caller, req)
		if err != nil || resp.Effect != tc.want {
			t.Fatalf("call %d for %q by a %s: %s %v, error %v; want %s", i, tc.user, tc.caller.Roles[0], resp.Effect, codes(resp.Reasons), err, tc.want)
		}
	}
}
