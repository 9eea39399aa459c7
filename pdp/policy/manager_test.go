package policy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// desk is an origin that gives what is laid on it.
type desk struct {
	mu     sync.Mutex
	bundle *Bundle
	err    error
}

func (d *desk) lay(b *Bundle, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bundle, d.err = b, err
}

func (d *desk) Read(context.Context) (*Bundle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bundle, d.err
}

func (d *desk) Name() string { return "desk" }

func (d *desk) Changes(context.Context, *slog.Logger) (<-chan struct{}, error) {
	return nil, errors.New("a desk is not watched")
}

type loaded struct {
	revision string
	err      error
}

func manage(t *testing.T, o Origin, onLoad func(string, error)) *Manager {
	t.Helper()
	m, err := NewManager(t.Context(), ManagerConfig{Origin: o, Toolchain: tools(), Now: time.Now, Log: quiet, OnLoad: onLoad})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestThreat_I2_ABrokenEditChangesNothing(t *testing.T) {
	d := &desk{bundle: small(t)}
	var heard []loaded
	m := manage(t, d, func(revision string, err error) { heard = append(heard, loaded{revision, err}) })
	first := d.bundle.Revision()
	good := small(t)
	good.row("limits", "limits")["max"] = 6
	broken := map[string]func(*Bundle){
		"parse": func(b *Bundle) { b.Modules["rules/known.rego"] += "\n}" },
		"test":  func(b *Bundle) { b.Tests["rules/known_test.rego"] += "\ntest_no if false\n" },
		"table": func(b *Bundle) { b.row("limits", "limits")["max"] = -1 },
	}
	for name, change := range broken {
		b := small(t)
		change(b)
		heard = nil
		d.lay(b, nil)
		revision, changed, err := m.Reload(t.Context())
		if err == nil || changed || revision != first || m.LastError() == nil {
			t.Fatalf("%s: %s, changed %v, %v, last %v", name, revision, changed, err, m.LastError())
		}
		if s, _ := m.Active(); s.Revision != first {
			t.Fatalf("%s: %s is active", name, s.Revision)
		}
		if len(heard) != 1 || heard[0].revision != first || heard[0].err == nil {
			t.Fatalf("%s: OnLoad heard %v", name, heard)
		}
	}
	heard = nil
	d.lay(nil, errors.New("no such folder"))
	if _, _, err := m.Reload(t.Context()); err == nil || len(heard) != 1 {
		t.Fatalf("unreadable: %v, OnLoad heard %v", err, heard)
	}
	heard = nil
	d.lay(small(t), nil) // mended by taking the edit back
	revision, changed, err := m.Reload(t.Context())
	if err != nil || changed || revision != first || m.LastError() != nil || len(heard) != 1 || heard[0].err != nil {
		t.Fatalf("mended: %s, changed %v, %v, last %v, OnLoad heard %v", revision, changed, err, m.LastError(), heard)
	}
	heard = nil
	if _, changed, err = m.Reload(t.Context()); err != nil || changed || len(heard) != 0 {
		t.Fatalf("nothing new: changed %v, %v, OnLoad heard %v", changed, err, heard)
	}
	d.lay(good, nil)
	revision, changed, err = m.Reload(t.Context())
	if err != nil || !changed || revision != good.Revision() || revision == first || len(heard) != 1 {
		t.Fatalf("good edit: %s, changed %v, %v, OnLoad heard %v", revision, changed, err, heard)
	}
}

func TestNoBundleNoStart(t *testing.T) {
	broken := small(t)
	broken.Modules["rules/known.rego"] = "{"
	for _, d := range []*desk{{err: errors.New("no such folder")}, {bundle: broken}} {
		m, err := NewManager(t.Context(), ManagerConfig{Origin: d, Toolchain: tools(), Now: time.Now, Log: quiet, OnLoad: func(string, error) {}})
		if m != nil || err == nil {
			t.Errorf("%v, %v; want an error", m, err)
		}
	}
	if _, err := (&Holder{}).Active(); !errors.Is(err, ErrNoBundle) {
		t.Errorf("an empty holder: %v", err)
	}
}

// Every decision is the pinned snapshot's own, while bundles that answer differently are swapped under load.
func TestThreat_I2_NoDecisionMixesRevisions(t *testing.T) {
	say := func(code string) *Bundle { // both its modules and its tables name the revision that they belong to
		b := small(t)
		b.Modules["portcullis/decision.rego"] = `package portcullis

decision := {
	"effect": "deny", "obligations": [], "approval": {"ttl_seconds": 60, "quorum": 1},
	"reasons": [{"code": "` + code + `", "rule": "a.b", "effect": "deny", "severity": "low", "message": data.tables.words.word, "findings": []}],
	"passed": [w | some w in data.portcullis.rules.known.deny],
}
`
		b.Modules["rules/known.rego"] = "package portcullis.rules.known\n\ndeny contains \"" + code + "\" if input.action.kind\n"
		clear(b.Tests)
		b.Data["tables"].(map[string]any)["words"] = map[string]any{"word": code}
		return b
	}
	d := &desk{bundle: say("AAA")}
	m, e := manage(t, d, func(string, error) {}), evaluator(t, 1000)
	codes := map[string]string{say("AAA").Revision(): "AAA", say("BBB").Revision(): "BBB"}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				s, err := m.Active()
				if err != nil {
					t.Error(err)
					return
				}
				got, err := e.Evaluate(context.WithoutCancel(t.Context()), s, call("add"))
				if err != nil {
					t.Error(err)
					return
				}
				want := codes[s.Revision]
				if r := got.GetReasons()[0]; r.GetCode() != want || r.GetMessage() != want || got.GetPassed()[0] != want || s.Tables.Memory.TTLSeconds != 60 {
					t.Errorf("revision of %s answers %v", want, got)
					return
				}
			}
		})
	}
	for i := range 20 {
		d.lay(say([]string{"BBB", "AAA"}[i%2]), nil)
		if _, changed, err := m.Reload(t.Context()); err != nil || !changed {
			t.Errorf("reload %d: changed %v, %v", i, changed, err)
		}
	}
	stop.Store(true)
	wg.Wait()
}

