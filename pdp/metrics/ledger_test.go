package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// sources are such as a server has, with a ledger in a given state.
func sources(state ledger.Status, limits LimitStats) Sources {
	return Sources{
		MemoStats:  func() (hits, misses uint64) { return 7, 3 },
		LogDropped: func() uint64 { return 2 },
		LogFailing: func() bool { return false },
		Pending:    func() float64 { return 4 },
		Ledger:     func() ledger.Status { return state },
		Limits:     func() LimitStats { return limits },
	}
}

func TestTheLedgerIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		state  ledger.Status
		limits LimitStats
		want   []string
	}{
		"well": {
			ledger.Status{Cells: 5, Reservations: 6, RoundTrips: 7},
			LimitStats{Pending: 1, HotHits: 2, HotMisses: 3, HotDropped: 4, HotEvicted: 5},
			[]string{
				"ledger_amnesia_tenants 0", "ledger_cells 5", "ledger_clock_behind_seconds 0", "ledger_reservations 6",
				"ledger_round_trips_total 7", "ledger_up 1", "limit_cache_drops_total 4", "limit_cache_evictions_total 5",
				"limit_cache_hits_total 2", "limit_cache_misses_total 3", "limit_local_charges_total 0", "limits_local 0", "limits_pending 1",
			},
		},
		"gone, with a share leased before": {
			ledger.Status{Err: errors.New("gone"), Cells: -1, Reservations: -1, ClockBehind: 1_500_000},
			LimitStats{Local: true, LocalCharges: 8},
			[]string{
				"ledger_amnesia_tenants 0", "ledger_clock_behind_seconds 1.5", "ledger_round_trips_total 0", "ledger_up 0",
				"limit_cache_drops_total 0", "limit_cache_evictions_total 0", "limit_cache_hits_total 0", "limit_cache_misses_total 0",
				"limit_local_charges_total 8", "limits_local 1", "limits_pending 0",
			},
		},
		"lost its memory, and a clock that is ahead": {
			ledger.Status{Amnesia: []string{"acme", "other"}, Cells: -1, Reservations: -1, ClockBehind: -9},
			LimitStats{},
			[]string{
				"ledger_amnesia_tenants 2", "ledger_clock_behind_seconds 0", "ledger_round_trips_total 0", "ledger_up 1",
				"limit_cache_drops_total 0", "limit_cache_evictions_total 0", "limit_cache_hits_total 0", "limit_cache_misses_total 0",
				"limit_local_charges_total 0", "limits_local 0", "limits_pending 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New()
			m.Watch(sources(c.state, c.limits))
			got := slices.DeleteFunc(read(t, m), func(line string) bool {
				return !strings.HasPrefix(line, "ledger_") && !strings.HasPrefix(line, "limit")
			})
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestThreat_E5_NamesOfLimitsAreBounded: bundles come and go for years; the series do not grow with them.
func TestThreat_E5_NamesOfLimitsAreBounded(t *testing.T) {
	m := New()
	for i := range 3 * mostLimits {
		m.Limited(fmt.Sprintf("limit_%d", i), decision.LimitCharged)
	}
	m.Limited("limit_0", decision.LimitCharged)
	got := read(t, m)
	if n := len(slices.DeleteFunc(slices.Clone(got), func(line string) bool { return !strings.HasPrefix(line, "limit_checks_total") })); n != mostLimits+1 {
		t.Errorf("%d series", n)
	}
	for _, want := range []string{"limit_checks_total limit=(other) outcome=charged 2048", "limit_checks_total limit=limit_0 outcome=charged 2"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
}

// fakeLedger answers as it is told to.
type fakeLedger struct {
	ledger.Ledger
	err error
}

func (l fakeLedger) Do(context.Context, *ledger.Batch) (*ledger.Receipt, error) { return nil, l.err }

func (l fakeLedger) Reservation(context.Context, string, string) ([]byte, error) {
	return nil, l.err
}

func (l fakeLedger) Cells(context.Context, string, int, func(ledger.Cell) bool) error { return l.err }

func (l fakeLedger) Recover(context.Context, string) (bool, error) { return false, l.err }

func TestCallsToTheLedgerAreTimed(t *testing.T) {
	m := New()
	for _, err := range []error{nil, ledger.ErrUnavailable} {
		l := m.Ledger(fakeLedger{err: err})
		_, e1 := l.Do(t.Context(), nil)
		_, e2 := l.Reservation(t.Context(), "tenant", "id")
		e3 := l.Cells(t.Context(), "tenant", 1, nil)
		_, e4 := l.Recover(t.Context(), "tenant")
		for _, got := range []error{e1, e2, e3, e4} {
			if !errors.Is(got, err) {
				t.Errorf("%v became %v", err, got)
			}
		}
	}
	want(t, m, "bundle_load_failed 0",
		"ledger_call_duration_seconds call=cells result=error 1", "ledger_call_duration_seconds call=cells result=ok 1",
		"ledger_call_duration_seconds call=do result=error 1", "ledger_call_duration_seconds call=do result=ok 1",
		"ledger_call_duration_seconds call=recover result=error 1", "ledger_call_duration_seconds call=recover result=ok 1",
		"ledger_call_duration_seconds call=reservation result=error 1", "ledger_call_duration_seconds call=reservation result=ok 1",
	)
}

// everything is a Metrics that has something to say about all of it.
func everything() *Metrics {
	m := New()
	m.Watch(sources(ledger.Status{}, LimitStats{}))
	m.Decided(decision.Deny, []string{"KILL_SWITCH"}, 1)
	m.Anomaly("failed_calls")
	m.BreakerChanged("open")
	m.BundleLoaded("r-1", false)
	m.Limited("session_cost", decision.LimitCharged)
	m.NotifyTarget("chat")
	_ = m.Ledger(fakeLedger{}).Cells(context.Background(), "", 1, nil)
	return m
}

// TestEveryMetricIsExplained: docs/operations.md has a row for each, and none for what is not there.
func TestEveryMetricIsExplained(t *testing.T) {
	families, err := everything().Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(portcullis_[a-z_]+)").FindAllStringSubmatch(string(raw), -1) {
		explained[row[1]] = true
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "portcullis_") {
			if !explained[name] {
				t.Errorf("%s has no row in docs/operations.md", name)
			}
			delete(explained, name)
		}
		if strings.HasPrefix(f.GetName(), "portcullis_") && !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: help is no sentence: %q", f.GetName(), f.GetHelp())
		}
	}
	for name := range explained {
		if strings.HasPrefix(name, "portcullis_tls_") { // pdp/server's own, which its tests read
			continue
		}
		t.Errorf("%s is explained, and is not there", name)
	}
}

// TestThreat_E5_NoLabelNamesWhoAsks: a label that a request can fill makes series without end.
func TestThreat_E5_NoLabelNamesWhoAsks(t *testing.T) {
	families, err := everything().Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	fixed := []string{"effect", "code", "threshold", "state", "revision", "limit", "outcome", "call", "result", "target"} // targets are configured, 16 at most
	for _, f := range families {
		for _, one := range f.GetMetric() {
			for _, label := range one.GetLabel() {
				if strings.HasPrefix(f.GetName(), "portcullis_") && !slices.Contains(fixed, label.GetName()) {
					t.Errorf("%s has the label %s: say here where its values come from, and why they are few", f.GetName(), label.GetName())
				}
			}
		}
	}
}
