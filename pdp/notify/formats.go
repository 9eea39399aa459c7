package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// body is the notification as the target wants it.
func (n notice) body(f Format) ([]byte, error) {
	if f == Slack {
		return json.Marshal(n.slack())
	}
	return json.Marshal(n.json())
}

// envelope is the JSON format: type, time, and what it is about.
type envelope struct {
	Type      Kind      `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	ApprovalID string    `json:"approval_id"`
	Sequence   uint64    `json:"sequence"`
	State      string    `json:"state"`
	Tenant     string    `json:"tenant"`
	Agent      string    `json:"agent"`
	Kind       string    `json:"kind"`
	Tool       string    `json:"tool"`
	Server     string    `json:"server,omitempty"`
	Digest     string    `json:"action_digest"`
	Severity   string    `json:"severity,omitempty"`
	Reasons    []reason  `json:"reasons"`
	Quorum     int       `json:"quorum"`
	Missing    int       `json:"approvals_missing"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Link       string    `json:"link,omitempty"`
}

type reason struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Severity string `json:"severity,omitempty"`
}

func (n notice) json() envelope {
	a := &n.approval
	return envelope{n.kind, n.at, data{
		ApprovalID: a.ID, Sequence: a.Sequence, State: string(a.State),
		Tenant: line(a.Tenant, maxNameRunes), Agent: line(a.Agent, maxNameRunes), Kind: line(a.Kind, maxNameRunes),
		Tool: line(a.Tool, maxNameRunes), Server: line(a.Server, maxNameRunes), Digest: a.Digest,
		Severity: severity(a.Reasons), Reasons: reasons(a), Quorum: a.Quorum, Missing: a.Missing(),
		CreatedAt: a.Created, ExpiresAt: a.Expires, EndedAt: a.EndedAt, Link: n.link,
	}}
}

func reasons(a *approval.Approval) []reason {
	out := make([]reason, 0, len(a.Reasons))
	for _, r := range a.Reasons[:min(len(a.Reasons), maxReasons)] {
		out = append(out, reason{line(r.Code, maxNameRunes), line(r.Message, maxMessageRunes), line(r.Severity, maxNameRunes)})
	}
	return out
}

// slackMessage is the part of Slack's format that others understand, too. There is no button in it: what a chat service
// sends back says nothing about who pressed it that this server could check.
type slackMessage struct {
	Text        string `json:"text"`
	Parse       string `json:"parse"` // nothing is taken for a name or an address that is not written as one
	LinkNames   bool   `json:"link_names"`
	UnfurlLinks bool   `json:"unfurl_links"` // a chat service's fetching of the link is of no use
	UnfurlMedia bool   `json:"unfurl_media"`
}

func (n notice) slack() slackMessage {
	a := &n.approval
	var b strings.Builder
	if n.kind == Asked {
		fmt.Fprintf(&b, "*An action waits for approval*\nagent %s wants %s", quoted(a.Agent), quoted(a.Tool))
	} else {
		fmt.Fprintf(&b, "*%s*: agent %s, %s", strings.ToUpper(string(a.State)), quoted(a.Agent), quoted(a.Tool))
	}
	if s := severity(a.Reasons); s != "" {
		fmt.Fprintf(&b, " (%s)", s)
	}
	b.WriteString("\n")
	if n.kind == Asked {
		for _, r := range reasons(a) {
			fmt.Fprintf(&b, "• %s %s\n", quoted(r.Code), escaped(r.Message))
		}
		fmt.Fprintf(&b, "no answer by %s is a no; %d of %d must approve\n", a.Expires.UTC().Format("2006-01-02 15:04:05 UTC"), a.Missing(), a.Quorum)
	}
	fmt.Fprintf(&b, "approval %s", quoted(a.ID))
	if n.link != "" {
		fmt.Fprintf(&b, "\n<%s|look at it>", n.link)
	}
	return slackMessage{Text: b.String(), Parse: "none"}
}

// quoted is a name that others chose, as code: inside it chat services neither see links nor mentions nor formatting.
func quoted(name string) string {
	return "`" + entities.Replace(strings.ReplaceAll(line(name, maxNameRunes), "`", "'")) + "`"
}

// escaped is a message of policy in running text.
func escaped(text string) string {
	return entities.Replace(strings.NewReplacer("`", "'", "@", "@\u200b").Replace(text))
}

// entities are the three characters that Slack wants escaped: without them there is no <!channel>, and no link.
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
