package server

import (
	"cmp"
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

const (
	defaultMemoryItems = 100
	// maxRolledBack is how many items a rollback lists.
	maxRolledBack = 1000
)

func (s *adminService) ListMemory(ctx context.Context, in *portcullisv1.ListMemoryRequest) (*portcullisv1.ListMemoryResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	list, err := s.admin.ListMemory(ctx, memory.Owner{Tenant: tenant, Agent: in.GetAgent()}, in.GetLayer(), cmp.Or(int(in.GetMaxItems()), defaultMemoryItems))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.ListMemoryResponse{
		Items: each(list.Items, itemTo), Truncated: list.Truncated, Sequence: list.Sequence, All: heldTo(list.All), Untrusted: heldTo(list.Untrusted),
	}, nil
}

func (s *adminService) QuarantineMemory(ctx context.Context, in *portcullisv1.QuarantineMemoryRequest) (*portcullisv1.QuarantineMemoryResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	since, err := sinceFrom(in.GetSinceSequence(), in.GetSinceTime())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	versions, items, err := s.admin.QuarantineMemory(ctx, caller, memory.Owner{Tenant: tenant, Agent: in.GetAgent()},
		memory.Quarantine{Since: since, UntrustedOnly: in.GetUntrustedOnly(), Release: in.GetRelease()}, cleanComment(in.GetReason()))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.QuarantineMemoryResponse{Versions: int32Of(versions), Items: int32Of(items)}, nil
}

func (s *adminService) RollbackMemory(ctx context.Context, in *portcullisv1.RollbackMemoryRequest) (*portcullisv1.RollbackMemoryResponse, error) {
	tenant, err := ownTenant(ctx, in.GetTenant())
	if err != nil {
		return nil, err
	}
	since, err := sinceFrom(in.GetSinceSequence(), in.GetSinceTime())
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	back, without, err := s.admin.RollbackMemory(ctx, caller, memory.Owner{Tenant: tenant, Agent: in.GetAgent()}, since, cleanComment(in.GetReason()))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.RollbackMemoryResponse{
		Items: each(back[:min(len(back), maxRolledBack)], itemTo), RolledBack: int32Of(len(back)), WithoutGood: int32Of(without),
	}, nil
}

// sinceFrom wants one of the two: an empty request must not touch everything.
func sinceFrom(sequence uint64, at *timestamppb.Timestamp) (memory.Since, error) {
	if (sequence > 0) == (at != nil) {
		return memory.Since{}, invalid("SINCE_UNCLEAR", "since_sequence", "set exactly one of since_sequence and since_time")
	}
	if at == nil {
		return memory.Since{Sequence: sequence}, nil
	}
	if err := at.CheckValid(); err != nil || at.AsTime().IsZero() {
		return memory.Since{}, invalid("SINCE_UNCLEAR", "since_time", "is no time that there is")
	}
	return memory.Since{Time: at.AsTime()}, nil
}

func heldTo(u memory.Usage) *portcullisv1.MemoryUsage {
	return &portcullisv1.MemoryUsage{Items: u.Items, Bytes: u.Bytes}
}

func itemTo(it memory.Item) *portcullisv1.MemoryItem {
	out := &portcullisv1.MemoryItem{Layer: it.Layer, Key: it.Key}
	for i := range it.Versions {
		v := &it.Versions[len(it.Versions)-1-i] // the newest first
		out.Versions = append(out.Versions, &portcullisv1.MemoryVersion{
			Sequence: v.Sequence, At: timeTo(v.At), ExpiresAt: timeTo(v.Expires), Digest: v.Digest, Bytes: v.Bytes, Labels: v.Labels,
			Untrusted: v.Untrusted(), Quarantined: v.Quarantined, Deletion: v.Deletion,
			Current: v.Sequence == it.Current && !v.Quarantined && !v.Deletion,
		})
	}
	return out
}
