package server

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

func TestMemoryRequests(t *testing.T) {
	r := start(t, nil)
	ctx := r.as("admin")
	for name, in := range map[string]*portcullisv1.QuarantineMemoryRequest{
		"neither": {Agent: "a"},
		"both":    {Agent: "a", SinceSequence: 1, SinceTime: timestamppb.Now()},
		"no time": {Agent: "a", SinceTime: &timestamppb.Timestamp{Seconds: 1 << 60}},
	} {
		_, err := r.operations().QuarantineMemory(ctx, in)
		if err == nil || !strings.Contains(err.Error(), "since") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = r.operations().RollbackMemory(ctx, &portcullisv1.RollbackMemoryRequest{Agent: "a", SinceSequence: in.GetSinceSequence(), SinceTime: in.GetSinceTime()})
		if err == nil || !strings.Contains(err.Error(), "since") {
			t.Errorf("rollback, %s: %v", name, err)
		}
	}
	if _, err := r.operations().ListMemory(ctx, &portcullisv1.ListMemoryRequest{}); err == nil {
		t.Error("a list of nobody's memory")
	}
	_, err := r.operations().ListMemory(ctx, &portcullisv1.ListMemoryRequest{Tenant: "other", Agent: "a"})
	wantWire(t, err, codes.PermissionDenied, "TENANT_MISMATCH", "tenant")
	_, err = r.operations().QuarantineMemory(ctx, &portcullisv1.QuarantineMemoryRequest{Tenant: "other", Agent: "a", SinceSequence: 1})
	wantWire(t, err, codes.PermissionDenied, "TENANT_MISMATCH", "tenant")
	_, err = r.operations().RollbackMemory(ctx, &portcullisv1.RollbackMemoryRequest{Tenant: "other", Agent: "a", SinceSequence: 1})
	wantWire(t, err, codes.PermissionDenied, "TENANT_MISMATCH", "tenant")
	if len(r.admin.tenants) != 0 {
		t.Fatalf("something was done: %v", r.admin.tenants)
	}
	list, err := r.operations().ListMemory(ctx, &portcullisv1.ListMemoryRequest{Agent: "a"})
	if err != nil || list.GetSequence() != 7 || list.GetAll().GetBytes() != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	v := list.GetItems()[0].GetVersions()
	if len(v) != 2 || v[0].GetSequence() != 7 || v[0].GetCurrent() || !v[0].GetQuarantined() || !v[0].GetUntrusted() || !v[1].GetCurrent() || v[1].GetUntrusted() {
		t.Errorf("versions %v", v)
	}
	if out, err := r.operations().QuarantineMemory(ctx, &portcullisv1.QuarantineMemoryRequest{Agent: "a", SinceTime: timestamppb.Now()}); err != nil || out.GetVersions() != 2 || out.GetItems() != 1 {
		t.Errorf("%v, %v", out, err)
	}
	if out, err := r.operations().RollbackMemory(ctx, &portcullisv1.RollbackMemoryRequest{Agent: "a", SinceSequence: 2}); err != nil || out.GetRolledBack() != 1 || out.GetWithoutGood() != 3 || len(out.GetItems()) != 1 {
		t.Errorf("%v, %v", out, err)
	}
}

func TestMemoryThatReachesNoStore(t *testing.T) {
	r := start(t, func(_ *Config, r *rig) {
		r.admin.recoverErr = fmt.Errorf("%w: dial tcp 192.0.2.1:6379", memory.ErrStore)
	})
	_, err := r.operations().ListMemory(r.as("admin"), &portcullisv1.ListMemoryRequest{Agent: "a"})
	wantWire(t, err, codes.Unavailable, "STATE_UNAVAILABLE", "")
	if strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("the store's own words left the server: %v", err)
	}
}
