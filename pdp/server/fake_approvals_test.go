package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/review"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// fakeApprovals is a queue in memory, with the behaviour that pdp/approval documents and nothing of its care.
type fakeApprovals struct {
	mu       sync.Mutex
	all      []*approval.Approval
	changed  chan struct{} // closed and replaced at each change
	err      error         // what every call fails with
	comments []string

	reveals    []string // what was recorded
	unrecorded error    // what recording fails with
}

func newFakeApprovals() *fakeApprovals { return &fakeApprovals{changed: make(chan struct{})} }

// add puts an ask of agent `a`, by the credential `agent` of tenant `default`.
func (f *fakeApprovals) add(id string, change ...func(*approval.Approval)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &approval.Approval{
		ID: id, Tenant: "default", Agent: "a", Session: "s", RequestedBy: "agent", Kind: "TOOL_CALL", Tool: "send_email", Digest: "pc1:aa",
		Quorum: 1, State: approval.Pending, Sequence: 1, Created: time.Unix(1, 0), Expires: time.Unix(301, 0), DecisionID: "d-ask",
	}
	for _, c := range change {
		c(a)
	}
	f.all = append(f.all, a)
	f.tell()
}

func (f *fakeApprovals) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeApprovals) find(id string) (*approval.Approval, error) {
	if f.err != nil {
		return nil, f.err
	}
	for _, a := range f.all {
		if a.ID == id {
			return a, nil
		}
	}
	return nil, approval.ErrNotFound
}

func (f *fakeApprovals) Get(_ context.Context, id string) (approval.Approval, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.find(id)
	if err != nil {
		return approval.Approval{}, err
	}
	return *a, nil
}

func (f *fakeApprovals) Reveal(ctx context.Context, id string) (approval.Revealed, error) {
	a, err := f.Get(ctx, id)
	if err != nil {
		return approval.Revealed{}, err
	}
	if a.State != approval.Pending {
		return approval.Revealed{}, approval.ErrEnded
	}
	action := []byte(`{"tool":"send_email"}`)
	if a.ActionBytes > 0 {
		action = bytes.Repeat([]byte("0123456789abcdef"), int(a.ActionBytes/16))
	}
	view := review.View{Masked: []scan.Place{{From: 9, To: 13}}, Says: "it is fine"}
	return approval.Revealed{Approval: a, View: view.Encode(), Action: action}, nil
}

func (f *fakeApprovals) RecordReveal(_ context.Context, who identity.Caller, a approval.Approval, offset int64, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reveals = append(f.reveals, fmt.Sprintf("%s %s %d %s", who.Subject, a.ID, offset, reason))
	return f.unrecorded
}

func (f *fakeApprovals) Withdraw(_ context.Context, who identity.Caller, a approval.Approval, reason string) (approval.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reveals = append(f.reveals, fmt.Sprintf("%s withdrew %s: %s", who.Subject, a.ID, reason))
	found, err := f.find(a.ID)
	if err != nil {
		return approval.Result{}, err
	}
	applied := found.State == approval.Pending
	found.State = approval.Cancelled
	return approval.Result{Approval: *found, Applied: applied}, nil
}

func (f *fakeApprovals) Attend(string) func() { return func() {} }

func (f *fakeApprovals) List(_ context.Context, filter approval.Filter, size int, _ string) ([]approval.Approval, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var page []approval.Approval
	for _, a := range f.all {
		if len(page) < size && matches(filter, a) {
			page = append(page, *a)
		}
	}
	return page, "next", f.err
}

func matches(f approval.Filter, a *approval.Approval) bool {
	return f.Tenant == a.Tenant && (f.Agent == "" || f.Agent == a.Agent) && (len(f.States) == 0 || slices.Contains(f.States, a.State))
}

func (f *fakeApprovals) SubmitVerdict(_ context.Context, id string, who approval.Voter, b approval.Ballot) (approval.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.find(id)
	switch {
	case err != nil:
		return approval.Result{}, err
	case a.Tenant != who.Tenant:
		return approval.Result{}, approval.ErrNotFound
	case who.Subject == a.RequestedBy:
		return approval.Result{}, approval.ErrSelfApproval
	case b.ExpectedDigest != "" && b.ExpectedDigest != a.Digest:
		return approval.Result{}, approval.ErrDigest
	case b.Verdict == approval.Approve && !b.SeenInFull && a.ActionBytes > review.PageBytes:
		return approval.Result{}, approval.ErrNotSeen
	case a.State != approval.Pending:
		return approval.Result{Approval: *a, Reason: "APPROVAL_APPROVED"}, nil
	}
	f.comments = append(f.comments, b.Comment)
	a.Votes = append(a.Votes, approval.Vote{Subject: who.Subject, Verdict: b.Verdict, Comment: b.Comment, Applied: true, At: time.Unix(2, 0)})
	a.State = map[approval.Verdict]approval.State{approval.Approve: approval.Approved, approval.Reject: approval.Rejected}[b.Verdict]
	a.Sequence++
	f.tell()
	return approval.Result{Approval: *a, Applied: true}, nil
}

func (f *fakeApprovals) Watch(ctx context.Context, id string, after uint64, beat <-chan time.Time) (iter.Seq2[approval.Event, error], error) {
	a, err := f.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if after > a.Sequence {
		return nil, approval.ErrCursor
	}
	return func(yield func(approval.Event, error) bool) {
		for {
			f.mu.Lock()
			found, err := f.find(id)
			if err != nil {
				f.mu.Unlock()
				yield(approval.Event{}, err)
				return
			}
			now, wake := *found, f.changed
			f.mu.Unlock()
			if now.Sequence > after {
				after = now.Sequence
				if !yield(approval.Event{Approval: now}, nil) {
					return
				}
			}
			if now.State != approval.Pending || !pause(ctx, wake, beat, yield) {
				return
			}
		}
	}, nil
}

func (f *fakeApprovals) WatchAll(ctx context.Context, filter approval.Filter, cursor uint64, beat <-chan time.Time) (iter.Seq2[approval.Event, error], error) {
	if cursor > 1000 {
		return nil, approval.ErrCursor
	}
	return func(yield func(approval.Event, error) bool) {
		seen := map[string]uint64{}
		for {
			f.mu.Lock()
			var events []approval.Event
			for _, a := range f.all {
				if matches(filter, a) && a.Sequence > seen[a.ID] {
					seen[a.ID] = a.Sequence
					cursor++
					events = append(events, approval.Event{Approval: *a, Cursor: cursor})
				}
			}
			wake, failed := f.changed, f.err
			f.mu.Unlock()
			if failed != nil {
				yield(approval.Event{}, failed)
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if !pause(ctx, wake, beat, yield) {
				return
			}
		}
	}, nil
}

func pause(ctx context.Context, wake chan struct{}, beat <-chan time.Time, yield func(approval.Event, error) bool) bool {
	select {
	case <-wake:
		return true
	case <-beat:
		return yield(approval.Event{Heartbeat: true}, nil)
	case <-ctx.Done():
		yield(approval.Event{}, ctx.Err())
		return false
	}
}

var errBroken = errors.New("disk /var/secret is gone")
