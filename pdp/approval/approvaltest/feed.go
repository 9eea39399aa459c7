package approvaltest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

func ordered(t *testing.T, s approval.Store) {
	t.Helper()
	if refs, err := s.Changes(t.Context(), 0, 9); err != nil || len(refs) != 0 {
		t.Fatalf("an empty store: %v, %v", refs, err)
	}
	insert(t, s, record("id1", "t", "a"), record("id2", "u", "a"))
	update(t, s, "id1", func(r *approval.Record) approval.Effect { // two at once
		_ = to(approval.Pending, "")(r)
		return to(approval.Approved, "")(r)
	})
	update(t, s, "id2", to(approval.Rejected, ""))
	update(t, s, "id1", func(*approval.Record) approval.Effect { return approval.Remove })
	want := "id1 1, id2 1, id1 2, id1 3, id2 2"
	refs, err := s.Changes(t.Context(), 0, 100)
	if got := show(refs); err != nil || got != want {
		t.Fatalf("%s, %v", got, err)
	}
	for i, ref := range refs {
		if i > 0 && ref.Cursor <= refs[i-1].Cursor {
			t.Errorf("cursor %d after %d", ref.Cursor, refs[i-1].Cursor)
		}
		rest, err := s.Changes(t.Context(), ref.Cursor, 2)
		if err != nil || show(rest) != show(refs[i+1:min(i+3, len(refs))]) {
			t.Errorf("after %d: %s, %v", ref.Cursor, show(rest), err)
		}
	}
	if _, err := s.Changes(t.Context(), refs[4].Cursor+1, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("a cursor that was never given out: %v", err)
	}
	if _, err := s.Changes(t.Context(), 1<<62, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("a cursor from elsewhere: %v", err)
	}
}

func show(refs []approval.ChangeRef) string {
	var out []string
	for _, r := range refs {
		out = append(out, fmt.Sprint(r.ID, " ", r.Sequence))
	}
	return strings.Join(out, ", ")
}

func window(t *testing.T, s approval.Store) {
	t.Helper()
	insert(t, s, record("first", "t", "a"))
	refs, err := s.Changes(t.Context(), 0, 1)
	if err != nil || len(refs) != 1 {
		t.Fatal(refs, err)
	}
	first := refs[0].Cursor
	for i := range windowOfCases {
		insert(t, s, record(fmt.Sprintf("id%03d", i), "t", "a"))
	}
	if all, err := s.Changes(t.Context(), first, 1000); err != nil || len(all) != windowOfCases {
		t.Fatalf("%d, %v", len(all), err)
	}
	if _, err := s.Changes(t.Context(), 0, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("one is gone: %v", err)
	}
	insert(t, s, record("last", "t", "a"))
	if _, err := s.Changes(t.Context(), first, 1); !errors.Is(err, approval.ErrCursor) {
		t.Errorf("two are gone: %v", err)
	}
}

// snapshots: a list and the changes after its cursor are everything, each once, whatever is written meanwhile.
func snapshots(t *testing.T, s approval.Store) {
	t.Helper()
	if recs, cursor, err := s.Snapshot(t.Context()); err != nil || len(recs) != 0 {
		t.Fatal(recs, err)
	} else if _, err := s.Changes(t.Context(), cursor, 1); err != nil {
		t.Fatalf("after the first snapshot: %v", err)
	}
	const n = 40
	insert(t, s, record("id000", "t", "a"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i < n; i++ {
			insert(t, s, record(fmt.Sprintf("id%03d", i), "t", "a"))
			if i%4 == 0 {
				update(t, s, fmt.Sprintf("id%03d", i-2), to(approval.Pending, ""))
			}
		}
	})
	for range 10 {
		recs, cursor, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]uint64{}
		for i, r := range recs {
			if i > 0 && r.Approval.ID <= recs[i-1].Approval.ID {
				t.Fatal("not the oldest first")
			}
			seen[r.Approval.ID] = r.Approval.Sequence
			if r.Approval.Sequence != uint64(len(r.Changes)) {
				t.Fatalf("sequence %d with %d changes", r.Approval.Sequence, len(r.Changes))
			}
		}
		refs, err := s.Changes(t.Context(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range refs {
			if seen[ref.ID]+1 != ref.Sequence {
				t.Fatalf("%s: %d after %d", ref.ID, ref.Sequence, seen[ref.ID])
			}
			seen[ref.ID] = ref.Sequence
		}
	}
	wg.Wait()
	update(t, s, "id000", to(approval.Approved, ""))
	if recs, _, err := s.Snapshot(t.Context()); err != nil || len(recs) != n-1 {
		t.Errorf("%d are pending, %v", len(recs), err)
	}
}
