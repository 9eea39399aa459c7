package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// Admin is what operators can look at and do. Every tenant that is passed is the caller's own.
type Admin interface {
	// Status is how the server is, as far as a tenant is concerned.
	Status(ctx context.Context, tenant string) (StatusReport, error)
	// Reload loads the bundle again. An error says what is wrong with it, for the operator to read.
	Reload(ctx context.Context) (revision string, changed bool, err error)
	// Usage lists counters, fullest first, at most f.MaxRows of them.
	Usage(ctx context.Context, tenant string, f UsageFilter) (UsageReport, error)
	// RecoverLimits ends the amnesia of a tenant, and says whether there was any.
	RecoverLimits(ctx context.Context, caller identity.Caller, tenant string) (recovered bool, err error)
	// ResetBreaker closes breakers of an agent, of one tool or of all, and says how many.
	ResetBreaker(ctx context.Context, caller identity.Caller, tenant, agent, tool string) (closed int, err error)
	// SetKillSwitch turns a switch on or off; it returns those of the tenant that are on then, and how many approvals
	// were cancelled.
	SetKillSwitch(ctx context.Context, caller identity.Caller, s killswitch.Switch, on bool) (list []killswitch.Switch, cancelled int, err error)
	// MintDelegation makes a first token in the name of an agent.
	MintDelegation(ctx context.Context, caller identity.Caller, tenant, issuer string, d decision.Delegation) (decision.Delegated, error)
	// RevokeDelegation ends a token, and says whether it had not been before.
	RevokeDelegation(ctx context.Context, caller identity.Caller, tenant, id, reason string) (revoked bool, err error)
	// ListMemory lists what is on record of an agent's memory; a layer narrows it.
	ListMemory(ctx context.Context, of memory.Owner, layer string, atMost int) (memory.Listing, error)
	// QuarantineMemory puts versions into quarantine, or lets them go, and says how many of how many items.
	QuarantineMemory(ctx context.Context, caller identity.Caller, of memory.Owner, q memory.Quarantine, reason string) (versions, items int, err error)
	// RollbackMemory makes the last good version of items current again.
	RollbackMemory(ctx context.Context, caller identity.Caller, of memory.Owner, since memory.Since, reason string) (back []memory.Item, withoutGood int, err error)
	// Events is where events come from.
	Events() *event.Hub
}

// StatusReport is how the server is, but for what health knows.
type StatusReport struct {
	Version          string
	BundleRevision   string
	BundleSource     string
	BundleLoadedAt   time.Time
	BundleError      string
	KillSwitches     []killswitch.Switch
	Breakers         []breaker.Status // those that are not closed
	PendingApprovals int64
	Decisions        int64
	LogDropped       int64
	StartedAt        time.Time
	Ledger           LedgerReport
}

// LedgerReport is how the store of limits feels, for all tenants; the caller is told of its own.
type LedgerReport struct {
	Kind string // embedded or redis
	ledger.Status
}

// UsageFilter narrows a list of counters. Empty fields narrow nothing.
type UsageFilter struct {
	Agent, Session, Limit string
	MaxRows               int
}

// UsageReport is a list of counters.
type UsageReport struct {
	Rows      []UsageRow
	Truncated bool // there are more
	Amnesia   bool // the store has lost what the tenant spent: what is not in the list may have been in use
}

// UsageRow is one counter and what it counts together.
type UsageRow struct {
	Status                     limit.Status
	Agent, User, Session, Tool string
	Booked                     int64 // units in blocks
	Amnesia                    bool  // full only because the store lost its memory
}

const (
	defaultUsageRows = 100
	maxBreakers      = 100
	// maxCauseBytes bounds what is said about a bundle that does not load.
	maxCauseBytes = 8 << 10
	// maxTroubleBytes bounds what is said about a store.
	maxTroubleBytes = 500
)

// adminService is what operators call.
type adminService struct {
	portcullisv1.UnimplementedAdminServiceServer
	admin     Admin
	vitals    *vitals
	heartbeat time.Duration
	stall     time.Duration
}

// ownTenant is the tenant that a request means: an operator belongs to one, and acts on no other.
func ownTenant(ctx context.Context, asked string) (string, error) {
	caller, _ := identity.FromContext(ctx)
	if asked != "" && asked != caller.Tenant || caller.Tenant == "" {
		return "", &fault{code: codes.PermissionDenied, reason: "TENANT_MISMATCH", field: "tenant", message: "does not agree with the credential"}
	}
	return caller.Tenant, nil
}

