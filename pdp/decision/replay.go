package decision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// replay remembers the answers to request ids for a few minutes, so that a repeated request charges once and hears
// the same. It is bounded: full means refuse, because forgetting early would charge, or allow, twice. An entry is
// invalidated by another bundle revision or a kill switch; see once.
type replay struct {
	keep     time.Duration
	most     int
	perAgent int
	now      func() time.Time

	mu      sync.Mutex
	answers map[string]*answer
	agents  map[string]int
}

type answer struct {
	fingerprint string
	agent       string
	at          time.Time

	done chan struct{} // closed when the rest is set
	resp Response
	err  error
	// charged is the reservation of the first allow: deciding again must not charge again.
	charged string
}

func newReplay(cfg Config, now func() time.Time) *replay {
	return &replay{
		keep: cfg.ReplayFor, most: cfg.ReplayMax, perAgent: cfg.ReplayAgent, now: now,
		answers: map[string]*answer{}, agents: map[string]int{},
	}
}

// begin returns the answer under key, and whether the caller is to fill it in.
func (r *replay) begin(key, agent, fingerprint string) (a *answer, first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if a, there := r.answers[key]; there && now.Sub(a.at) < r.keep {
		if a.fingerprint != fingerprint {
			return nil, false, &Error{
				Problem: Invalid, Reason: "REQUEST_ID_REUSED", Field: "request_id",
				Detail: "was used for another action within the last minutes",
			}
		}
		return a, false, nil
	}
	if len(r.answers) >= r.most || r.agents[agent] >= r.perAgent {
		r.sweepLocked(now)
		if len(r.answers) >= r.most || r.agents[agent] >= r.perAgent {
			return nil, false, &Error{
				Problem: ResourceExhausted, Reason: "REQUEST_IDS_FULL", Field: "request_id",
				Detail: "too many request ids in the last minutes",
			}
		}
	}
	return r.put(key, agent, fingerprint, now), true, nil
}

// again replaces an answer that no longer stands by a new one, to be filled in by the caller. If another caller did so
// first, that one's answer is returned.
func (r *replay) again(key string, old *answer) (a *answer, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, there := r.answers[key]; there && a != old {
		return a, false
	}
	r.dropLocked(key)
	fresh := r.put(key, old.agent, old.fingerprint, old.at)
	return fresh, true
}

func (r *replay) put(key, agent, fingerprint string, at time.Time) *answer {
	r.dropLocked(key)
	a := &answer{fingerprint: fingerprint, agent: agent, at: at, done: make(chan struct{})}
	r.answers[key] = a
	r.agents[agent]++
	return a
}

// forget lets a request that ended in an error be tried again.
func (r *replay) forget(key string, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers[key] == a {
		r.dropLocked(key)
	}
}

func (r *replay) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweepLocked(r.now())
}

func (r *replay) sweepLocked(now time.Time) {
	for key, a := range r.answers {
		if now.Sub(a.at) >= r.keep {
			r.dropLocked(key)
		}
	}
}

func (r *replay) dropLocked(key string) {
	a, there := r.answers[key]
	if !there {
		return
	}
	delete(r.answers, key)
	if r.agents[a.agent]--; r.agents[a.agent] <= 0 {
		delete(r.agents, a.agent)
	}
}

// once gives the answer that the same request had, or judges it now. An answer of another bundle revision, or one
// that a kill switch or the end of a delegation has overtaken, is judged again; what an allow reserved is not reserved twice.
func (e *Engine) once(ctx context.Context, j *judgement) (Response, error) {
	p := j.req.Principal
	agent := joined(p.Tenant, p.Agent)
	key := joined(p.Tenant, j.caller.CredentialID, p.Agent, p.Session, p.Run, p.User, joined(p.Delegation...), j.req.RequestID)
	fingerprint := joined(j.digest, j.req.ApprovalID, j.req.RequestState, fmt.Sprint(j.req.Action.Estimate)) // a larger estimate is another request
	a, first, err := e.replay.begin(key, agent, fingerprint)
	if err != nil {
		return Response{}, err
	}
	for !first {
		select {
		case <-a.done:
		case <-ctx.Done():
			return Response{}, ctx.Err()
		}
		if a.err != nil {
			return Response{}, a.err
		}
		if _, stopped := e.stopped(j); !stopped && j.chainErr == nil && a.resp.BundleRevision == j.snapshot.Revision {
			return a.resp, nil
		}
		j.charged, j.replayed = a.charged, true
		a, first = e.replay.again(key, a)
	}
	defer close(a.done)
	a.resp, a.err = e.judge(ctx, j)
	if a.err != nil {
		e.replay.forget(key, a)
		return Response{}, a.err
	}
	if slices.ContainsFunc(a.resp.Reasons, passing) {
		e.replay.forget(key, a) // asking again may go better
	}
	a.charged = j.charged // what an allow was charged stays: it may have been carried out
	if a.charged == "" && a.resp.Effect == Allow {
		a.charged = j.id
	}
	return a.resp, nil
}

// passing reasons may be over at the next try: failures of the engine's own, a kill switch, and a chain that is renewed.
func passing(r Reason) bool {
	return r.Rule == "engine.state" || r.Rule == "engine.log" || r.Rule == "engine.policy" || r.Rule == "engine.kill_switch" || r.Rule == delegationRule
}

// joined makes one key of parts, each with its length: no two lists share a key.
func joined(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return b.String()
}