func TestReached(t *testing.T) {
	base := small(t)
	base.Modules["rules/other.rego"], base.Tests["rules/other_test.rego"] = smallOther, smallOtherTest
	since := load(t, base)
	for name, tc := range map[string]struct {
		change func(*Bundle)
		want   string
	}{
		"nothing":             {func(*Bundle) {}, ""},
		"a table":             {func(b *Bundle) { b.table("memory")["ttl_seconds"] = 9 }, ""},
		"a control":           {func(b *Bundle) { b.Modules["rules/known.rego"] += "# x\n" }, "rules/known_test.rego"},
		"a test":              {func(b *Bundle) { b.Tests["rules/other_test.rego"] += "# x\n" }, "rules/other_test.rego"},
		"a control gone":      {func(b *Bundle) { delete(b.Modules, "rules/known.rego") }, "rules/known_test.rego"},
		"a test gone":         {func(b *Bundle) { delete(b.Tests, "rules/known_test.rego") }, ""},
		"a control, untested": {func(b *Bundle) { b.Modules["rules/new.rego"] = "package portcullis.rules.new\n" }, ""},
		"the decision":        {func(b *Bundle) { b.Modules["portcullis/decision.rego"] += "# x\n" }, "rules/known_test.rego rules/other_test.rego"},
		"what controls share": {func(b *Bundle) { b.Modules["lib/x.rego"] = "package portcullis.lib.x\n" }, "rules/known_test.rego rules/other_test.rego"},
		"a folder below":      {func(b *Bundle) { b.Modules["rules/deep/x.rego"] = "package portcullis.rules.x\n" }, "rules/known_test.rego rules/other_test.rego"},
		"two controls":        {func(b *Bundle) { b.Modules["rules/known.rego"] += "#\n"; b.Modules["rules/other.rego"] += "#\n" }, "rules/known_test.rego rules/other_test.rego"},
	} {
		t.Run(name, func(t *testing.T) {
			b := base.clone()
			b.Data = small(t).Data
			tc.change(b)
			if got := strings.Join(sortedNames(reached(b, since)), " "); got != tc.want {
				t.Fatalf("runs %q, want %q", got, tc.want)
			}
		})
	}
}

const smallOther = `package portcullis.rules.other

deny contains "x" if input.action.tool == "y"
`

const smallOtherTest = `package portcullis.rules.other_test

import data.portcullis.rules.other

test_y if other.deny == {"x"} with input as {"action": {"tool": "y"}}
`

// TestReload_KeepsTheScannerUntilAPatternChanges: any field of any row.
func TestReload_KeepsTheScannerUntilAPatternChanges(t *testing.T) {
	d := &desk{bundle: small(t)}
	m := manage(t, d, func(string, error) {})
	for _, tc := range []struct {
		name   string
		change func(*Bundle)
		kept   bool
	}{
		{"another table", func(b *Bundle) { b.table("memory")["ttl_seconds"] = 9 }, true},
		{"a regex", func(b *Bundle) { b.row("patterns", "patterns")["regex"] = "key-[a-z]{3,4}" }, false},
		{"a severity", func(b *Bundle) { b.row("patterns", "patterns")["severity"] = "low" }, false},
		{"a description", func(b *Bundle) { b.row("patterns", "patterns")["description"] = "a key" }, false},
		{"the description back", func(*Bundle) {}, false},
	} {
		before, _ := m.Active()
		b := small(t)
		tc.change(b)
		d.lay(b, nil)
		if _, changed, err := m.Reload(t.Context()); err != nil || !changed {
			t.Fatalf("%s: changed %v, %v", tc.name, changed, err)
		}
		if after, _ := m.Active(); (after.Scanner == before.Scanner) != tc.kept {
			t.Errorf("%s: the scanner is kept: %v, want %v", tc.name, !tc.kept, tc.kept)
		}
	}
}
