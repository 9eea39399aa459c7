package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// firstLoadBudget bounds the tests of a bundle that is loaded for the first time.
const firstLoadBudget = 30 * time.Second

// TestResult is one failed test of a bundle.
type TestResult struct {
	Name, Where, Why string
}

// TestError lists the tests that failed.
type TestError struct{ Failed []TestResult }

func (e *TestError) Error() string {
	lines := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		lines[i] = fmt.Sprintf("%s: test %s %s", f.Where, f.Name, f.Why)
	}
	return strings.Join(lines, "\n")
}

// test runs the bundle's own tests, or those that a change since opt.Since can reach.
func (t *Toolchain) test(ctx context.Context, b *Bundle, opt LoadOptions) error {
	tests := b.Tests
	if opt.Since != nil {
		tests = reached(b, opt.Since)
	}
	if len(tests) == 0 {
		return nil
	}
	budget := opt.TestBudget
	if budget == 0 {
		budget = firstLoadBudget
	}
	files := maps.Clone(b.Modules)
	maps.Copy(files, tests)
	modules, err := t.parse(files)
	if err != nil {
		return err
	}
	store := inmem.NewFromObjectWithOpts(b.Data, inmem.OptRoundTripOnWrite(false))
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	failed, err := runTests(limited, t, modules, store)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("the bundle's tests did not finish within %v", budget)
	case err != nil:
		return fmt.Errorf("run the bundle's tests: %w", err)
	case len(failed) > 0:
		return &TestError{failed}
	}
	return nil
}

func runTests(ctx context.Context, t *Toolchain, modules map[string]*ast.Module, store storage.Store) (failed []TestResult, err error) {
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().
		SetCompiler(t.compiler(false)).
		SetStore(store).
		SetModules(modules).
		SetTimeout(firstLoadBudget).
		RaiseBuiltinErrors(true).
		RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	ran := 0
	for r := range results {
		ran++
		switch {
		case r.Error != nil:
			failed = append(failed, TestResult{r.Package + "." + r.Name, r.Location.String(), "ended with an error: " + r.Error.Error()})
		case r.Fail:
			failed = append(failed, TestResult{r.Package + "." + r.Name, r.Location.String(), "failed"})
		}
	}
	if ran == 0 {
		return nil, errors.New("the bundle's test files hold no test")
	}
	return failed, nil
}

// reached returns the tests that a change since the active snapshot can reach. A changed control reaches its own
// tests; a change in what controls share reaches all of them; a change in a table reaches none, because tests bring
// their own tables.
func reached(b *Bundle, since *Snapshot) map[string]string {
	out := map[string]string{}
	for _, name := range changed(b.Tests, since.testsByPath) {
		if src, there := b.Tests[name]; there {
			out[name] = src
		}
	}
	for _, name := range changed(b.Modules, since.modulesByPath) {
		if path.Dir(name) != "rules" {
			return b.Tests
		}
		test := strings.TrimSuffix(name, ".rego") + "_test.rego"
		if src, there := b.Tests[test]; there {
			out[test] = src
		}
	}
	return out
}

func changed(now, before map[string]string) []string {
	var out []string
	for name, src := range now {
		if old, there := before[name]; !there || old != src {
			out = append(out, name)
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
