package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/metrics"
	"github.com/portcullis-pdp/portcullis/pdp/server"
)

// office is what operators can look at and do, every act of it on record.
type office struct{ *program }

// maxListed bounds the breakers in a status.
const maxListed = 100

// Status gathers what the rooms say about themselves.
func (o office) Status(ctx context.Context, tenant string) (server.StatusReport, error) {
	active, err := o.policies.Active()
	if err != nil {
		return server.StatusReport{}, err
	}
	report := server.StatusReport{
		Version: version, BundleRevision: active.Revision, BundleSource: o.policies.Source(), BundleLoadedAt: active.LoadedAt,
		KillSwitches:     o.switches.List(tenant),
		PendingApprovals: o.pending(ctx, tenant), Decisions: o.metrics.Decisions(),
		LogDropped: int64(o.decisions.Health().Dropped), StartedAt: o.started, Ledger: o.ledgerReport(),
	}
	if report.Breakers, err = o.breakers.List(ctx, tenant, maxListed); err != nil {
		o.log.Error("breakers cannot be listed", "error", err.Error())
	}
	if err := o.policies.LastError(); err != nil {
		report.BundleError = err.Error()
	}
	return report, nil
}

// ledgerReport is how the ledger feels.
func (p *program) ledgerReport() server.LedgerReport {
	return server.LedgerReport{Kind: p.ledgerKind, Status: p.ledger.Status()}
}

// limitsHealth says what keeps limits and breakers from being counted. A disk of this server's own takes it out of service:
// others may have a better one. A Redis that all replicas share does not. They would all go at once, agents would hear
// nothing instead of a decision with its reason, and limits that may go on alone could not.
func (p *program) limitsHealth() error {
	err := errors.Join(p.limits.Health(), p.breakers.Health())
	if p.ledgerKind == ledgerRedis {
		return server.Tolerable(err)
	}
	return err
}

// approvalsHealth says what keeps asks from being swept. The same holds for a shared Redis.
func (p *program) approvalsHealth() error {
	err := p.approvals.Health()
	if p.shared != nil {
		return server.Tolerable(err)
	}
	return err
}

// callersHealth says why the newest file of credentials, or the keys of an issuer, could not be taken. Those who could call
// before still can.
func (p *program) callersHealth() error {
	if p.callers == nil {
		return nil
	}
	return server.Tolerable(p.callers.Health())
}

func (p *program) recoverLedger(ctx context.Context, tenant string) (bool, error) {
	return p.ledger.Recover(ctx, tenant)
}

func (p *program) limitStats() metrics.LimitStats {
	s := p.limits.Stats()
	return metrics.LimitStats{
		Local: s.Down, LocalCharges: s.Local, Pending: s.Pending, HotHits: s.HotHits, HotMisses: s.HotMisses, HotDropped: s.HotDropped + s.HotRejected, HotEvicted: s.HotEvicted,
	}
}

// pending counts the asks that wait; an empty tenant means all.
func (p *program) pending(ctx context.Context, tenant string) int64 {
	n, err := p.approvals.Pending(ctx, tenant)
	if err != nil {
		p.log.Error("pending approvals cannot be counted", "error", err.Error())
	}
	return int64(n)
}

// Reload loads the bundle again.
func (o office) Reload(ctx context.Context) (string, bool, error) { return o.policies.Reload(ctx) }

// Usage lists counters.
func (o office) Usage(ctx context.Context, tenant string, f server.UsageFilter) (server.UsageReport, error) {
	active, err := o.policies.Active()
	if err != nil {
		return server.UsageReport{}, err
	}
	rows, truncated, err := o.limits.Usage(ctx, tenant, active.Tables.LimitSet, limit.UsageFilter{
		Agent: f.Agent, Session: f.Session, Limit: f.Limit, MaxRows: f.MaxRows,
	})
	if err != nil {
		return server.UsageReport{}, err
	}
	out := server.UsageReport{Truncated: truncated, Amnesia: slices.Contains(o.ledger.Status().Amnesia, tenant)}
	for _, r := range rows {
		who := r.Subject
		out.Rows = append(out.Rows, server.UsageRow{
			Status: r.Status, Agent: who.Agent, User: who.User, Session: who.Session, Tool: who.Tool, Booked: r.Booked,
			Amnesia: r.Status.Amnesia || out.Amnesia && r.Status.Period != limit.Window,
		})
	}
	return out, nil
}

// RecoverLimits ends the amnesia of a tenant. It is loud: on record, and an event that every watcher of the tenant sees.
func (o office) RecoverLimits(ctx context.Context, caller identity.Caller, tenant string) (bool, error) {
	recovered, err := o.recoverLedger(ctx, tenant)
	affected := int64(0)
	if recovered {
		affected = 1
	}
	o.acted(caller, "limits_recovered", decisionlog.Target{Tenant: tenant}, "", affected, err)
	if recovered {
		o.log.Warn("limits begin again from zero: an operator accepted that earlier spending is forgotten", "tenant", tenant, "by", caller.Subject)
		o.events.Publish(event.Event{
			Type: event.Ledger, Tenant: tenant,
			Message:    caller.Subject + " accepted that what was spent before the store of limits lost its memory is forgotten",
			Attributes: map[string]string{"state": "recovered"},
		})
	}
	return recovered, err
}

