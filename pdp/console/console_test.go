package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

func TestApproveOnAPage(t *testing.T) {
	b := newBench(t)
	ann := b.browser()
	if got := ann.get(Home + "/" + askID); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/sign-in?next=%2Fapprovals%2F"+askID {
		t.Fatalf("who is not signed in gets %d to %s", got.Code, got.Header().Get("Location"))
	}
	signIn := ann.get("/sign-in?next=%2Fapprovals%2F" + askID)
	shows(t, signIn, 200, "API key or token", `<label for="credential">`)
	form := formOf(t, signIn.Body.String(), "/sign-in")
	form.Set("credential", " ann\n")
	if got := ann.post("/sign-in", form); got.Code != http.StatusSeeOther || got.Header().Get("Location") != ann.base+Home+"/"+askID || len(ann.base) != len("/~")+43 {
		t.Fatalf("signing in leads to %d %s", got.Code, got.Header().Get("Location"))
	}
	shows(t, ann.get(Home), 200, "Review …d54722c084dc", "send_email", "mailer", "high", "10s ago", "in 4m50s", "0 of 1", `http-equiv="refresh" content="20; url=`+ann.base+`/approvals?auto=1"`)
	shows(t, ann.get(Home+"/"+askID), 200, "RISK_NEEDS_APPROVAL", "It is a risk.", digest, `&#34;to&#34;: &#34;x&#34;`, "Approve this action, once")

	verdict := ann.form("verdict")
	verdict.Set("verdict", "approve")
	verdict.Set("comment", "fine")
	shows(t, ann.post(Home+"/"+askID+"/verdict", verdict), 200, "<h1>Approved</h1>", "once, and nothing else")
	if got := b.desk.done(); !slices.Equal(got, []string{"VERDICT_APPROVE " + askID + " fine"}) || b.desk.verdict.GetExpectedDigest() != digest || !b.desk.verdict.GetSeenInFull() {
		t.Errorf("the desk was asked for %v, %v", got, b.desk.verdict)
	}
	shows(t, ann.get(Home+"/"+askID), 200, "It has ended, and the action is erased.")
	shows(t, ann.get(Home), 200, "Nothing waits for anybody.")
	shows(t, ann.get(Home+"?show=all"), 200, "Look at …d54722c084dc", "approved")
}

func TestRejectAndWithdraw(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	withdraw := ann.form("withdraw")
	withdraw.Set("reason", "not now")
	shows(t, ann.post(Home+"/"+askID+"/withdraw", withdraw), 200, "<h1>Withdrawn</h1>")
	verdict := ann.form("verdict")
	verdict.Set("verdict", "reject")
	shows(t, ann.post(Home+"/"+askID+"/verdict", verdict), 200, "<h1>Rejected</h1>")
	if got := b.desk.done(); !slices.Equal(got, []string{"withdraw " + askID + " not now", "VERDICT_REJECT " + askID + " "}) {
		t.Errorf("the desk was asked for %v", got)
	}
}

// TestOutcomesInWords: what a verdict did is said plainly, most of all that it did nothing.
func TestOutcomesInWords(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(b *bench)
		status  int
		says    string
	}{
		"too late":    {func(b *bench) { b.desk.applied = false; b.ended() }, 409, "Too late: nothing was changed"},
		"twice":       {func(b *bench) { b.desk.applied = false }, 409, "You have said so already: nothing was changed"},
		"self":        {func(b *bench) { b.desk.refuse = &Refusal{Forbidden, "SELF_APPROVAL", "who asked cannot approve"} }, 403, "who asked cannot approve <code>SELF_APPROVAL"},
		"stale":       {func(b *bench) { b.desk.refuse = &Refusal{Stale, "DIGEST_MISMATCH", "another action"} }, 409, "DIGEST_MISMATCH"},
		"policy":      {func(b *bench) { b.desk.refuse = &Refusal{Stale, "POLICY_CHANGED", "the policy has changed"} }, 409, "POLICY_CHANGED"},
		"store down":  {func(b *bench) { b.desk.refuse = &Refusal{Unavailable, "STATE_UNAVAILABLE", "call again"} }, 503, "STATE_UNAVAILABLE"},
		"own failure": {func(b *bench) { b.desk.refuse = &Refusal{Failed, "INTERNAL", "the log has the cause"} }, 500, "INTERNAL"},
		"key revoked": {func(b *bench) { b.desk.refuse = &Refusal{Unknown, "BAD_CREDENTIAL", "the credential is not valid"} }, 401, "BAD_CREDENTIAL"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			ann := b.signedIn("ann")
			verdict := ann.form("verdict")
			verdict.Set("verdict", "approve")
			c.prepare(b)
			shows(t, ann.post(Home+"/"+askID+"/verdict", verdict), c.status, c.says)
		})
	}
}

