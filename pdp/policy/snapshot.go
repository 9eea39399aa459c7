package policy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Snapshot is everything that a decision depends on, compiled from one bundle. It never changes: a reload makes
// another one. Decisions pin it, so it is freed when the last of them is done. Safe for concurrent use.
type Snapshot struct {
	Revision string
	Name     string // what the manifest calls the revision
	Source   string
	LoadedAt time.Time
	Tables   Tables
	Scanner  *scan.Scanner

	query         rego.PreparedEvalQuery
	terms, vote   *rego.PreparedEvalQuery // nil if the bundle does not say
	paths         projection
	votePaths     projection
	readsArgs     bool
	generation    uint64
	modulesByPath map[string]string // sources, to find what a reload changed
	testsByPath   map[string]string
}

// generations numbers snapshots, so that a memo entry of one is never taken for an answer of another, not even of
// the same revision loaded twice.
var generations atomic.Uint64

// trialTimeout bounds the decision that Load makes to try a bundle out: a policy that loops must not hold up every
// reload after it.
const trialTimeout = 5 * time.Second

// LoadOptions steer Load. The zero value is not valid: Toolchain is needed.
type LoadOptions struct {
	Toolchain *Toolchain
	// TestBudget bounds the run of the bundle's own tests. 0: 30 s, for a first load.
	TestBudget time.Duration
	// Since is the snapshot that is active: only tests that a change can reach are run, and patterns compiled if they
	// changed. Nil: all.
	Since *Snapshot
	// SkipTests is for the bundle that is built into the program: its tests ran when it was built.
	SkipTests bool
	Now       func() time.Time
}

// Load builds a snapshot from b, or says everything that is wrong with it, with file and line. It changes nothing
// outside: the caller swaps.
func Load(ctx context.Context, b *Bundle, opt LoadOptions) (*Snapshot, error) {
	compiler, err := opt.Toolchain.compile(b)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Source, err)
	}
	tables, err := readTables(b.Data)
	if err = errors.Join(err, checkShapes(b.Data, controlPackages(compiler)), checkRead(b.Data, compiler)); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Source, b.withLines(b.located(err, tables.patternRows)))
	}
	scanner, err := scannerFor(&tables, opt.Since)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: tables/patterns: %w", b.Source, b.located(err, tables.patternRows))
	}
	if !opt.SkipTests {
		if err := opt.Toolchain.test(ctx, b, opt); err != nil {
			return nil, fmt.Errorf("bundle %s: %w", b.Source, err)
		}
	}
	options := []func(*rego.Rego){
		rego.Compiler(compiler),
		rego.Store(inmem.NewFromObjectWithOpts(b.Data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))),
		rego.StrictBuiltinErrors(true),
		rego.Capabilities(opt.Toolchain.capabilities),
	}
	query, err := rego.New(append(slices.Clip(options), rego.Query(Entrypoint))...).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: prepare %s: %w", b.Source, Entrypoint, err)
	}
	paths := inputPaths(compiler)
	s := &Snapshot{
		Revision: b.Revision(), Name: b.Name, Source: b.Source, LoadedAt: opt.Now(),
		Tables: tables, Scanner: scanner,
		query: query, generation: generations.Add(1),
		readsArgs:     reads(paths, "action", "arguments"),
		modulesByPath: b.Modules, testsByPath: b.Tests,
	}
	s.paths = newProjection(paths)
	s.votePaths = newProjection(pathsOfAll(compiler, func(string) bool { return true }))
	if err := s.prepareApprover(ctx, compiler, slices.Clip(options)...); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Source, err)
	}
	// One decision on an empty input, which must come out as a deny: the entrypoint is there, evaluates, and does not
	// allow what it knows nothing about.
	limited, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	answer, err := s.evaluate(limited, Input{Input: emptyInput()})
	if err != nil {
		return nil, fmt.Errorf("bundle %s: trial decision: %w", b.Source, err)
	}
	if answer.GetEffect() == "allow" {
		return nil, fmt.Errorf("bundle %s: trial decision: an empty input is allowed", b.Source)
	}
	if err := s.tryApprover(limited); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.Source, err)
	}
	return s, nil
}

// scannerFor compiles the patterns, or takes the scanner of the active snapshot where none of them has changed: it is half
// of the work of a reload, and what it has learnt of the texts that come is kept.
func scannerFor(t *Tables, since *Snapshot) (*scan.Scanner, error) {
	if since != nil && reflect.DeepEqual(t.Patterns, since.Tables.Patterns) {
		return since.Scanner, nil
	}
	return scan.Compile(t.Patterns)
}

// reads reports whether any of the paths touches what stands at the given place.
func reads(paths [][]string, place ...string) bool {
	return slices.ContainsFunc(paths, func(p []string) bool { return meets(p, place) })
}

// ErrNoBundle says that there is no active snapshot.
var ErrNoBundle = errors.New("no policy bundle is active")

// Holder has the active snapshot behind one atomic pointer.
type Holder struct {
	active atomic.Pointer[Snapshot]
}

// Active returns the snapshot to pin for one decision.
func (h *Holder) Active() (*Snapshot, error) {
	if s := h.active.Load(); s != nil {
		return s, nil
	}
	return nil, ErrNoBundle
}

// Swap makes s the active snapshot and returns the one before.
func (h *Holder) Swap(s *Snapshot) *Snapshot { return h.active.Swap(s) }
