// Package metrics is what Prometheus sees of Portcullis. Labels come from fixed sets (effects, reason codes of the
// engine and the bundle, names of limits), never from a request, so that nobody can make series.
//
// cmd/portcullis makes one and hands it to the rooms that declare what they count.
package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/notify"
)

// Metrics counts. It is safe for concurrent use.
type Metrics struct {
	Registry *prometheus.Registry

	decisions    *prometheus.CounterVec
	reasons      *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	anomalies    *prometheus.CounterVec
	breakers     *prometheus.CounterVec
	bundle       *prometheus.GaugeVec
	bundleFailed prometheus.Gauge
	limits       *prometheus.CounterVec
	notices      *prometheus.CounterVec
	limitNames   bounded
	ledgerCalls  *prometheus.HistogramVec
	total        atomic.Int64
}

// Sources are read when Prometheus asks. All are needed.
type Sources struct {
	MemoStats  func() (hits, misses uint64)
	LogDropped func() uint64
	LogFailing func() bool
	Pending    func() float64
	Ledger     func() ledger.Status
	Limits     func() LimitStats
}

// New makes and registers everything.
func New() *Metrics {
	m := &Metrics{
		Registry:     prometheus.NewRegistry(),
		decisions:    prometheus.NewCounterVec(decisionsOpts, []string{"effect"}),
		reasons:      prometheus.NewCounterVec(reasonsOpts, []string{"code"}),
		duration:     prometheus.NewHistogramVec(durationOpts, []string{"effect"}),
		anomalies:    prometheus.NewCounterVec(anomaliesOpts, []string{"threshold"}),
		breakers:     prometheus.NewCounterVec(breakersOpts, []string{"state"}),
		bundle:       prometheus.NewGaugeVec(bundleOpts, []string{"revision"}),
		bundleFailed: prometheus.NewGauge(bundleFailedOpts),
		limits:       prometheus.NewCounterVec(limitsOpts, []string{"limit", "outcome"}),
		notices:      prometheus.NewCounterVec(noticesOpts, []string{"target", "outcome"}),
		limitNames:   bounded{seen: map[string]bool{}, most: mostLimits},
		ledgerCalls:  prometheus.NewHistogramVec(ledgerCallOpts, []string{"call", "result"}),
	}
	m.Registry.MustRegister(m.decisions, m.reasons, m.duration, m.anomalies, m.breakers, m.bundle, m.bundleFailed, m.limits, m.notices, m.ledgerCalls,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch registers values that are read when Prometheus asks.
func (m *Metrics) Watch(s Sources) {
	m.Registry.MustRegister(
		prometheus.NewCounterFunc(memoHitsOpts, func() float64 { h, _ := s.MemoStats(); return float64(h) }),
		prometheus.NewCounterFunc(memoMissesOpts, func() float64 { _, miss := s.MemoStats(); return float64(miss) }),
		prometheus.NewCounterFunc(logDroppedOpts, func() float64 { return float64(s.LogDropped()) }),
		prometheus.NewGaugeFunc(logFailingOpts, func() float64 { return flag(s.LogFailing()) }),
		prometheus.NewGaugeFunc(pendingOpts, s.Pending),
		ledgerState{s.Ledger, s.Limits},
	)
}

// Decided counts one decision.
func (m *Metrics) Decided(effect decision.Effect, codes []string, took time.Duration) {
	m.total.Add(1)
	m.decisions.WithLabelValues(string(effect)).Inc()
	m.duration.WithLabelValues(string(effect)).Observe(took.Seconds())
	for _, c := range codes {
		m.reasons.WithLabelValues(c).Inc()
	}
}

// Decisions is how many were counted since the start.
func (m *Metrics) Decisions() int64 { return m.total.Load() }

// Anomaly counts one crossed threshold.
func (m *Metrics) Anomaly(name string) { m.anomalies.WithLabelValues(name).Inc() }

// BreakerChanged counts one change of a breaker.
func (m *Metrics) BreakerChanged(state string) { m.breakers.WithLabelValues(state).Inc() }

// Notified counts what became of a notification. Targets are those of the configuration.
func (m *Metrics) Notified(target string, outcome notify.Outcome) {
	m.notices.WithLabelValues(target, string(outcome)).Inc()
}

// NotifyTarget shows a target before anything was told.
func (m *Metrics) NotifyTarget(name string) {
	for _, o := range notify.Outcomes {
		m.notices.WithLabelValues(name, string(o))
	}
}

// BundleLoaded shows which bundle is active and whether the last load failed.
func (m *Metrics) BundleLoaded(revision string, failed bool) {
	m.bundle.Reset()
	m.bundle.WithLabelValues(revision).Set(1)
	m.bundleFailed.Set(0)
	if failed {
		m.bundleFailed.Set(1)
	}
}