func (b *bench) ended() {
	b.desk.asks[askID].State = pb.ApprovalState_APPROVAL_STATE_EXPIRED
	b.desk.asks[askID].EndedAt = timestamppb.New(b.now)
}

// TestAQuorumInWords: a yes that is not the last one is no approval, and the page does not say so.
func TestAQuorumInWords(t *testing.T) {
	b := newBench(t)
	a := b.desk.asks[askID]
	a.Quorum, a.ApprovalsMissing = 3, 2
	ann := b.signedIn("ann")
	shows(t, ann.get(Home), 200, "1 of 3")
	for missing, says := range map[int32]string{2: "2 more people have to approve", 1: "1 more person has to approve"} {
		heading, text := whatVerdictDid(&pb.SubmitVerdictResponse{Applied: true, Approval: &pb.Approval{State: a.GetState(), ApprovalsMissing: missing}})
		if heading != "Your yes counts" || !strings.Contains(text, says) {
			t.Errorf("%s: %s", heading, text)
		}
	}
}

// TestALinkFromElsewhere leads on whoever is signed in: browsers keep a strict cookie at home when another site leads here.
func TestALinkFromElsewhere(t *testing.T) {
	b := newBench(t)
	br := b.browser()
	br.host, br.header = "portcullis.example", map[string]string{"Sec-Fetch-Site": "cross-site"}
	shows(t, br.get("/sign-in?next="+url.QueryEscape(Home+"/"+askID)), 200, `<a href="/approvals/`+askID+`">go on</a>`)
	br.header = nil
	if page := br.get("/sign-in").Body.String(); strings.Contains(page, "go on") {
		t.Error("everybody is told so")
	}
}

// TestTheListStaysStill where somebody wants it to.
func TestTheListStaysStill(t *testing.T) {
	ann := newBench(t).signedIn("ann")
	for _, path := range []string{Home + "?still=1", Home + "?show=all", Home + "?page=x", Home + "/" + askID} {
		if strings.Contains(ann.get(path).Body.String(), "http-equiv") {
			t.Errorf("%s moves", path)
		}
	}
}

// TestAnAuditorReadsAndDecidesNothing: the page has no forms for a verdict, and none is made of what somebody makes up.
func TestAnAuditorReadsAndDecidesNothing(t *testing.T) {
	b := newBench(t)
	olga := b.signedIn("olga")
	page := olga.get(Home + "/" + askID)
	shows(t, page, 200, "send_email")
	for _, act := range []string{"verdict", "reveal", "withdraw"} {
		if strings.Contains(page.Body.String(), "/"+act+`"`) {
			t.Errorf("an auditor is shown a form to %s", act)
		}
	}
}

