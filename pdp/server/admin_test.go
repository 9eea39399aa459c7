package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func (r *rig) operations() portcullisv1.AdminServiceClient {
	return portcullisv1.NewAdminServiceClient(r.conn)
}

// TestOperatorsActOnTheirOwnTenantOnly names another tenant in every request that can name one.
func TestOperatorsActOnTheirOwnTenantOnly(t *testing.T) {
	r := start(t, nil)
	ctx := r.as("admin")
	_, usage := r.operations().GetUsage(ctx, &portcullisv1.GetUsageRequest{Tenant: "other"})
	_, breaker := r.operations().ResetBreaker(ctx, &portcullisv1.ResetBreakerRequest{Tenant: "other", Agent: "a"})
	_, kill := r.operations().SetKillSwitch(ctx, &portcullisv1.SetKillSwitchRequest{Tenant: "other", Agent: "a", Enabled: true})
	_, lost := r.operations().RecoverLimits(ctx, &portcullisv1.RecoverLimitsRequest{Tenant: "other"})
	for _, err := range []error{usage, breaker, kill, lost} {
		wantWire(t, err, codes.PermissionDenied, "TENANT_MISMATCH", "tenant")
	}
	if len(r.admin.tenants) != 0 || len(r.admin.switched) != 0 {
		t.Errorf("something was done: %v %v", r.admin.tenants, r.admin.switched)
	}
	if _, err := r.operations().GetUsage(ctx, &portcullisv1.GetUsageRequest{Tenant: "default"}); err != nil {
		t.Error(err)
	}
	if _, err := r.operations().ResetBreaker(ctx, &portcullisv1.ResetBreakerRequest{Agent: "a"}); err != nil {
		t.Error(err)
	}
	if got, err := r.operations().RecoverLimits(ctx, &portcullisv1.RecoverLimitsRequest{}); err != nil || !got.GetRecovered() {
		t.Errorf("%v %v", got, err)
	}
	if strings.Join(r.admin.tenants, " ") != "default default default" {
		t.Errorf("tenants %v", r.admin.tenants)
	}
}

func TestKillSwitchRequests(t *testing.T) {
	r := start(t, nil)
	ctx := r.as("admin")
	_, err := r.operations().SetKillSwitch(ctx, &portcullisv1.SetKillSwitchRequest{Enabled: true})
	wantWire(t, err, codes.InvalidArgument, "NOTHING_TO_STOP", "")
	_, err = r.operations().SetKillSwitch(ctx, &portcullisv1.SetKillSwitchRequest{Enabled: true, WholeTenant: true, Agent: "a"})
	wantWire(t, err, codes.InvalidArgument, "CONTRADICTION", "whole_tenant")
	out, err := r.operations().SetKillSwitch(ctx, &portcullisv1.SetKillSwitchRequest{Enabled: true, Tool: "send_email", Reason: "odd\u202e mails"})
	if err != nil || out.GetApprovalsCancelled() != 2 || out.GetKillSwitches()[0].GetSetBy() != "admin" || out.GetKillSwitches()[0].GetReason() != "odd mails" {
		t.Errorf("%v %v", out, err)
	}
}

func TestRecoveryThatReachesNoStore(t *testing.T) {
	r := start(t, func(_ *Config, r *rig) {
		r.admin.recoverErr = fmt.Errorf("%w: dial tcp 192.0.2.1:6379", ledger.ErrUnavailable)
	})
	_, err := r.operations().RecoverLimits(r.as("admin"), &portcullisv1.RecoverLimitsRequest{})
	wantWire(t, err, codes.Unavailable, "STATE_UNAVAILABLE", "")
	if strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("the store's own words left the server: %v", err)
	}
}

