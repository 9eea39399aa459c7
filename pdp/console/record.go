package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/review"
)

// readable is how every text is shown that does not come from this package: what is not printable spelt out, padding
// counted. The template escapes it as HTML. Nothing is cut off: the contract bounds what it is used for.
func readable(text string) string { return review.Readable(text) }

// maxPointerRunes bounds pointers into an action, whose names agents choose at any length. The action has them in full.
const maxPointerRunes = 300

func pointer(text string) string {
	shown := []rune(readable(text))
	if len(shown) > maxPointerRunes {
		return string(shown[:maxPointerRunes]) + " ⟦cut⟧"
	}
	return string(shown)
}

// moment is a time as people and machines read it.
type moment struct{ Machine, Words, Distance string }

func momentOf(t, now time.Time) moment {
	t = t.UTC()
	out := moment{Machine: t.Format(time.RFC3339), Words: t.Format("2 January 2006, 15:04:05 UTC")}
	switch d := t.Sub(now).Round(time.Second); {
	case d > 0:
		out.Distance = "in " + d.String()
	default:
		out.Distance = (-d).String() + " ago"
	}
	return out
}

// row is an approval in the list.
type row struct {
	ID, Short, Agent, User, Tool, State, Risk, Codes, Progress string
	Asked, Expires                                             moment
	Pending                                                    bool
}

func rowOf(a *pb.Approval, now time.Time) row {
	var codes []string
	for _, r := range a.GetReasons() {
		codes = append(codes, readable(r.GetCode()))
	}
	return row{
		ID: a.GetId(), Short: short(a.GetId()), Agent: readable(a.GetPrincipal().GetAgent()), User: readable(a.GetPrincipal().GetUser()),
		Tool: readable(cmp.Or(a.GetTool(), kindInWords(a))), State: stateInWords(a), Risk: risk(a), Codes: strings.Join(codes, ", "), Progress: progress(a),
		Asked: momentOf(a.GetCreatedAt().AsTime(), now), Expires: momentOf(a.GetExpiresAt().AsTime(), now), Pending: pending(a),
	}
}

// short is as much of an id as tells it from others: its random end, as ids of one moment begin alike.
func short(id string) string { return "…" + id[max(len(id)-12, 0):] }

func pending(a *pb.Approval) bool { return a.GetState() == pb.ApprovalState_APPROVAL_STATE_PENDING }

// digestOf is that of what would be done.
func digestOf(a *pb.Approval) string { return cmp.Or(a.GetEditedDigest(), a.GetActionDigest()) }

func kindInWords(a *pb.Approval) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(a.GetKind().String(), "ACTION_KIND_"), "_", " "))
}

func stateInWords(a *pb.Approval) string {
	switch {
	case a.GetWithdrawn():
		return "approved, then withdrawn"
	case a.GetRedeemedAt() != nil && a.GetGrant() == nil:
		return "approved and used"
	case pending(a):
		return "waiting"
	}
	return strings.ToLower(strings.TrimPrefix(a.GetState().String(), "APPROVAL_STATE_"))
}

// risk is how bad the worst of the reasons is.
func risk(a *pb.Approval) string {
	worst := pb.Severity_SEVERITY_UNSPECIFIED
	for _, r := range a.GetReasons() {
		worst = max(worst, r.GetSeverity())
	}
	return severityInWords(worst)
}

func severityInWords(s pb.Severity) string {
	if s == pb.Severity_SEVERITY_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(s.String(), "SEVERITY_"))
}

// progress is how far the quorum is.
func progress(a *pb.Approval) string {
	if !pending(a) {
		return ""
	}
	return fmt.Sprintf("%d of %d", max(a.GetQuorum()-a.GetApprovalsMissing(), 0), a.GetQuorum())
}

