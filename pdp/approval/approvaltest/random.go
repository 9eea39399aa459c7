package approvaltest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// compare does the same to a store and to the model, and looks whether all that can be read is the same.
func compare(t *testing.T, open Open) {
	t.Helper()
	rapid.Check(t, func(r *rapid.T) {
		p := &pair{r: r, store: open(t, 12), model: NewModel(12)}
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			p.step()
		}
		p.same()
	})
}

type pair struct {
	r            *rapid.T
	store, model approval.Store
	n            int
	ids          []string
}

var drawNames = rapid.SampledFrom([]string{"a", "b", "ab", ""})

func (p *pair) step() {
	ctx := p.r.Context()
	if len(p.ids) == 0 || rapid.IntRange(0, 2).Draw(p.r, "what") == 0 {
		p.n++
		rec := record(fmt.Sprintf("id%06d", (p.n*7919)%1_000_000), drawNames.Draw(p.r, "tenant"), drawNames.Draw(p.r, "agent"))
		rec.Approval.Session, rec.Approval.Digest = drawNames.Draw(p.r, "session"), drawNames.Draw(p.r, "digest")
		rec.Approval.Created = after(p.n)
		rec.Due = after(rapid.IntRange(0, 9).Draw(p.r, "due")*100 + p.n)
		caps := approval.Caps{PerAgent: 3, PerTenant: 5, Total: 8, ContentBytes: 30, Since: after(p.n - 6), AskedByAgent: 4, AskedInSession: 3}
		one, two := p.store.Insert(ctx, rec, []byte("abc"), caps), p.model.Insert(ctx, rec, []byte("abc"), caps)
		if !errors.Is(one, two) {
			p.r.Fatalf("insert: %v, the model says %v", one, two)
		}
		if one == nil {
			p.ids = append(p.ids, rec.Approval.ID)
		}
		return
	}
	effect := rapid.SampledFrom([]approval.Effect{approval.Keep, approval.Write, approval.Write, approval.Write, approval.Remove}).Draw(p.r, "effect")
	state := rapid.SampledFrom(approval.States).Draw(p.r, "state")
	use := rapid.SampledFrom([]approval.Use{approval.Unused, approval.Redeemed}).Draw(p.r, "use")
	dueAt := after(rapid.IntRange(0, 9).Draw(p.r, "due"))
	twice := rapid.Bool().Draw(p.r, "twice")
	change := func(r *approval.Record) approval.Effect {
		if state == approval.Pending && r.Approval.State != approval.Pending {
			state = r.Approval.State // nothing becomes pending again
		}
		r.Due = dueAt.Add(time.Duration(len(r.Changes)) * time.Hour).Add(time.Duration(r.Approval.Created.Unix()) * time.Microsecond)
		if twice {
			_ = to(state, use)(r)
		}
		_ = to(state, use)(r)
		return effect
	}
	id := rapid.SampledFrom(p.ids).Draw(p.r, "id")
	before := state
	one := p.store.Update(ctx, id, change)
	state = before
	two := p.model.Update(ctx, id, change)
	if !errors.Is(one, two) {
		p.r.Fatalf("update: %v, the model says %v", one, two)
	}
}

// both asks the two the same and compares what they say.
func both[T any](p *pair, what string, ask func(approval.Store) (T, error)) T {
	one, err := ask(p.store)
	two, modelErr := ask(p.model)
	if !errors.Is(err, modelErr) || err == nil && !reflect.DeepEqual(one, two) {
		p.r.Fatalf("%s: %+v, %v\nthe model says %+v, %v", what, one, err, two, modelErr)
	}
	return one
}

func (p *pair) same() {
	ctx := p.r.Context()
	for _, id := range append(p.ids, "nothing") {
		both(p, "load "+id, func(s approval.Store) (approval.Record, error) { return s.Load(ctx, id) })
		both(p, "content "+id, func(s approval.Store) (string, error) {
			_, content, err := s.Content(ctx, id)
			return fmt.Sprint(content == nil, string(content)), err
		})
	}
	states := rapid.SliceOfN(rapid.SampledFrom(approval.States), 1, 5).Draw(p.r, "states")
	last := rapid.SampledFrom(append(p.ids, "")).Draw(p.r, "after")
	limit := rapid.IntRange(1, 5).Draw(p.r, "limit")
	both(p, "scan", func(s approval.Store) (ids []string, err error) {
		err = s.Scan(ctx, states, last, func(r approval.Record) bool {
			ids = append(ids, r.Approval.ID)
			return len(ids) < limit
		})
		return ids, err
	})
	tenant, agent := drawNames.Draw(p.r, "tenant"), drawNames.Draw(p.r, "agent")
	both(p, "live", func(s approval.Store) ([]string, error) {
		ids, err := s.Live(ctx, tenant, agent)
		slices.Sort(ids)
		return ids, err
	})
	both(p, "pending", func(s approval.Store) (int, error) { return s.Pending(ctx, tenant) })
	digest := drawNames.Draw(p.r, "digest")
	both(p, "by digest", func(s approval.Store) ([]approval.Record, error) {
		recs, err := s.ByDigest(ctx, tenant, agent, digest, limit)
		return append([]approval.Record{}, recs...), err
	})
	at := after(rapid.IntRange(0, 1000).Draw(p.r, "at"))
	both(p, "due", func(s approval.Store) (string, error) {
		ids, next, err := s.Due(ctx, at, limit)
		return fmt.Sprint(ids, next.Truncate(time.Microsecond)), err
	})
	keep := rapid.IntRange(0, 4).Draw(p.r, "keep")
	both(p, "surplus", func(s approval.Store) (string, error) {
		ids, err := s.Surplus(ctx, keep, limit)
		return fmt.Sprint(ids), err
	})
	both(p, "snapshot", func(s approval.Store) ([]approval.Record, error) {
		recs, _, err := s.Snapshot(ctx)
		return append([]approval.Record{}, recs...), err
	})
	p.changes()
}

// changes compares what the two still know of what happened. Their cursors differ.
func (p *pair) changes() {
	ctx := p.r.Context()
	kept := func(s approval.Store) (refs []approval.ChangeRef) {
		_, newest, err := s.Snapshot(ctx)
		if err != nil {
			p.r.Fatal(err)
		}
		// From the oldest cursor that is good: a bisection, as cursors say nothing about numbers.
		low, high := uint64(0), newest
		for low < high {
			middle := low + (high-low)/2
			switch _, err := s.Changes(ctx, middle, 1); {
			case errors.Is(err, approval.ErrCursor):
				low = middle + 1
			case err != nil:
				p.r.Fatal(err)
			default:
				high = middle
			}
		}
		refs, err = s.Changes(ctx, low, 1000)
		if err != nil {
			p.r.Fatal(err)
		}
		return refs
	}
	if one, two := show(kept(p.store)), show(kept(p.model)); one != two {
		p.r.Fatalf("changes %s\nthe model says %s", one, two)
	}
}
