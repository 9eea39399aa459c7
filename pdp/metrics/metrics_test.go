package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

var _ decision.Observer = (*Metrics)(nil)

// read is what Prometheus would see of Portcullis's own series, one line each. Of a histogram it is the count.
func read(t *testing.T, m *Metrics) []string {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "portcullis_") {
			continue
		}
		for _, one := range family.GetMetric() {
			line := strings.TrimPrefix(family.GetName(), "portcullis_")
			for _, label := range one.GetLabel() {
				line += fmt.Sprintf(" %s=%s", label.GetName(), label.GetValue())
			}
			value := one.GetCounter().GetValue() + one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
			out = append(out, fmt.Sprintf("%s %v", line, value))
		}
	}
	return out
}

func want(t *testing.T, m *Metrics, lines ...string) {
	t.Helper()
	if got := read(t, m); !slices.Equal(got, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func TestDecisionsAreCounted(t *testing.T) {
	m := New()
	m.Decided(decision.Allow, nil, time.Millisecond)
	m.Decided(decision.Deny, []string{"KILL_SWITCH"}, time.Millisecond)
	m.Decided(decision.Deny, []string{"KILL_SWITCH", "TOOL_BLOCKED"}, time.Millisecond)
	m.Anomaly("failed_calls")
	m.BreakerChanged("open")
	want(t, m,
		"anomalies_total threshold=failed_calls 1",
		"breaker_changes_total state=open 1",
		"bundle_load_failed 0",
		"decision_duration_seconds effect=allow 1",
		"decision_duration_seconds effect=deny 2",
		"decisions_total effect=allow 1",
		"decisions_total effect=deny 2",
		"reasons_total code=KILL_SWITCH 2",
		"reasons_total code=TOOL_BLOCKED 1",
	)
	if m.Decisions() != 3 {
		t.Errorf("%d decisions", m.Decisions())
	}
}

// A bundle that is gone leaves no series behind: revisions are without number.
func TestOneBundleIsShown(t *testing.T) {
	m := New()
	m.BundleLoaded("r-1", false)
	m.BundleLoaded("r-2", false)
	want(t, m, "bundle_info revision=r-2 1", "bundle_load_failed 0")
	m.BundleLoaded("r-2", true)
	want(t, m, "bundle_info revision=r-2 1", "bundle_load_failed 1")
	m.BundleLoaded("r-2", false)
	want(t, m, "bundle_info revision=r-2 1", "bundle_load_failed 0")
}

func TestWhatIsReadWhenAsked(t *testing.T) {
	m := New()
	failing := false
	from := sources(ledger.Status{}, LimitStats{})
	from.LogFailing = func() bool { return failing }
	m.Watch(from)
	lines := []string{"approvals_pending 4", "bundle_load_failed 0", "decision_log_dropped_total 2", "decision_log_failing 0", "memo_hits_total 7", "memo_misses_total 3"}
	for range 2 {
		got := read(t, m)
		for _, line := range lines {
			if !slices.Contains(got, line) {
				t.Errorf("no %q in\n%s", line, strings.Join(got, "\n"))
			}
		}
		failing, lines[3] = true, "decision_log_failing 1"
	}
}
