package decision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// judgement is one decision on its way. Each stage fills in its part and reads those before it.
type judgement struct {
	// from the request and the caller
	id         string
	now        time.Time
	caller     identity.Caller
	req        Request
	digest     string
	snapshot   *policy.Snapshot
	profile    string
	knownAgent bool
	bill       bill
	chain      *delegation.Chain // what was delegated; nil if nothing was, or if it does not hold
	chainErr   error             // why it does not
	askers     []string          // for whom the agent acts, outermost first
	charged    string            // reservation of an earlier allow to the same request id: do not charge again
	replayed   bool              // an earlier answer to the same request id no longer stands: do not count again

	// inspect
	facts    []action.Fact
	findings []scan.Finding
	split    []string                    // rules of findings that are split over this action and earlier ones
	hide     func(pointer string) string // makes a pointer what it is in findings and facts
	degraded []string

	// trace
	role   role
	traced []traced
	sinks  string
	steers string

	// of an allowed action that brings something
	arrived   []arrival
	untrusted bool // others could write some of it

	// compare
	compared compared

	// look up
	session     provenance.Facts
	loop        loop
	memory      memoryState
	repliedTo   *record // the decision that a result belongs to, if this session made it
	approval    *approval.Approval
	approvers   []string
	proposed    *action.Action     // what was proposed, where a reviewer's arguments are judged in its place
	anew        bool               // a reviewer's arguments are decided; nothing is carried out
	canonical   []byte             // the canonical action, where a grant was looked for
	ungranted   *policyv1.Decision // what policy said before a grant was found; nil if there is none
	breakers    []breaker.Status
	suspicion   []breaker.Status // those of the table `suspicion`
	suspected   bool             // the action is the probe of one of them
	hold        limit.Hold       // what it has charged
	reserved    bool
	limits      []limit.Status
	soft        []string // limits that ask and are exceeded, by name
	softNo      bool     // nobody approved one of them
	probing     bool
	ask         askTerms
	effect      Effect
	reasons     []Reason
	obligations []Obligation

	// redact
	redactions []Obligation   // that the engine meets by itself
	effective  *action.Action // what is to be done instead; nil if it is what was proposed

	// conclude
	ticket     *Ticket
	grant      *MemoryGrant
	retryAfter time.Duration
	redeemed   bool
	took       map[string]time.Duration
}

// askTerms is how policy wants a person to be asked.
type askTerms struct {
	ttl    time.Duration
	quorum int
	rules  []string
}

// stage is one step of the way. It returns an error only for what is wrong with the request itself.
type stage struct {
	name string
	run  func(*Engine, context.Context, *judgement) error
}

// stages are the way of a decision, in order. A stage that settles the answer (a deny of the engine's own) skips the
// rest.
var stages = slices.Concat(deciding, []stage{
	{"redact", (*Engine).redact},     // what policy wants replaced
	{"conclude", (*Engine).conclude}, // ask a person, redeem, or give back
})

// deciding are those that find the answer, and carry nothing out.
var deciding = []stage{
	{"refuse", (*Engine).refuse},      // kill switches and claims that cannot be checked: cheap, first
	{"approval", (*Engine).redeeming}, // the approval to redeem, and the action that it is for
	{"inspect", (*Engine).inspect},    // facts and findings of the content
	{"look_up", (*Engine).lookUp},     // session, memory, breakers, the decision replied to, the approval
	{"trace", (*Engine).trace},        // where the values came from
	{"compare", (*Engine).compare},    // how unlike the agent this is
	{"reserve", (*Engine).reserve},    // limits: all or none
	{"evaluate", (*Engine).evaluate},  // Rego
}

// judge takes a judgement all the way. A decision that has begun is finished even if the caller hangs up: what was
// reserved must be given back or logged.
func (e *Engine) judge(ctx context.Context, j *judgement) (Response, error) {
	ctx = context.WithoutCancel(ctx)
	begun := e.Now()
	for _, s := range stages {
		at := e.Now()
		err := s.run(e, ctx, j)
		j.took[s.name] = e.Now().Sub(at)
		if err != nil {
			e.giveBack(ctx, j)
			e.Outflow.Drop(j.sessionID(), j.id)
			return Response{}, err
		}
		if j.effect == Deny {
			break
		}
	}
	e.arrive(j)
	e.remember(ctx, j)
	e.absorb(j)
	e.learn(j)
	e.sent(j)
	e.settleAnswer(ctx, j)
	took := e.Now().Sub(begun)
	if err := e.Log.Append(ctx, j.entry(took)); err != nil {
		e.unlogged(ctx, j, err)
	}
	e.keep(j)
	e.probed(j)
	e.Observer.Decided(j.effect, codes(j.reasons), took)
	return j.response(e.cfg.AllowFor), nil
}

