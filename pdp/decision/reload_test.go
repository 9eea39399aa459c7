package decision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
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

// edited is a bundle with something appended to the regex of each of its patterns.
func edited(tb testing.TB, b *policy.Bundle, suffix string) *policy.Bundle {
	tb.Helper()
	b, err := b.Overlay(&policy.Bundle{Source: "edited", Data: map[string]any{}}) // a copy
	if err != nil {
		tb.Fatal(err)
	}
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
	tables := b.Data["tables"].(map[string]any)
	with := make(map[string]any, len(tables))
	maps.Copy(with, tables)
	with["patterns"] = edit(tables["patterns"])
	b.Data = map[string]any{"tables": with}
	if rows < 500 {
		tb.Fatalf("%d patterns, want 500 at least", rows)
	}
	return b
}

// TestThreat_I2_NoRequestIsDroppedWhileAllPatternsAreReloaded: all decisions go on as if nothing were, while every pattern is
// edited, and while an edit is refused.
func TestThreat_I2_NoRequestIsDroppedWhileAllPatternsAreReloaded(t *testing.T) {
	tools := must[*policy.Toolchain](t)(policy.NewToolchain(bundles.Capabilities, schema.Input))
	base := must[*policy.Bundle](t)(builtIn().Overlay(&policy.Bundle{Source: "tuned", Data: map[string]any{
		"tables": limitTable(limitRow("calls", 1_000_000, nil)),
	}}))
	origin := &shelf{}
	origin.bundle.Store(base)
	policies := must[*policy.Manager](t)(policy.NewManager(t.Context(), policy.ManagerConfig{
		Origin: origin, Toolchain: tools, Tested: true, Now: time.Now, Log: slog.New(slog.DiscardHandler), OnLoad: func(string, error) {},
	}))
	r := newRoom(t, func(r *room) { r.rooms.Policies = policies })
	secret := func() Request { return mailTo("ann@example.com is the AKIAQ3EGRZ5WXN7TYP2M") }

	var stop atomic.Bool
	var decided atomic.Int64
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				for _, c := range []struct {
					request Request
					effect  Effect
					code    string
				}{{add(), Allow, ""}, {secret(), Deny, "CREDENTIAL_FOUND"}} {
					c.request.Principal.Session = fmt.Sprintf("s%d-%d", worker, i)
					resp, err := r.engine.Decide(t.Context(), gateway, c.request)
					if got := codes(resp.Reasons); err != nil || resp.Effect != c.effect || c.code != "" && !strings.Contains(strings.Join(got, " "), c.code) {
						t.Errorf("%s %v, %v; want %s %s", resp.Effect, got, err, c.effect, c.code)
						return
					}
				}
				decided.Add(1)
			}
		})
	}
	for i, suffix := range []string{"(?:)", "(", "(?:)(?:)"} {
		origin.bundle.Store(edited(t, base, suffix))
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
