package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/event"
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
	for _, err := range []error{usage, breaker, kill} {
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
	if strings.Join(r.admin.tenants, " ") != "default default" {
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