// unlogged turns an answer that could not be recorded into a deny (I7: never silent).
func (e *Engine) unlogged(ctx context.Context, j *judgement, err error) {
	e.Logger.Error("decision log failed; the action is denied", "decision_id", j.id, "error", err.Error())
	j.ticket, j.grant, j.obligations = nil, nil, nil
	j.reasons = nil
	j.deny("LOG_UNAVAILABLE", "engine.log", "The decision could not be recorded, so the action is denied.", "high")
	if err := e.saveRecord(j.id, j.record()); err != nil { // else it would pass for allowed with outcomes and results
		e.Logger.Error("the record of a denied action still says what was decided first", "decision_id", j.id, "error", err.Error())
	}
	e.giveBack(ctx, j)
	e.sent(j)
}

// deny settles the judgement. What policy said before is kept: all reasons are shown.
func (j *judgement) deny(code, rule, message, severity string) {
	j.effect = Deny
	j.reasons = append(j.reasons, Reason{Code: code, Rule: rule, Message: message, Severity: severity})
}

// degrade notes that something is not known or was not done.
func (j *judgement) degrade(what string) {
	if !slices.Contains(j.degraded, what) {
		j.degraded = append(j.degraded, what)
		slices.Sort(j.degraded)
	}
}

func (j *judgement) response(allowFor time.Duration) Response {
	r := Response{
		DecisionID: j.id, Effect: j.effect, Reasons: j.reasons, Obligations: j.obligations, Approval: j.ticket,
		Limits: j.limits, RetryAfter: j.retryAfter, Memory: j.grant, Degraded: j.degraded,
		ActionDigest: j.digest, BundleRevision: j.snapshot.Revision, Findings: j.findings,
		ExpiresAt: j.now.Add(allowFor), Estimate: j.bill.estimate,
	}
	if j.effect == Allow && (j.effective != nil || j.proposed != nil) {
		r.Effective = effectiveOf(*cmp.Or(j.proposed, &j.req.Action), *cmp.Or(j.effective, &j.req.Action))
		// A caller that does not look at what is to be done instead does not know these obligations, and must not act.
		r.Obligations = slices.Clone(r.Obligations)
		if j.proposed != nil {
			r.Obligations = append(r.Obligations, Obligation{ID: "engine.edit", Type: obligationEffective})
		}
		if j.effective != nil {
			r.Obligations = append(r.Obligations, Obligation{ID: "engine.redact", Type: obligationEffective})
		}
	}
	if j.chain != nil && j.chain.ExpiresAt().Before(r.ExpiresAt) {
		r.ExpiresAt = j.chain.ExpiresAt()
	}
	if j.ticket != nil && j.effect == RequireApproval {
		r.ExpiresAt = j.ticket.ExpiresAt
	}
	return r
}

func codes(reasons []Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.Code
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// severityRank orders severities; an unknown one ranks lowest.
func severityRank(s string) int {
	return slices.Index([]string{"info", "low", "medium", "high", "critical"}, strings.ToLower(s))
}

// newID makes a UUIDv7: unique, and in the order of time.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// stateFailure words a failing state engine. It is a deny, never an error of the call.
func (e *Engine) stateFailure(j *judgement, what string, err error) {
	e.Logger.Error("state engine failed; the action is denied", "decision_id", j.id, "part", what, "error", err.Error())
	code, message := "STATE_UNAVAILABLE", "The state that this decision needs is not available, so the action is denied."
	if errors.Is(err, limit.ErrStateFull) || errors.Is(err, provenance.ErrFull) {
		code, message = "LIMIT_STATE_FULL", "Too many counters or sessions are in use for this agent, so the action is denied."
	}
	j.deny(code, "engine.state", message, "high")
}