func (s *adminService) GetStatus(ctx context.Context, _ *portcullisv1.GetStatusRequest) (*portcullisv1.GetStatusResponse, error) {
	tenant, err := ownTenant(ctx, "")
	if err != nil {
		return nil, err
	}
	report, err := s.admin.Status(ctx, tenant)
	if err != nil {
		return nil, err
	}
	serving, _ := s.vitals.ready()
	return &portcullisv1.GetStatusResponse{
		Serving: serving, Version: report.Version,
		BundleRevision: report.BundleRevision, BundleSource: report.BundleSource, BundleLoadedAt: timeTo(report.BundleLoadedAt),
		BundleError: cut(report.BundleError, maxCauseBytes),
		Components: each(s.vitals.components(), func(c Component) *portcullisv1.ComponentStatus {
			return &portcullisv1.ComponentStatus{Name: c.Name, Ok: c.OK, Message: c.Message, Tolerated: c.Tolerated}
		}),
		KillSwitches:     each(report.KillSwitches, switchTo),
		Breakers:         each(report.Breakers[:min(len(report.Breakers), maxBreakers)], breakerTo),
		PendingApprovals: report.PendingApprovals, Decisions: report.Decisions, LogDropped: report.LogDropped,
		StartedAt: timeTo(report.StartedAt), Ledger: ledgerTo(report.Ledger, tenant),
	}, nil
}

// ledgerTo tells a tenant whether it waits for an operator itself; of the others only how many there are.
func ledgerTo(r LedgerReport, tenant string) *portcullisv1.LedgerStatus {
	out := &portcullisv1.LedgerStatus{
		Kind: r.Kind, Reachable: r.Err == nil, Amnesia: slices.Contains(r.Amnesia, tenant), TenantsInAmnesia: int32Of(len(r.Amnesia)),
		Cells: r.Cells, Reservations: r.Reservations, RoundTrips: int64(min(r.RoundTrips, 1<<63-1)),
	}
	if r.Err != nil {
		out.Error = cut(cleanComment(r.Err.Error()), maxTroubleBytes)
	}
	if r.ClockBehind > 0 {
		out.ClockBehind = durationpb.New(time.Duration(min(r.ClockBehind, maxClockMicros)) * time.Microsecond)
	}
	return out
}

// maxClockMicros is what a duration can hold.
const maxClockMicros = int64(1<<63-1) / int64(time.Microsecond)

// ReloadBundle answers a bundle that does not load with its cause, file and line: the operator who asked is the one
// who can mend it.
func (s *adminService) ReloadBundle(ctx context.Context, _ *portcullisv1.ReloadBundleRequest) (*portcullisv1.ReloadBundleResponse, error) {
	revision, changed, err := s.admin.Reload(ctx)
	if err != nil {
		if f := fromContext(err); f != nil {
			return nil, f
		}
		return nil, &fault{code: codes.FailedPrecondition, reason: "BUNDLE_REFUSED", message: cut(err.Error(), maxCauseBytes)}
	}
	return &portcullisv1.ReloadBundleResponse{BundleRevision: revision, Changed: changed}, nil
}

func (s *adminService) GetUsage(ctx context.Context, in *portcullisv1.GetUsageRequest) (*portcullisv1.GetUsageResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	report, err := s.admin.Usage(ctx, tenant, UsageFilter{
		Agent: in.GetAgent(), Session: in.GetSession(), Limit: in.GetLimit(), MaxRows: cmp.Or(int(in.GetMaxRows()), defaultUsageRows),
	})
	if err != nil {
		return nil, err
	}
	return &portcullisv1.GetUsageResponse{Truncated: report.Truncated, Amnesia: report.Amnesia, Rows: each(report.Rows, func(r UsageRow) *portcullisv1.UsageRow {
		return &portcullisv1.UsageRow{
			Status: limitTo(r.Status), Agent: r.Agent, User: r.User, Session: r.Session, Tool: r.Tool, Booked: r.Booked, Amnesia: r.Amnesia,
		}
	})}, nil
}

