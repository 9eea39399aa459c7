package decision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// shelf is an origin that gives what lies on it.
type shelf struct{ bundle atomic.Pointer[policy.Bundle] }

func (s *shelf) Read(context.Context) (*policy.Bundle, error) { return s.bundle.Load(), nil }

func (s *shelf) Name() string { return "shelf" }

func (s *shelf) Changes(context.Context, *slog.Logger) (<-chan struct{}, error) {
	return nil, errors.New("a shelf is not watched")
}

// with is a bundle with another table in the place of one of its own.
func with(tb testing.TB, b *policy.Bundle, name string, table any) *policy.Bundle {
	tb.Helper()
	b, err := b.Overlay(&policy.Bundle{Source: "edited", Data: map[string]any{}}) // a copy
	if err != nil {
		tb.Fatal(err)
	}
	tables := maps.Clone(b.Data["tables"].(map[string]any))
	tables[name] = table
	b.Data = map[string]any{"tables": tables}
	return b
}

// edited is a bundle with something appended to the regex of each of its patterns.
func edited(tb testing.TB, b *policy.Bundle, suffix string) *policy.Bundle {
	tb.Helper()
	rows := 0
	var edit func(v any) any
	edit = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			out := make(map[string]any, len(v))
			for k, value := range v {
				if regex, ok := value.(string); ok && k == "regex" {
					rows++
					out[k] = regex + suffix
					continue
				}
				out[k] = edit(value)
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = edit(v[i])
			}
			return out
		default:
			return v
		}
	}
	b = with(tb, b, "patterns", edit(b.Data["tables"].(map[string]any)["patterns"]))
	if rows < 500 {
		tb.Fatalf("%d patterns, want 500 at least", rows)
	}
	return b
}

// TestThreat_I2_NoRequestIsDroppedWhileAllPatternsAreReloaded: all decisions go on as if nothing were, while every pattern is
// edited, and while an edit is refused.
func TestThreat_I2_NoRequestIsDroppedWhileAllPatternsAreReloaded(t *testing.T) {
	tools := must[*policy.Toolchain](t)(policy.NewToolchain(bundles.Capabilities, schema.Input))
	base := with(t, builtIn(), "limits", limitTable(limitRow("calls", 1_000_000, nil))["limits"])
	origin := &shelf{}
	origin.bundle.Store(base)
	policies := must[*policy.Manager](t)(policy.NewManager(t.Context(), policy.ManagerConfig{
		Origin: origin, Toolchain: tools, Tested: true, Now: time.Now, Log: slog.New(slog.DiscardHandler), OnLoad: func(string, error) {},
	}))
	r := newRoom(t, func(r *room) { r.rooms.Policies = policies })
	secret := func() Request { return mailTo("ann@example.com is the AKIAQ3EGRZ5WXN7TYP2M") }

	var stop atomic.Bool
	var decided, reload atomic.Int64
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			decide := func(req Request, session int, effect Effect, code string) {
				req.Principal.Session = fmt.Sprintf("s%d-%d", worker, session)
				resp, err := r.engine.Decide(t.Context(), gateway, req)
				if err != nil || resp.Effect != effect || code != "" && !slices.Contains(codes(resp.Reasons), code) {
					t.Errorf("%s %v, %v; want %s %s", resp.Effect, codes(resp.Reasons), err, effect, code)
				}
			}
			sent := int64(-1)
			for i := 0; !stop.Load() && !t.Failed(); i++ {
				decide(add(), i, Allow, "")
				if now := reload.Load(); now != sent { // no more often, or the agent would be held back for it
					decide(secret(), i, Deny, "CREDENTIAL_FOUND")
					sent = now
				}
				decided.Add(1)
			}
		})
	}
	for i, suffix := range []string{"(?:)", "(", "(?:)(?:)"} {
		origin.bundle.Store(edited(t, base, suffix))
		reload.Store(int64(i))
		before := decided.Load()
		_, changed, err := policies.Reload(t.Context())
		if refused := suffix == "("; changed == refused || (err != nil) != refused {
			t.Errorf("reload %d: changed %v, %v", i, changed, err)
		}
		if decided.Load() == before && !t.Failed() {
			t.Errorf("nothing was decided during reload %d", i)
		}
	}
	stop.Store(true)
	wg.Wait()
}