func inPlural(n int32, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// withdrawable is what can still be used, or could become so.
func withdrawable(a *pb.Approval, now time.Time) bool {
	if a.GetState() == pb.ApprovalState_APPROVAL_STATE_APPROVED {
		return !a.GetWithdrawn() && now.Before(a.GetExpiresAt().AsTime()) && (a.GetRedeemedAt() == nil || a.GetGrant() != nil)
	}
	return pending(a)
}

// record is an approval without its action.
type record struct {
	row
	Tenant, Session, Run, Kind, Server, Digest, AskedFor, Revision, Cost, Grant string
	Joined                                                                      int32
	Reasons                                                                     []reason
	Needs                                                                       []string
	Votes                                                                       []vote
	Ended, Used                                                                 *moment
}

type reason struct{ Code, Message, Severity string }

type vote struct {
	Who, Said, Comment string
	Counts             bool
	At                 moment
}

func recordOf(a *pb.Approval, now time.Time) record {
	p := a.GetPrincipal()
	out := record{
		row: rowOf(a, now), Tenant: readable(p.GetTenant()), Session: readable(p.GetSession()), Run: readable(p.GetRun()),
		Kind: kindInWords(a), Server: readable(a.GetServer()), Digest: digestOf(a), Revision: readable(a.GetBundleRevision()),
		Joined: a.GetJoined(), Reasons: reasonsOf(a.GetReasons()), Cost: cost(a.GetEstimate()), Grant: grantInWords(a.GetGrant()),
	}
	if a.GetEditedDigest() != "" {
		out.AskedFor = a.GetActionDigest()
	}
	for i, s := range a.GetStages() {
		out.Needs = append(out.Needs, stageInWords(s, i <= int(a.GetStage()), a.GetCreatedAt().AsTime()))
	}
	for _, v := range a.GetVotes() {
		said := "said yes"
		if v.GetVerdict() == pb.Verdict_VERDICT_REJECT {
			said = "said no"
		}
		counts := v.GetApplied() && (v.GetVerdict() == pb.Verdict_VERDICT_REJECT || v.GetEditedDigest() == a.GetEditedDigest())
		out.Votes = append(out.Votes, vote{readable(v.GetSubject()), said, readable(v.GetComment()), counts, momentOf(v.GetAt().AsTime(), now)})
	}
	if t := a.GetEndedAt(); t != nil {
		out.Ended = new(momentOf(t.AsTime(), now))
	}
	if t := a.GetRedeemedAt(); t != nil {
		out.Used = new(momentOf(t.AsTime(), now))
	}
	return out
}

func reasonsOf(reasons []*pb.Reason) []reason {
	var out []reason
	for _, r := range reasons {
		out = append(out, reason{readable(r.GetCode()), readable(r.GetMessage()), severityInWords(r.GetSeverity())})
	}
	return out
}

func cost(u *pb.Usage) string {
	var parts []string
	if n := u.GetCostMicroUsd(); n > 0 {
		parts = append(parts, fmt.Sprintf("$%d.%06d", n/1_000_000, n%1_000_000))
	}
	if n := u.GetTokens(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tokens", n))
	}
	return strings.Join(parts, ", ")
}

func grantInWords(g *pb.GrantStatus) string {
	if g == nil {
		return ""
	}
	text := fmt.Sprintf("used %d times", g.GetUsed())
	if g.GetUses() > 0 {
		text = fmt.Sprintf("used %d of %d times", g.GetUsed(), g.GetUses())
	}
	if g.GetAnySession() {
		text += ", in any session"
	}
	if vary := g.GetVary(); len(vary) > 0 {
		text += ", with any " + readable(strings.Join(vary, ", "))
	}
	return text
}

// stageInWords says who may approve, and from when on.
func stageInWords(s *pb.ApprovalStage, open bool, asked time.Time) string {
	people := "an approver"
	if s.GetQuorum() != 1 {
		people = fmt.Sprintf("%d different approvers", s.GetQuorum())
	}
	if who := slices.Concat(s.GetGroups(), s.GetRoles()); len(who) > 0 {
		people += " of " + readable(strings.Join(who, " or "))
	}
	if !open {
		people += ", from " + asked.Add(time.Duration(s.GetAfterSeconds())*time.Second).UTC().Format("15:04:05 UTC") + " on"
	}
	return people
}

// view is a page of an action, as pdp/review made it readable, with what is known about it.
type view struct {
	Action          string
	Bytes, From, To int64
	Truncated       bool
	Masked          int32
	Findings        []finding
	Origins         []origin
	Saw             string
	Says            string
}

type finding struct {
	Category, Rule, Where, Severity string
	Count                           int64
}

type origin struct {
	Where, From string
	Sink        bool
}

func viewOf(v *pb.ReviewView) *view {
	out := &view{
		Action: review.LayOut(v.GetActionJson()), Bytes: v.GetActionBytes(), From: v.GetOffset(), To: cmp.Or(v.GetNextOffset(), v.GetActionBytes()),
		Truncated: v.GetTruncated(), Masked: v.GetMasked(), Saw: readable(strings.Join(v.GetSessionSaw(), ", ")), Says: v.GetAgentSays(),
	}
	for _, f := range v.GetFindings() {
		out.Findings = append(out.Findings, finding{readable(f.GetCategory()), readable(f.GetRule()), pointer(f.GetPointer()), severityInWords(f.GetSeverity()), f.GetCount()})
	}
	for _, o := range v.GetOrigins() {
		out.Origins = append(out.Origins, origin{pointer(o.GetPointer()), readable(strings.Join(o.GetOrigins(), ", ")), o.GetSink()})
	}
	return out
}
