package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Names of limits come from bundles, which change: mostLimits bounds how many a process shows, otherLimits stands for the
// rest. A bundle has at most 256.
const (
	mostLimits  = 1024
	otherLimits = "(other)"
)

// bounded is a set of label values that stops growing.
type bounded struct {
	mu   sync.RWMutex
	seen map[string]bool
	most int
}

func (b *bounded) label(name string) string {
	b.mu.RLock()
	known := b.seen[name]
	b.mu.RUnlock()
	if known {
		return name
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.seen[name] && len(b.seen) >= b.most {
		return otherLimits
	}
	b.seen[name] = true
	return name
}

// Limited counts what a limit of the bundle said to one action.
func (m *Metrics) Limited(name string, said decision.LimitOutcome) {
	m.limits.WithLabelValues(m.limitNames.label(name), string(said)).Inc()
}

// LimitStats is what the engine of limits knows about itself.
type LimitStats struct {
	Local                                      bool // the store does not answer: limits deny, or go on by themselves
	LocalCharges                               uint64
	Pending                                    int64
	HotHits, HotMisses, HotDropped, HotEvicted uint64
}

// ledgerState collects what the store and the engine of limits say, once a scrape.
type ledgerState struct {
	ledger func() ledger.Status
	limits func() LimitStats
}

// Describe is empty of labels: nothing here can grow.
func (s ledgerState) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		ledgerUp, ledgerAmnesia, ledgerCells, ledgerReservations, ledgerRoundTrips, ledgerClockBehind,
		limitsLocal, localCharges, limitsPending, hotHits, hotMisses, hotDropped, hotEvicted,
	} {
		to <- d
	}
}

// Collect reads both, neither of which blocks.
func (s ledgerState) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	l, e := s.ledger(), s.limits()
	gauge(ledgerUp, flag(l.Err == nil))
	gauge(ledgerAmnesia, float64(len(l.Amnesia)))
	if l.Cells >= 0 {
		gauge(ledgerCells, float64(l.Cells))
	}
	if l.Reservations >= 0 {
		gauge(ledgerReservations, float64(l.Reservations))
	}
	counter(ledgerRoundTrips, l.RoundTrips)
	gauge(ledgerClockBehind, float64(max(l.ClockBehind, 0))/1e6)
	gauge(limitsLocal, flag(e.Local))
	counter(localCharges, e.LocalCharges)
	gauge(limitsPending, float64(e.Pending))
	counter(hotHits, e.HotHits)
	counter(hotMisses, e.HotMisses)
	counter(hotDropped, e.HotDropped)
	counter(hotEvicted, e.HotEvicted)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// timed is a ledger whose calls are measured.
type timed struct {
	ledger.Ledger
	took *prometheus.HistogramVec
}

// Ledger measures how long calls to a ledger take. Looking at its time and its status is not a call.
func (m *Metrics) Ledger(l ledger.Ledger) ledger.Ledger { return timed{l, m.ledgerCalls} }

func (t timed) since(call string, began time.Time, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	t.took.WithLabelValues(call, result).Observe(time.Since(began).Seconds())
}

func (t timed) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	began := time.Now()
	r, err := t.Ledger.Do(ctx, b)
	t.since("do", began, err)
	return r, err
}

func (t timed) Reservation(ctx context.Context, tenant, id string) ([]byte, error) {
	began := time.Now()
	r, err := t.Ledger.Reservation(ctx, tenant, id)
	t.since("reservation", began, err)
	return r, err
}

func (t timed) Cells(ctx context.Context, tenant string, most int, visit func(ledger.Cell) bool) error {
	began := time.Now()
	err := t.Ledger.Cells(ctx, tenant, most, visit)
	t.since("cells", began, err)
	return err
}

func (t timed) Recover(ctx context.Context, tenant string) (bool, error) {
	began := time.Now()
	done, err := t.Ledger.Recover(ctx, tenant)
	t.since("recover", began, err)
	return done, err
}