// ResetBreaker closes breakers.
func (o office) ResetBreaker(ctx context.Context, caller identity.Caller, tenant, agent, tool string) (int, error) {
	n, err := o.breakers.Reset(ctx, tenant, agent, tool)
	o.acted(caller, "breaker_reset", decisionlog.Target{Tenant: tenant, Agent: agent, Tool: tool}, "", int64(n), err)
	if n > 0 {
		o.metrics.BreakerChanged(string(breaker.Closed))
		o.events.Publish(event.Event{
			Type: event.Breaker, Tenant: tenant, Message: caller.Subject + " closed breakers of agent " + agent,
			Attributes: map[string]string{"agent": agent, "tool": tool, "state": string(breaker.Closed)},
		})
	}
	return n, err
}

// SetKillSwitch stops, or lets go. What waits for a person and is stopped is withdrawn.
func (o office) SetKillSwitch(ctx context.Context, caller identity.Caller, s killswitch.Switch, on bool) ([]killswitch.Switch, int, error) {
	s.SetBy = caller.Subject
	list, err := o.switches.Set(ctx, s, on)
	cancelled := 0
	// What is stopped is so here at once, whatever could not be written or shared.
	stops := on && !errors.Is(err, killswitch.ErrNothing) && !errors.Is(err, killswitch.ErrTooMany) && !errors.Is(err, killswitch.ErrNoTenant)
	if stops {
		var stopped error
		cancelled, stopped = o.approvals.CancelWhere(ctx, approval.Scope{
			Tenant: s.Tenant, Agent: s.Agent, Session: s.Session, Tool: s.Tool,
		}, "kill switch")
		err = errors.Join(err, stopped)
	}
	act, word := "kill_switch_cleared", " let go "
	if on {
		act, word = "kill_switch_set", " stopped "
	}
	target := decisionlog.Target{Tenant: s.Tenant, Agent: s.Agent, Session: s.Session, Tool: s.Tool}
	o.acted(caller, act, target, s.Reason, int64(cancelled), err)
	if err == nil || stops {
		message := caller.Subject + word + describe(target)
		if err != nil {
			message += " on this server; it could not be made durable or told to others, or not all that waits be withdrawn"
		}
		o.events.Publish(event.Event{
			Type: event.KillSwitch, Tenant: s.Tenant, Message: message,
			Attributes: map[string]string{"agent": s.Agent, "session": s.Session, "tool": s.Tool},
		})
	}
	return list, cancelled, err
}

// MintDelegation makes a first token in the name of an agent.
func (o office) MintDelegation(_ context.Context, caller identity.Caller, tenant, issuer string, d decision.Delegation) (decision.Delegated, error) {
	made, err := o.engine.Mint(caller, tenant, issuer, d)
	o.acted(caller, "delegation_minted", decisionlog.Target{Tenant: tenant, Agent: issuer}, made.ID, 1, err)
	return made, err
}

// RevokeDelegation ends a token.
func (o office) RevokeDelegation(ctx context.Context, caller identity.Caller, tenant, id, reason string) (bool, error) {
	fresh, err := o.revoked.Revoke(ctx, tenant, id)
	affected := int64(0)
	if fresh {
		affected = 1
	}
	o.acted(caller, "delegation_revoked", decisionlog.Target{Tenant: tenant}, strings.TrimSpace(id+" "+reason), affected, err)
	if fresh {
		o.events.Publish(event.Event{
			Type: event.Delegation, Tenant: tenant, Message: caller.Subject + " revoked the delegation " + id, Attributes: map[string]string{"id": id},
		})
	}
	return fresh, err
}

func describe(t decisionlog.Target) string {
	out := ""
	for _, part := range []struct{ name, value string }{{"agent ", t.Agent}, {"session ", t.Session}, {"tool ", t.Tool}} {
		if part.value == "" {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += part.name + part.value
	}
	if out == "" {
		return "the whole tenant"
	}
	return out
}

// Events is where events come from.
func (o office) Events() *event.Hub { return o.events }

func (p *program) acted(caller identity.Caller, act string, on decisionlog.Target, reason string, affected int64, err error) {
	line := &decisionlog.Admin{
		Caller: decisionlog.Caller{Subject: caller.Subject, CredentialID: caller.CredentialID, Method: caller.Method, Via: caller.Via},
		Act:    act, Target: on, Reason: reason, Applied: err == nil, Affected: affected,
	}
	if err != nil {
		line.Error = err.Error()
	}
	p.record(decisionlog.Entry{Type: decisionlog.TypeAdmin, Admin: line})
}

// condition is one part of the server's health.
type condition struct {
	name string
	look func(ctx context.Context) error
}

func (c condition) Name() string                    { return c.name }
func (c condition) Check(ctx context.Context) error { return c.look(ctx) }

// checks are the conditions of health.
func (p *program) checks() []server.Check {
	return []server.Check{
		condition{"bundle", func(context.Context) error { _, err := p.policies.Active(); return err }},
		condition{"state", func(context.Context) error { return p.state.Health() }},
		condition{"limits", func(context.Context) error { return p.limitsHealth() }},
		condition{"decision_log", func(context.Context) error { return p.decisions.Health().Err }},
		condition{"identity", func(context.Context) error { return p.callersHealth() }},
		condition{"approvals", func(context.Context) error { return p.approvalsHealth() }},
	}
}
