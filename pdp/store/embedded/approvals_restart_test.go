package embedded

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// Whatever is written, moved and forgotten, and however the process ends: every record is as it was last written, and from
// each cursor of the window come the changes since, each once and in order.
func TestApprovalsOverRestarts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		window := rapid.IntRange(1, 12).Draw(rt, "window")
		dir := t.TempDir()
		s, a := openAt(rt, dir, window)
		defer func() { _ = s.Close() }()
		sequences, states := map[string]uint64{}, map[string]approval.State{}
		var feed []approval.ChangeRef // the n-th has the cursor n+1
		noted := func(id string) {
			sequences[id]++
			feed = append(feed, approval.ChangeRef{Cursor: uint64(len(feed)) + 1, ID: id, Sequence: sequences[id]})
		}
		change := func(rec *approval.Record) approval.Effect {
			id := rec.Approval.ID
			switch effect := rapid.SampledFrom([]approval.Effect{approval.Write, approval.Write, approval.Write, approval.Keep, approval.Remove}).Draw(rt, "effect"); effect {
			case approval.Write:
				step(rapid.SampledFrom(approval.States).Draw(rt, "state"), rapid.SampledFrom([]approval.Use{"", "", approval.Redeemed}).Draw(rt, "use"))(rec)
				if rapid.Bool().Draw(rt, "used") {
					rec.Approval.RedeemedBy = "d"
				}
				states[id] = rec.Approval.State
				noted(id)
				return effect
			case approval.Remove:
				delete(states, id)
				return effect
			default:
				return approval.Keep
			}
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			ids := slices.Sorted(maps.Keys(states))
			what := rapid.SampledFrom([]string{"ask", "change", "change", "change", "many", "crash", "close"}).Draw(rt, "what")
			switch {
			case what == "crash" || what == "close":
				end := s.Close
				if what == "crash" {
					end = s.db.Close
				}
				if err := end(); err != nil {
					rt.Fatal(err)
				}
				s, a = openAt(rt, dir, window)
			case what == "ask" || len(ids) == 0:
				id := fmt.Sprintf("id%03d", len(feed))
				if err := a.Insert(t.Context(), pendingRecord(id, "t", "a"), []byte("abc"), wideCaps); err != nil {
					rt.Fatal(err)
				}
				states[id] = approval.Pending
				noted(id)
			case what == "many":
				if err := a.UpdateAll(t.Context(), rapid.Permutation(ids).Draw(rt, "ids"), change); err != nil {
					rt.Fatal(err)
				}
			default:
				if err := a.Update(t.Context(), rapid.SampledFrom(ids).Draw(rt, "id"), change); err != nil {
					rt.Fatal(err)
				}
			}
			seen := map[string]approval.State{}
			err := a.Scan(t.Context(), approval.States, "", func(rec approval.Record) bool {
				if seen[rec.Approval.ID] = rec.Approval.State; rec.Approval.Sequence != sequences[rec.Approval.ID] {
					rt.Fatalf("%s is at change %d, not %d", rec.Approval.ID, rec.Approval.Sequence, sequences[rec.Approval.ID])
				}
				return true
			})
			if err != nil || !maps.Equal(seen, states) {
				rt.Fatalf("there are %v, %v, want %v", seen, err, states)
			}
			if _, newest, err := a.Snapshot(t.Context()); err != nil || newest != uint64(len(feed)) {
				rt.Fatalf("the newest change is %d, %v, not %d", newest, err, len(feed))
			}
			for after := range len(feed) + 2 {
				refs, err := a.Changes(t.Context(), uint64(after), len(feed)+1)
				if after > len(feed) || after < len(feed)-window {
					if !errors.Is(err, approval.ErrCursor) {
						rt.Fatalf("after %d of %d: %v", after, len(feed), err)
					}
				} else if err != nil || !slices.Equal(refs, feed[after:]) {
					rt.Fatalf("after %d come %v, %v, want %v", after, refs, err, feed[after:])
				}
			}
			if err := a.read(t.Context(), consistent); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func openAt(t *rapid.T, dir string, window int) (*Store, *Approvals) {
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.OpenApprovals(window)
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}
