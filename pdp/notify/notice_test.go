package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// TestThreat_I9_ANotificationHoldsNoArgument: what waits is encrypted, and a chat channel is no place for it.
func TestThreat_I9_ANotificationHoldsNoArgument(t *testing.T) {
	a := ask(t, open(t, 10), "acme")
	n, ok := noticeOf(a, "https://console.example/approvals/")
	if !ok {
		t.Fatal("an ask is not told")
	}
	for _, f := range []Format{JSON, Slack} {
		body, err := n.body(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"send_email", "billing", "SINK_UNKNOWN", "the receiver is not known", "high", a.ID, "https://console.example/approvals/" + a.ID} {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s lacks %q: %s", f, want, body)
			}
		}
		if strings.Contains(string(body), secretArgument) {
			t.Errorf("%s tells an argument", f)
		}
	}
}

// Whoever names an agent or a tool must not speak in the channel with the PDP's voice.
func TestNamesAreShownAsWhatTheyAre(t *testing.T) {
	for _, name := range []string{
		"<!channel>", "<https://evil.example|approve>", "*x*`\n*Approved* by ann `", "a\u202eb", "\x1b[2J", strings.Repeat("x", 5000), "@here",
	} {
		n := example
		n.approval.Tool, n.approval.Agent = name, name
		text := n.slack().Text
		inside := false
		for i, part := range strings.Split(text, "`") {
			inside = i%2 == 1
			if !inside && (strings.Contains(part, "evil") || strings.Contains(part, "channel") || strings.Contains(part, "here") || strings.Contains(part, "by ann")) {
				t.Errorf("%q is not inside code: %q", name, text)
			}
		}
		if inside || strings.Count(text, "\n") != strings.Count(example.slack().Text, "\n") || strings.ContainsAny(text, "\x1b\u202e") || len(text) > 3000 {
			t.Errorf("%q is shown as %q", name, text)
		}
		if strings.Count(text, "<") != 1 { // the link
			t.Errorf("%q makes a link: %q", name, text)
		}
		raw, err := json.Marshal(n.json())
		if err != nil || len(raw) > 4000 {
			t.Errorf("%q: %d bytes, %v", name, len(raw), err)
		}
	}
}

func TestWhichChangesAreTold(t *testing.T) {
	yes, late := approval.Vote{Applied: true}, approval.Vote{}
	for name, c := range map[string]struct {
		a    approval.Approval
		want Kind
	}{
		"asked":        {approval.Approval{State: approval.Pending, Sequence: 1}, Asked},
		"one of two":   {approval.Approval{State: approval.Pending, Sequence: 2, Votes: []approval.Vote{yes}}, ""},
		"a stage":      {approval.Approval{State: approval.Pending, Sequence: 2, StageOpened: time.Unix(9, 0)}, Asked},
		"approved":     {approval.Approval{State: approval.Approved, Sequence: 2, Votes: []approval.Vote{yes}}, Ended},
		"a late vote":  {approval.Approval{State: approval.Approved, Sequence: 3, Votes: []approval.Vote{yes, late}}, ""},
		"used":         {approval.Approval{State: approval.Approved, Use: approval.Redeemed, Sequence: 3, Votes: []approval.Vote{yes}}, ""},
		"expired":      {approval.Approval{State: approval.Expired, Sequence: 2}, Ended},
		"withdrawn":    {approval.Approval{State: approval.Cancelled, Sequence: 2}, Ended},
		"too late yes": {approval.Approval{State: approval.Expired, Sequence: 3, Votes: []approval.Vote{late}}, ""},
	} {
		if n, ok := noticeOf(c.a, ""); n.kind != c.want || ok != (c.want != "") {
			t.Errorf("%s: told as %q", name, n.kind)
		}
	}
}
