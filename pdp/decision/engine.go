package decision

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/behaviour"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/outflow"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// Config steers the pipeline. Zero fields take the defaults.
type Config struct {
	EvalTimeout time.Duration // one evaluation of policy; 250 ms
	ScanTimeout time.Duration // inspection of one action; 250 ms
	AllowFor    time.Duration // an allow is good for this long; 60 s
	SettleFor   time.Duration // an outcome may be reported for this long; 24 h
	ReplayFor   time.Duration // a request id is remembered for this long; 10 min
	ReplayMax   int           // request ids remembered at once; 200,000
	ReplayAgent int           // of them by one tenant and agent; 5,000
	Scan        scan.Budget
	// VerdictsMax verdicts of one person VerdictsWithin a time are no alert; 30 in 5 min.
	VerdictsMax    int
	VerdictsWithin time.Duration
	// DeniedPaths are folders that no action may name: where the PDP keeps its data and its keys.
	DeniedPaths []string
}

func (c Config) withDefaults() Config {
	span := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	span(&c.EvalTimeout, 250*time.Millisecond)
	span(&c.ScanTimeout, 250*time.Millisecond)
	span(&c.AllowFor, time.Minute)
	span(&c.SettleFor, 24*time.Hour)
	span(&c.ReplayFor, 10*time.Minute)
	span(&c.VerdictsWithin, 5*time.Minute)
	if c.VerdictsMax == 0 {
		c.VerdictsMax = 30
	}
	if c.Scan.MaxFindings == 0 {
		c.Scan.MaxFindings = 50 // an answer and its line in the log stay small; more is scan_incomplete
	}
	if c.ReplayMax == 0 {
		c.ReplayMax = 200_000
	}
	if c.ReplayAgent == 0 {
		c.ReplayAgent = 5_000
	}
	return c
}

// Validate refuses a configuration that would weaken a decision.
func (c Config) Validate() error {
	c = c.withDefaults()
	for name, d := range map[string]time.Duration{
		"eval timeout": c.EvalTimeout, "scan timeout": c.ScanTimeout, "allow for": c.AllowFor,
		"settle for": c.SettleFor, "replay for": c.ReplayFor, "verdicts within": c.VerdictsWithin,
	} {
		if d < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	if c.EvalTimeout > 10*time.Second || c.ScanTimeout > 10*time.Second {
		return errors.New("evaluation and inspection take at most 10 s: an agent is waiting")
	}
	if c.AllowFor > time.Hour {
		return errors.New("an allow is good for at most an hour: an answer is not for later")
	}
	return nil
}

// Policies gives the snapshot to pin.
type Policies interface {
	Active() (*policy.Snapshot, error)
}

// Log keeps the record. An error means that the decision must not be given.
type Log interface {
	Append(ctx context.Context, e decisionlog.Entry) error
}

// Records keeps what outcomes and results refer to. Put may be durable a little later.
type Records interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Sweep(limit int, dead func(key string, value []byte) bool) (int, error)
}

// Observer counts. It is called once a decision and must not block.
type Observer interface {
	Decided(effect Effect, codes []string, took time.Duration)
	Anomaly(name string)
	BreakerChanged(state string)
	// Limited hears what a limit of the bundle said to one action.
	Limited(limit string, said LimitOutcome)
}

// Deps are the rooms that a decision goes through.
type Deps struct {
	Policies  Policies
	Evaluator *policy.Evaluator
	Limits    *limit.Engine
	Breakers  *breaker.Breakers
	Sessions  *provenance.Sessions
	Origins   *origin.Index      // where values were seen; New makes one of the default size if there is none
	Tools     *toolrole.Registry // how tools were described; New makes one if there is none
	Outflow   *outflow.Tails     // what was last sent where; New makes one of the default size if there is none
	Behaviour *behaviour.Models  // what is usual; New makes models of the default size if there are none
	Memory    *memory.Book
	Approvals *approval.Queue
	// Notified says whether people of a tenant are told of asks in another way than by watching; nil: they are not.
	Notified func(tenant string) bool
	Switches *killswitch.Board
	// Revocations are the delegations that hold no more; nil if none ever is revoked.
	Revocations *delegation.Revocations
	Records     Records
	Keys        *seal.Keys
	Log         Log
	Events      *event.Hub
	Observer    Observer
	Logger      *slog.Logger
	Now         func() time.Time
}

// Engine decides. It is safe for concurrent use; all its state is in the rooms of Deps, but for the request ids of
// the last minutes, which live in memory: losing them may charge a repeated request twice, never too little.
type Engine struct {
	cfg    Config
	Deps                     // rooms
	replay *replay           // request ids of the last minutes
	tempi  *tempi            // verdicts of the last minutes
	claims [64]chan struct{} // one outcome of a decision at a time
}

