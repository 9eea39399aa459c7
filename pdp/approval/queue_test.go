package approval_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

func TestCreate(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	if id, err := uuid.Parse(a.ID); err != nil || id.Version() != 7 {
		t.Errorf("id %q is no UUIDv7", a.ID)
	}
	if a.State != approval.Pending || a.Sequence != 1 || a.Quorum != 1 || !a.Created.Equal(start) || a.Expires.Sub(a.Created) != 300*time.Second {
		t.Errorf("got %+v", a)
	}
	if got := w.get(a.ID); fmt.Sprint(got) != fmt.Sprint(a) {
		t.Errorf("stored\n%+v\nreturned\n%+v", got, a)
	}
}

func TestCreateBoundsAnAsk(t *testing.T) {
	w := newWorld(t, approval.Config{MaxContentBytes: 1000})
	for field, change := range map[string]func(*approval.Ask){
		"tenant":          func(a *approval.Ask) { a.Tenant = "" },
		"agent":           func(a *approval.Ask) { a.Agent = "" },
		"requested_by":    func(a *approval.Ask) { a.RequestedBy = "" },
		"digest":          func(a *approval.Ask) { a.Digest = "" },
		"bundle_revision": func(a *approval.Ask) { a.BundleRevision = "" },
		"decision_id":     func(a *approval.Ask) { a.DecisionID = "" },
		"tool":            func(a *approval.Ask) { a.Tool = strings.Repeat("t", 2000) },
		"reasons":         func(a *approval.Ask) { a.Reasons = make([]approval.Reason, 1000) },
		"rules":           func(a *approval.Ask) { a.Rules = []string{strings.Repeat("r", 2000)} },
		"action":          func(a *approval.Ask) { a.Action = make([]byte, 1000) },
		"estimate":        func(a *approval.Ask) { a.EstimateTokens = -1 },
		"quorum":          func(a *approval.Ask) { a.Quorum = 11 },
		"ttl":             func(a *approval.Ask) { a.TTL = -1 },
	} {
		bad := ask()
		change(&bad)
		if _, err := w.Create(t.Context(), bad); !errors.Is(err, &approval.Error{Reason: "INVALID", Field: field}) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if a := w.ask(func(a *approval.Ask) { a.TTL = 1000 * time.Hour }); a.Expires.Sub(a.Created) != 24*time.Hour {
		t.Errorf("a TTL of 1,000 hours became %s", a.Expires.Sub(a.Created))
	}
}

func TestThreat_A16_AsksAreCapped(t *testing.T) {
	w := newWorld(t, approval.Config{MaxPendingPerAgent: 3, MaxPendingPerTenant: 5, MaxPending: 7})
	of := func(tenant, agent string) func(*approval.Ask) {
		return func(a *approval.Ask) { a.Tenant, a.Agent = tenant, agent }
	}
	try := func(tenant, agent string) error {
		a := ask()
		of(tenant, agent)(&a)
		_, err := w.Create(t.Context(), a)
		return err
	}
	mine := []approval.Approval{w.ask(of("acme", "a")), w.ask(of("acme", "a")), w.ask(of("acme", "a"))}
	for range 60 {
		err := try("acme", "a")
		wantErr(t, err, approval.ErrAskRate)
		wantErr(t, err, approval.ErrTooManyPending)
	}
	w.ask(of("acme", "b"))
	w.ask(of("acme", "b"))
	wantErr(t, try("acme", "c"), approval.ErrQueueFull)
	wantErr(t, try("acme", "c"), approval.ErrTooManyPending)
	w.ask(of("umbrella", "a")) // another tenant's agent of the same name
	w.ask(of("umbrella", "a"))
	wantErr(t, try("initech", "a"), approval.ErrQueueFull)

	// What ends makes room, however it ends.
	w.vote(mine[0].ID, "ann", approval.Approve)
	w.ask(of("acme", "a"))
	wantErr(t, try("acme", "a"), approval.ErrAskRate)
	w.vote(mine[1].ID, "ann", approval.Reject)
	w.ask(of("acme", "a"))
	if _, err := w.Cancel(t.Context(), mine[2].ID, ""); err != nil {
		t.Fatal(err)
	}
	w.ask(of("acme", "a"))
	w.clock.move(300 * time.Second)
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ask(of("acme", "a"))
}

func TestContentIsCappedAsAWhole(t *testing.T) {
	w := newWorld(t, approval.Config{MaxContentBytes: 1000, MaxContentTotalBytes: 2500})
	big := func(a *approval.Ask) { a.Action = make([]byte, 950) }
	first := w.ask(big)
	w.ask(big)
	a := ask()
	big(&a)
	_, err := w.Create(t.Context(), a)
	wantErr(t, err, approval.ErrQueueFull)
	w.vote(first.ID, "ann", approval.Approve)
	_, err = w.Create(t.Context(), a)
	wantErr(t, err, approval.ErrQueueFull) // approved and not used: still kept
	if err := w.Redeem(t.Context(), first.ID, redemption(), "d"); err != nil {
		t.Fatal(err)
	}
	w.ask(big)
}

func TestRevealWhilePending(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	r, err := w.Reveal(t.Context(), a.ID)
	if err != nil || !bytes.Equal(r.View, ask().View) || !bytes.Equal(r.Action, ask().Action) || r.Approval.ID != a.ID {
		t.Fatalf("got %+v, %v", r, err)
	}
	_, err = w.Reveal(t.Context(), "unknown")
	wantErr(t, err, approval.ErrNotFound)
	w.clock.move(300 * time.Second) // nobody has swept yet
	_, err = w.Reveal(t.Context(), a.ID)
	wantErr(t, err, approval.ErrEnded)
}

func TestContentIsBoundToItsApproval(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	_, content, err := w.store.Content(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	// Somebody with the database but not the key puts one approval's content under another, whose action a reviewer
	// would not approve.
	other := a
	other.ID, other.Digest = uuid.NewString(), "pc1:bb"
	rec := approval.Record{Approval: other, Changes: []approval.Change{{State: approval.Pending}}, Due: a.Expires}
	if err := w.store.Insert(t.Context(), rec, content, approval.Caps{PerAgent: 9, PerTenant: 9, Total: 9, ContentBytes: 1e6}); err != nil {
		t.Fatal(err)
	}
	if _, err = w.Reveal(t.Context(), other.ID); err == nil {
		t.Fatal("the content of one approval was shown for another")
	}
}

// Every way to an end erases the action, and nothing of it was ever in the file in clear.
func TestThreat_I9_TheActionIsErasedAtTheEnd(t *testing.T) {
	ends := map[string]func(w *world, id string){
		"rejected":  func(w *world, id string) { w.vote(id, "ann", approval.Reject) },
		"cancelled": func(w *world, id string) { _, _ = w.Cancel(w.t.Context(), id, "") },
		"expired":   func(w *world, _ string) { w.clock.move(300 * time.Second); _ = w.Sweep(w.t.Context()) },
		"redeemed": func(w *world, id string) {
			w.vote(id, "ann", approval.Approve)
			if err := w.Redeem(w.t.Context(), id, redemption(), "d"); err != nil {
				w.t.Fatal(err)
			}
		},
		"lapsed": func(w *world, id string) {
			w.vote(id, "ann", approval.Approve)
			w.clock.move(300 * time.Second)
			_ = w.Sweep(w.t.Context())
		},
		"revoked": func(w *world, id string) {
			w.vote(id, "ann", approval.Approve)
			_, _ = w.Cancel(w.t.Context(), id, "")
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, approval.Config{})
			a := w.ask()
			w.grep(canary, false)
			if _, content, err := w.store.Content(t.Context(), a.ID); err != nil || len(content) == 0 {
				t.Fatalf("pending, and %d bytes of content, %v", len(content), err)
			}
			end(w, a.ID)
			if _, content, err := w.store.Content(t.Context(), a.ID); err != nil || content != nil {
				t.Fatalf("ended, and %d bytes of content, %v", len(content), err)
			}
			_, err := w.Reveal(t.Context(), a.ID)
			wantErr(t, err, approval.ErrEnded)
			w.grep(canary, false)
			w.grep("send_email", true) // the search works: the tool's name is there
		})
	}
}