// TestThreat_B17_AYesNeedsAllPages: who was not shown each page of the action as it is now, one after another, has no way to
// say yes on this page.
func TestThreat_B17_AYesNeedsAllPages(t *testing.T) {
	b := newBench(t)
	b.desk.pages = []*pb.ReviewView{
		{ActionJson: "one", ActionBytes: 30, Truncated: true, NextOffset: 10},
		{ActionJson: "two", ActionBytes: 30, Truncated: true, Offset: 10, NextOffset: 20},
		{ActionJson: "three", ActionBytes: 30, Truncated: true, Offset: 20},
	}
	ann := b.signedIn("ann")
	path := Home + "/" + askID
	next := func(page string) string {
		t.Helper()
		_, after, found := strings.Cut(page, `you have not seen all of it. <a href="`)
		if !found {
			t.Fatalf("no next page in\n%s", page)
		}
		address, _, _ := strings.Cut(after, `"`)
		return strings.TrimPrefix(strings.ReplaceAll(address, "&amp;", "&"), ann.base)
	}
	first := ann.get(path)
	shows(t, first, 200, "those from 0 to 10", "You can approve it on its last page")
	second := ann.get(next(first.Body.String()))
	shows(t, second, 200, "two", "You can approve it on its last page")
	last := ann.get(next(second.Body.String()))
	shows(t, last, 200, "three", "Approve this action, once")
	whole := formOf(t, last.Body.String(), ann.base+path+"/verdict")

	skipped := ann.get(path + "?offset=20")
	shows(t, skipped, 200, "three", "You came here without the pages before this one")
	jump := next(first.Body.String())
	read, _ := url.ParseQuery(jump[strings.Index(jump, "?")+1:])
	shows(t, ann.get(path+"?offset=20&read="+read.Get("read")), 200, "You came here without the pages before this one")

	yes := func(who *browser, form url.Values, read, digest string) int {
		form = url.Values{"token": form["token"], "digest": {digest}, "read": {read}, "verdict": {"approve"}}
		return who.post(path+"/verdict", form).Code
	}
	bob := b.signedIn("bob")
	for name, code := range map[string]int{
		"nothing was read":    yes(ann, whole, "", digest),
		"the first page":      yes(ann, whole, read.Get("read"), digest),
		"another's reading":   yes(bob, bob.form("verdict"), whole.Get("read"), digest),
		"of another action":   yes(ann, whole, whole.Get("read"), "pc1:bb"),
		"an invented reading": yes(ann, whole, strings.Repeat("A", 43), digest),
	} {
		if code != http.StatusConflict {
			t.Errorf("%s: status %d", name, code)
		}
	}
	if got := b.desk.done(); len(got) > 0 {
		t.Fatalf("the desk was asked for %v", got)
	}
	if code := yes(ann, whole, whole.Get("read"), digest); code != http.StatusOK {
		t.Errorf("all pages were read: status %d", code)
	}
}

// TestRevealTakesAForm, and shows nothing if the action is another one meanwhile.
func TestRevealTakesAForm(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	form := ann.form("reveal")
	form.Set("reason", "is it her number?")
	path := Home + "/" + askID + "/reveal"
	shows(t, ann.post(path, form), 200, "SECRET", "Nothing is masked on this page", "Approve this action, once")
	if got := b.desk.done(); !slices.Equal(got, []string{"reveal " + askID + " 0 is it her number?"}) {
		t.Errorf("the desk was asked for %v", got)
	}
	b.desk.asks[askID].EditedDigest = "pc1:edited"
	if got := ann.post(path, form); got.Code != http.StatusConflict || strings.Contains(got.Body.String(), "SECRET") || len(b.desk.done()) > 0 {
		t.Errorf("a changed action was shown: %d", got.Code)
	}
}

// TestAVerdictNamesWhatItIsFor: without the digest that was shown, the contract would take it for whatever is there.
func TestAVerdictNamesWhatItIsFor(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	for _, act := range []string{"verdict", "reveal"} {
		for _, verdict := range []string{"approve", "reject"} {
			form := ann.complete()
			form.Set("verdict", verdict)
			form.Del("digest")
			if got := ann.post(Home+"/"+askID+"/"+act, form); got.Code != http.StatusBadRequest || len(b.desk.done()) > 0 {
				t.Errorf("%s, %s: status %d", act, verdict, got.Code)
			}
		}
	}
	for _, verdict := range []string{"", "yes", "APPROVE"} {
		form := ann.complete()
		form.Set("verdict", verdict)
		if got := ann.post(Home+"/"+askID+"/verdict", form); got.Code != http.StatusBadRequest || len(b.desk.done()) > 0 {
			t.Errorf("verdict %q: status %d", verdict, got.Code)
		}
	}
}

// TestLostRightsEndTheSession: the credential is asked for anew each time.
func TestLostRightsEndTheSession(t *testing.T) {
	for name, change := range map[string]func(callers map[string]identity.Caller){
		"revoked":           func(c map[string]identity.Caller) { delete(c, "Bearer ann") },
		"an agent's now":    func(c map[string]identity.Caller) { c["Bearer ann"] = c["Bearer agent"] },
		"somebody else's":   func(c map[string]identity.Caller) { c["Bearer ann"] = c["Bearer bob"] },
		"of another tenant": func(c map[string]identity.Caller) { a := c["Bearer ann"]; a.Tenant = "other"; c["Bearer ann"] = a },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			ann := b.signedIn("ann")
			verdict := ann.form("verdict")
			verdict.Set("verdict", "approve")
			old := *ann.cookie
			before := b.desk.callers["Bearer ann"]
			change(b.desk.callers)
			shows(t, ann.post(Home+"/"+askID+"/verdict", verdict), 401, "You are signed out, and nothing was done")
			if ann.cookie != nil || len(b.desk.done()) > 0 {
				t.Error("the cookie is still there, or something was done")
			}
			b.desk.callers["Bearer ann"] = before // the session has ended, whatever comes after
			ann.cookie = &old
			if got := ann.get(Home); got.Code != http.StatusSeeOther {
				t.Errorf("the session is back: %d", got.Code)
			}
		})
	}
}

