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
	total        atomic.Int64
}

// Sources are read when Prometheus asks.
type Sources struct {
	MemoStats  func() (hits, misses uint64)
	LogDropped func() uint64
	LogFailing func() bool
	Pending    func() float64
}

// New makes and registers everything.
func New() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_decisions_total", Help: "Decisions by effect.",
		}, []string{"effect"}),
		reasons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_reasons_total", Help: "Reasons of decisions other than allow, by code.",
		}, []string{"code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "portcullis_decision_duration_seconds", Help: "Time of a decision inside the engine, by effect.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 14),
		}, []string{"effect"}),
		anomalies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_anomalies_total", Help: "Crossed anomaly thresholds, by name.",
		}, []string{"threshold"}),
		breakers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portcullis_breaker_changes_total", Help: "Changes of circuit breakers, by the state that they came to.",
		}, []string{"state"}),
		bundle: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "portcullis_bundle_info", Help: "The active policy bundle, as a label; always 1.",
		}, []string{"revision"}),
		bundleFailed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portcullis_bundle_load_failed", Help: "1 if the last attempt to load a bundle failed.",
		}),
	}
	m.Registry.MustRegister(m.decisions, m.reasons, m.duration, m.anomalies, m.breakers, m.bundle, m.bundleFailed,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch registers values that are read when Prometheus asks.
func (m *Metrics) Watch(s Sources) {
	counter := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read)
	}
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	m.Registry.MustRegister(
		counter("portcullis_memo_hits_total", "Policy answers that were remembered.", func() float64 { h, _ := s.MemoStats(); return float64(h) }),
		counter("portcullis_memo_misses_total", "Policy answers that were worked out.", func() float64 { _, miss := s.MemoStats(); return float64(miss) }),
		counter("portcullis_decision_log_dropped_total", "Lines of the decision log that were lost.", func() float64 { return float64(s.LogDropped()) }),
		gauge("portcullis_decision_log_failing", "1 if the decision log cannot be written.", func() float64 {
			if s.LogFailing() {
				return 1
			}
			return 0
		}),
		gauge("portcullis_approvals_pending", "Approvals that wait for a person.", s.Pending),
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

// BundleLoaded shows which bundle is active and whether the last load failed.
func (m *Metrics) BundleLoaded(revision string, failed bool) {
	m.bundle.Reset()
	m.bundle.WithLabelValues(revision).Set(1)
	m.bundleFailed.Set(0)
	if failed {
		m.bundleFailed.Set(1)
	}
}