func TestApprovedKeepsItsContentUntilItIsUsed(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	if _, content, err := w.store.Content(t.Context(), a.ID); err != nil || len(content) == 0 {
		t.Fatalf("%d bytes of content, %v", len(content), err)
	}
	_, err := w.Reveal(t.Context(), a.ID)
	wantErr(t, err, approval.ErrEnded)
}

func (w *world) grep(text string, want bool) {
	w.t.Helper()
	got := false
	for _, name := range []string{embedded.FileName, embedded.JournalName} {
		raw, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			w.t.Fatal(err)
		}
		got = got || bytes.Contains(raw, []byte(text))
	}
	if got != want {
		w.t.Fatalf("%q in the files: %v, want %v", text, got, want)
	}
}

func TestListPages(t *testing.T) {
	w := newWorld(t, approval.Config{})
	var want []string
	for i := range 7 {
		a := w.ask(func(a *approval.Ask) {
			if i%2 == 1 {
				a.Agent, a.Tool = "other", "pay"
			}
			if i == 6 {
				a.Tenant = "umbrella"
			}
		})
		want = append(want, a.ID)
	}
	slices.Reverse(want)
	w.vote(want[1], "ann", approval.Approve)
	w.vote(want[2], "ann", approval.Reject)
	pick := func(idx ...int) (out []string) {
		for _, i := range idx {
			out = append(out, want[i])
		}
		return out
	}
	for name, tc := range map[string]struct {
		f    approval.Filter
		want []string
	}{
		"all":              {approval.Filter{}, want},
		"tenant":           {approval.Filter{Tenant: "acme"}, want[1:]},
		"agent":            {approval.Filter{Tenant: "acme", Agent: "other"}, pick(1, 3, 5)},
		"tool":             {approval.Filter{Tool: "pay"}, pick(1, 3, 5)},
		"pending":          {approval.Filter{States: []approval.State{approval.Pending}}, pick(0, 3, 4, 5, 6)},
		"ended":            {approval.Filter{States: []approval.State{approval.Rejected, approval.Approved, approval.Rejected}}, pick(1, 2)},
		"nobody's":         {approval.Filter{Agent: "nobody"}, nil},
		"pending of other": {approval.Filter{States: []approval.State{approval.Pending}, Agent: "other"}, pick(3, 5)},
	} {
		for size := 1; size <= 8; size++ {
			var got []string
			token := ""
			for pages := 0; ; pages++ {
				page, next, err := w.List(t.Context(), tc.f, size, token)
				if err != nil || len(page) > size || pages > 10 {
					t.Fatalf("%s: page of %d rows, %v", name, len(page), err)
				}
				for _, a := range page {
					got = append(got, a.ID)
				}
				if token = next; token == "" {
					break
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%s, %d a page: got %v, want %v", name, size, got, tc.want)
			}
		}
	}
	for _, token := range []string{"x", strings.Repeat("a", 36), "{" + want[0] + "}"} {
		_, _, err := w.List(t.Context(), approval.Filter{}, 0, token)
		wantErr(t, err, &approval.Error{Reason: "INVALID", Field: "page_token"})
	}
	_, _, err := w.List(t.Context(), approval.Filter{}, 201, "")
	wantErr(t, err, &approval.Error{Reason: "INVALID", Field: "page_size"})
	_, _, err = w.List(t.Context(), approval.Filter{States: []approval.State{"open"}}, 0, "")
	wantErr(t, err, &approval.Error{Reason: "INVALID", Field: "states"})
}

func TestListAndGetKnowWhatRanOutAMomentAgo(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a, b := w.ask(), w.ask()
	w.clock.move(300 * time.Second)
	w.wantState(a.ID, approval.Expired)
	pending, _, err := w.List(t.Context(), approval.Filter{States: []approval.State{approval.Pending}}, 0, "")
	if err != nil || len(pending) != 0 {
		t.Fatalf("pending: %v, %v", pending, err)
	}
	if rec, err := w.store.Load(t.Context(), b.ID); err != nil || rec.Approval.State != approval.Expired {
		t.Fatalf("what was told is not on disk: %s, %v", rec.Approval.State, err)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (approval.Config{}).Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for field, cfg := range map[string]approval.Config{
		"max_pending_per_agent":   {MaxPendingPerAgent: -1},
		"max_pending_per_tenant":  {MaxPendingPerTenant: -1},
		"max_pending ":            {MaxPending: -1},
		"default_ttl":             {DefaultTTL: 48 * time.Hour},
		"max_ttl":                 {MaxTTL: 1000 * time.Hour},
		"retention":               {Retention: -1},
		"max_kept":                {MaxKept: -1},
		"max_content_bytes":       {MaxContentBytes: -1},
		"max_content_total_bytes": {MaxContentTotalBytes: 1},
		"max_watchers":            {MaxWatchers: -1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if _, err := approval.New(approval.Config{MaxPending: -1}, nil, nil, nil); err == nil {
		t.Error("New took a configuration that is not valid")
	}
}

func TestThreat_F7_NoAllowOnTimeout(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	w.vote(a.ID, "ann", approval.Approve)
	w.clock.move(24 * time.Hour)
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantState(a.ID, approval.Expired)
}

func TestAStoreThatFailsPromisesNothing(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	_, createErr := w.Create(t.Context(), ask())
	_, getErr := w.Get(t.Context(), a.ID)
	_, verdictErr := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve})
	_, checkErr := w.Check(t.Context(), a.ID, redemption())
	for name, err := range map[string]error{
		"create": createErr, "get": getErr, "verdict": verdictErr, "check": checkErr,
		"redeem": w.Redeem(t.Context(), a.ID, redemption(), "d"), "sweep": w.Sweep(t.Context()),
	} {
		if e, ok := errors.AsType[*approval.Error](err); !ok || e.Problem != approval.Unavailable || e.Reason != "STATE_UNAVAILABLE" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