func (s *adminService) RecoverLimits(ctx context.Context, in *portcullisv1.RecoverLimitsRequest) (*portcullisv1.RecoverLimitsResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	recovered, err := s.admin.RecoverLimits(ctx, caller, tenant)
	if err != nil {
		return nil, err
	}
	return &portcullisv1.RecoverLimitsResponse{Recovered: recovered}, nil
}

func (s *adminService) ResetBreaker(ctx context.Context, in *portcullisv1.ResetBreakerRequest) (*portcullisv1.ResetBreakerResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	closed, err := s.admin.ResetBreaker(ctx, caller, tenant, in.GetAgent(), in.GetTool())
	if err != nil {
		return nil, err
	}
	return &portcullisv1.ResetBreakerResponse{Closed: int32Of(closed)}, nil
}

func (s *adminService) SetKillSwitch(ctx context.Context, in *portcullisv1.SetKillSwitchRequest) (*portcullisv1.SetKillSwitchResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	narrow := in.GetAgent() != "" || in.GetSession() != "" || in.GetTool() != ""
	if narrow && in.GetWholeTenant() {
		return nil, invalid("CONTRADICTION", "whole_tenant", "is set although an agent, a session or a tool is named")
	}
	list, cancelled, err := s.admin.SetKillSwitch(ctx, caller, killswitch.Switch{
		Tenant: tenant, Agent: in.GetAgent(), Session: in.GetSession(), Tool: in.GetTool(), WholeTenant: in.GetWholeTenant(),
		Reason: cleanComment(in.GetReason()), SetBy: caller.Subject,
	}, in.GetEnabled())
	if err != nil {
		return nil, err
	}
	return &portcullisv1.SetKillSwitchResponse{KillSwitches: each(list, switchTo), ApprovalsCancelled: int32Of(cancelled)}, nil
}

func (s *adminService) MintDelegation(ctx context.Context, in *portcullisv1.MintDelegationRequest) (*portcullisv1.MintDelegationResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	made, err := s.admin.MintDelegation(ctx, caller, tenant, in.GetIssuer(), delegationFrom(in.GetHolder(), in.GetRights()))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.MintDelegationResponse{Token: made.Token, Id: made.ID, ExpiresAt: timeTo(made.ExpiresAt)}, nil
}

func (s *adminService) RevokeDelegation(ctx context.Context, in *portcullisv1.RevokeDelegationRequest) (*portcullisv1.RevokeDelegationResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	revoked, err := s.admin.RevokeDelegation(ctx, caller, tenant, in.GetId(), cleanComment(in.GetReason()))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.RevokeDelegationResponse{Revoked: revoked}, nil
}

// WatchEvents sends what concerns the caller's tenant, and what concerns everybody.
func (s *adminService) WatchEvents(_ *portcullisv1.WatchEventsRequest, stream grpc.ServerStreamingServer[portcullisv1.WatchEventsResponse]) error {
	ctx := stream.Context()
	tenant, err := ownTenant(ctx, "")
	if err != nil {
		return err
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	events, err := s.admin.Events().Watch(ctx, beat.C)
	if err != nil {
		return err
	}
	return deliver(stream, s.stall, func(out *outbox[portcullisv1.WatchEventsResponse]) error {
		for e, err := range events {
			if err != nil {
				return err
			}
			if e.Tenant != "" && e.Tenant != tenant {
				continue
			}
			if err := out.send(eventTo(e), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

func eventTo(e event.Event) *portcullisv1.WatchEventsResponse {
	out := &portcullisv1.WatchEventsResponse{
		Type: portcullisv1.EventType_EVENT_TYPE_HEARTBEAT, At: timeTo(e.At), Sequence: e.Sequence, Message: e.Message, Attributes: e.Attributes,
	}
	if e.Type != "" {
		out.Type = portcullisv1.EventType(portcullisv1.EventType_value["EVENT_TYPE_"+strings.ToUpper(string(e.Type))])
	}
	return out
}

func switchTo(s killswitch.Switch) *portcullisv1.KillSwitch {
	return &portcullisv1.KillSwitch{
		Tenant: s.Tenant, Agent: s.Agent, Session: s.Session, Tool: s.Tool, Reason: s.Reason, SetBy: s.SetBy, SetAt: timeTo(s.SetAt),
	}
}

// cut shortens a text at a whole character.
func cut(text string, maxBytes int) string {
	if len(text) <= maxBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxBytes], "") + " [cut]"
}