// TestStateOfTheLedger: an operator learns of other tenants only how many wait.
func TestStateOfTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		ledger LedgerReport
		want   *portcullisv1.LedgerStatus
	}{
		"well": {
			LedgerReport{Kind: "embedded", Status: ledger.Status{Cells: 7, Reservations: -1}},
			&portcullisv1.LedgerStatus{Kind: "embedded", Reachable: true, Cells: 7, Reservations: -1},
		},
		"gone": {
			LedgerReport{Kind: "redis", Status: ledger.Status{Err: errors.New("dial\x1b[2J tcp: " + strings.Repeat("x", 900)), ClockBehind: 1_500_000, RoundTrips: 9}},
			&portcullisv1.LedgerStatus{Kind: "redis", Error: "dial[2J tcp: " + strings.Repeat("x", 487) + " [cut]", ClockBehind: durationpb.New(1500 * time.Millisecond), RoundTrips: 9},
		},
		"lost ours": {
			LedgerReport{Kind: "redis", Status: ledger.Status{Amnesia: []string{"default", "other"}}},
			&portcullisv1.LedgerStatus{Kind: "redis", Reachable: true, Amnesia: true, TenantsInAmnesia: 2},
		},
		"lost theirs": {
			LedgerReport{Kind: "redis", Status: ledger.Status{Amnesia: []string{"other"}}},
			&portcullisv1.LedgerStatus{Kind: "redis", Reachable: true, TenantsInAmnesia: 1},
		},
		"a clock that is years behind": {
			LedgerReport{Status: ledger.Status{ClockBehind: 1<<63 - 1}},
			&portcullisv1.LedgerStatus{Reachable: true, ClockBehind: durationpb.New(time.Duration(maxClockMicros) * time.Microsecond)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(_ *Config, r *rig) { r.admin.ledger = c.ledger })
			got, err := r.operations().GetStatus(r.as("auditor"), &portcullisv1.GetStatusRequest{})
			if err != nil || !proto.Equal(got.GetLedger(), c.want) {
				t.Errorf("%v\n got %v\nwant %v", err, got.GetLedger(), c.want)
			}
		})
	}
}

func TestUsageSaysWhatIsBooked(t *testing.T) {
	r := start(t, nil)
	got, err := r.operations().GetUsage(r.as("auditor"), &portcullisv1.GetUsageRequest{})
	if err != nil || got.GetRows()[0].GetBooked() != 7 || !got.GetRows()[0].GetAmnesia() || !got.GetAmnesia() {
		t.Errorf("%v %v", got, err)
	}
}

func TestABundleThatDoesNotLoadSaysWhy(t *testing.T) {
	r := start(t, func(_ *Config, r *rig) { r.admin.reloadErr = errors.New("rules/risk.rego:12: rego_parse_error") })
	_, err := r.operations().ReloadBundle(r.as("admin"), &portcullisv1.ReloadBundleRequest{})
	wantWire(t, err, codes.FailedPrecondition, "BUNDLE_REFUSED", "")
	if !strings.Contains(err.Error(), "rules/risk.rego:12") {
		t.Errorf("no file and line: %v", err)
	}
}

func TestWatchEvents(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.Heartbeat = time.Millisecond })
	stream, err := r.operations().WatchEvents(r.as("auditor"), &portcullisv1.WatchEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	r.admin.hub.Publish(event.Event{Type: event.Breaker, Tenant: "other", Message: "theirs"})
	r.admin.hub.Publish(event.Event{Type: event.Bundle, Message: "everybody's"})
	r.admin.hub.Publish(event.Event{Type: event.KillSwitch, Tenant: "default", Message: "ours", Attributes: map[string]string{"agent": "a"}})
	var got []string
	beats := 0
	for len(got) < 2 || beats == 0 {
		e, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetType() == portcullisv1.EventType_EVENT_TYPE_HEARTBEAT {
			beats++
			continue
		}
		got = append(got, e.GetType().String()+" "+e.GetMessage())
	}
	if strings.Join(got, "|") != "EVENT_TYPE_BUNDLE everybody's|EVENT_TYPE_KILL_SWITCH ours" {
		t.Errorf("got %v", got)
	}
}