// New makes an engine of valid parts.
func New(cfg Config, deps Deps) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("decision: %w", err)
	}
	e := &Engine{cfg: cfg.withDefaults(), Deps: deps}
	if e.Origins == nil {
		e.Origins = origin.New(origin.Config{}, deps.Now)
	}
	if e.Tools == nil {
		e.Tools = toolrole.NewRegistry()
	}
	if e.Behaviour == nil {
		e.Behaviour = behaviour.New(behaviour.Config{}, deps.Now)
	}
	if e.Outflow == nil {
		e.Outflow = outflow.New(outflow.Config{}, deps.Now)
	}
	e.replay = newReplay(e.cfg, deps.Now)
	e.tempi = &tempi{most: e.cfg.VerdictsMax, window: e.cfg.VerdictsWithin, people: map[string][]time.Time{}}
	for i := range e.claims {
		e.claims[i] = make(chan struct{}, 1)
	}
	return e, nil
}

// Decide judges one action. Policy saying no is a Response; an error is about the request or the caller, and always
// an *Error or one of the typed errors of identity, action and approval.
func (e *Engine) Decide(ctx context.Context, caller identity.Caller, req Request) (Response, error) {
	snapshot, err := e.Policies.Active()
	if err != nil {
		return Response{}, &Error{Problem: Unavailable, Reason: "NO_BUNDLE", Detail: "no policy bundle is active"}
	}
	return e.decide(ctx, caller, req, snapshot)
}

// DecideBatch judges actions in order on one snapshot. Each has its own result, as if it had been alone.
func (e *Engine) DecideBatch(ctx context.Context, caller identity.Caller, reqs []Request) []Result {
	out := make([]Result, len(reqs))
	snapshot, err := e.Policies.Active()
	for i, req := range reqs {
		if err != nil {
			out[i].Err = &Error{Problem: Unavailable, Reason: "NO_BUNDLE", Detail: "no policy bundle is active"}
			continue
		}
		out[i].Response, out[i].Err = e.decide(ctx, caller, req, snapshot)
	}
	return out
}

func (e *Engine) decide(ctx context.Context, caller identity.Caller, req Request, snapshot *policy.Snapshot) (Response, error) {
	j, err := e.open(caller, req, snapshot)
	if err != nil {
		return Response{}, err
	}
	if req.RequestID == "" {
		return e.judge(ctx, j)
	}
	return e.once(ctx, j)
}

// open identifies the caller and starts a judgement.
func (e *Engine) open(caller identity.Caller, req Request, snapshot *policy.Snapshot) (*judgement, error) {
	tenant, err := caller.Bind(req.Principal.Tenant, req.Principal.Agent)
	if err != nil {
		return nil, err
	}
	req.Principal.Tenant = tenant
	digest, err := req.Action.Digest()
	if err != nil {
		return nil, err
	}
	if err := refuseNegative(req.Action.Estimate, "action.estimate"); err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	profile, known := snapshot.Tables.Profile(tenant, req.Principal.Agent)
	j := &judgement{
		id: id, now: e.Now().UTC(), caller: caller, req: req, digest: digest, snapshot: snapshot,
		profile: profile, knownAgent: known, took: map[string]time.Duration{},
	}
	if j.chain, j.chainErr = e.verify(caller, req.Principal, &snapshot.Tables); j.chain != nil {
		j.askers = j.chain.Agents()
	}
	j.bill = estimated(&snapshot.Tables, caller, req.Action.Kind, j.tool(), req.Action.Estimate)
	return j, nil
}

// judged is the digest of what is decided: that of the edited action where there is one.
func (j *judgement) judged() string {
	if j.proposed != nil {
		return j.approval.EditedDigest
	}
	return j.digest
}

// contentDigest names a text without holding it.
func contentDigest(text string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

func (j *judgement) target() killswitch.Target {
	p := j.req.Principal
	return killswitch.Target{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Tool: j.tool()}
}

func (j *judgement) sessionID() provenance.ID {
	p := j.req.Principal
	return provenance.ID{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session}
}

func (j *judgement) subject() limit.Subject {
	p := j.req.Principal
	return limit.Subject{
		Tenant: p.Tenant, Agent: p.Agent, User: j.countedUser(), Session: p.Session,
		Tool: j.countedTool(), Kind: string(j.req.Action.Kind),
	}
}

// httpTool is the tool as which an HTTP request of the agent's own is judged, whatever tool it claims to be.
const httpTool = "http_request"

func (j *judgement) tool() string {
	if j.req.Action.Kind == action.KindHTTPRequest {
		return httpTool
	}
	return j.req.Action.Tool
}

func httpBytes(h *action.HTTPRequest) int64 {
	if h == nil {
		return 0
	}
	n := len(h.URL) + len(h.Body)
	for _, header := range h.Headers {
		n += len(header.Name) + len(header.Value)
	}
	return int64(n)
}

// countedUser is the user whose limits count. Only a gateway knows on whose behalf an agent acts: names that agents give
// themselves share the counter of nobody, or a new name would clear a user's slate, and another's would spend theirs.
func (j *judgement) countedUser() string {
	if !j.caller.Has(identity.RoleGateway) {
		return ""
	}
	return j.req.Principal.User
}

// countedTool is the tool under which limits count. Names that the bundle does not know share one counter, so that
// made-up names make no keys.
func (j *judgement) countedTool() string {
	if tool := j.tool(); tool == "" || j.snapshot.Tables.KnowsTool(tool) {
		return tool
	}
	return "(unknown)"
}