// TestAStoreThatIsDownSignsNobodyOut.
func TestAStoreThatIsDownSignsNobodyOut(t *testing.T) {
	b := newBench(t)
	ann := b.signedIn("ann")
	b.desk.down = &Refusal{Unavailable, "IDENTITY_UNAVAILABLE", "tokens of this issuer cannot be checked now"}
	shows(t, ann.get(Home), 503, "IDENTITY_UNAVAILABLE")
	b.desk.down = nil
	shows(t, ann.get(Home), 200)
}

// TestSessionsEnd by time, and a page that shows itself anew keeps nobody signed in.
func TestSessionsEnd(t *testing.T) {
	in := func(br *browser, target string) bool { return br.get(target).Code == http.StatusOK }
	t.Run("idle", func(t *testing.T) {
		b := newBench(t)
		ann := b.signedIn("ann")
		for range 4 {
			b.now = b.now.Add(14 * time.Minute)
			if !in(ann, Home) {
				t.Fatal("who is active is signed out")
			}
		}
		b.now = b.now.Add(idleFor)
		if in(ann, Home) {
			t.Error("still signed in")
		}
	})
	t.Run("a list that nobody looks at", func(t *testing.T) {
		b := newBench(t)
		ann := b.signedIn("ann")
		b.now = b.now.Add(14 * time.Minute)
		if !in(ann, Home+"?auto=1") {
			t.Fatal("signed out early")
		}
		b.now = b.now.Add(time.Minute)
		if in(ann, Home+"?auto=1") {
			t.Error("still signed in")
		}
	})
	t.Run("a day's work", func(t *testing.T) {
		b := newBench(t)
		ann := b.signedIn("ann")
		for range 47 {
			b.now = b.now.Add(10 * time.Minute)
			if !in(ann, Home) {
				t.Fatal("signed out early")
			}
		}
		b.now = b.now.Add(10 * time.Minute)
		if in(ann, Home) {
			t.Error("still signed in after 8 hours")
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	b := newBench(t)
	var all []*browser
	for range maxOfOwner + 1 {
		b.now = b.now.Add(time.Second)
		all = append(all, b.signedIn("ann"))
	}
	if got := all[0].get(Home); got.Code != http.StatusSeeOther {
		t.Errorf("the oldest of nine sessions goes on: %d", got.Code)
	}
	shows(t, all[1].get(Home), 200)
	s := newSessions(func() time.Time { return b.now })
	for i := range maxSessions {
		if _, ok := s.begin(owner{subject: strings.Repeat("x", i%2000)}, "", ""); !ok {
			t.Fatalf("session %d is one too many", i)
		}
	}
	if _, ok := s.begin(owner{subject: "one more"}, "", ""); ok {
		t.Error("there is no bound")
	}
	b.now = b.now.Add(idleFor)
	if _, ok := s.begin(owner{subject: "one more"}, "", ""); !ok {
		t.Error("sessions that have ended keep others out")
	}
}

// TestMemoryHoldsNoCredential: what is kept of a session opens neither it nor anything else.
func TestMemoryHoldsNoCredential(t *testing.T) {
	s := newSessions(time.Now)
	secret, _ := s.begin(owner{subject: "ann"}, "Bearer pcap_secret", "")
	for id, kept := range s.byID {
		if strings.Contains(string(kept.sealed), "pcap_secret") || strings.Contains(string(id[:]), string(secret)) {
			t.Error("a secret is kept in the open")
		}
	}
	k := keysOf(secret)
	if _, header, ok := s.find(k, "", true); !ok || header != "Bearer pcap_secret" {
		t.Errorf("found %q, %t", header, ok)
	}
	other := keysOf([]byte(strings.Repeat("x", secretBytes)))
	if other.formToken() == k.formToken() || k.formToken() == encode(k.read) || k.formToken() == encode(k.box) || k.formToken() == encode(secret) {
		t.Error("a form tells another secret")
	}
}
