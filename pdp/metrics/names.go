package metrics

import "github.com/prometheus/client_golang/prometheus"

// All names and what they mean, in one place. docs/operations.md says of each when to look and when to page; a test holds
// the two together. The names of RPC metrics are those of go-grpc-middleware.
var (
	decisionsOpts = counter("portcullis_decisions_total", "Decisions by effect.")
	reasonsOpts   = counter("portcullis_reasons_total", "Reasons of decisions other than allow, by code.")
	durationOpts  = prometheus.HistogramOpts{
		Name: "portcullis_decision_duration_seconds", Help: "Time of a decision inside the engine, by effect.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 2, 14),
	}
	anomaliesOpts    = counter("portcullis_anomalies_total", "Crossed anomaly thresholds, by name.")
	breakersOpts     = counter("portcullis_breaker_changes_total", "Changes of circuit breakers, by the state that they came to.")
	bundleOpts       = gauge("portcullis_bundle_info", "The active policy bundle, as a label; always 1.")
	bundleFailedOpts = gauge("portcullis_bundle_load_failed", "1 if the last attempt to load a bundle failed.")
	noticesOpts      = counter("portcullis_notifications_total", "Notifications of approvals by target: sent, retried (a try failed), refused, obsolete, or gap (the target lagged behind the replay window).")
	limitsOpts       = counter("portcullis_limit_checks_total", "What limits said to actions: charged, exceeded (denied), asked (a person has to), passed (a person had), alerted, or unavailable. By the limit's name in the bundle.")
	ledgerCallOpts   = prometheus.HistogramOpts{
		Name: "portcullis_ledger_call_duration_seconds", Help: "Time of a call to the store of limits, by call and whether it failed.",
		Buckets: prometheus.ExponentialBuckets(25e-6, 2, 16),
	}

	memoHitsOpts   = counter("portcullis_memo_hits_total", "Policy answers that were remembered.")
	memoMissesOpts = counter("portcullis_memo_misses_total", "Policy answers that were worked out.")
	logDroppedOpts = counter("portcullis_decision_log_dropped_total", "Lines of the decision log that were lost.")
	logFailingOpts = gauge("portcullis_decision_log_failing", "1 if the decision log cannot be written.")
	pendingOpts    = gauge("portcullis_approvals_pending", "Approvals that wait for a person.")
)

// What is read together when Prometheus asks.
var (
	ledgerUp           = desc("portcullis_ledger_up", "1 if the store of limits can be read and written.")
	ledgerAmnesia      = desc("portcullis_ledger_amnesia_tenants", "Tenants whose limits may count as full because the store lost its memory, until an operator accepts that. At most 100 are counted.")
	ledgerCells        = desc("portcullis_ledger_cells", "Counters in the store of limits. Missing where the store does not know.")
	ledgerReservations = desc("portcullis_ledger_reservations", "Reservations that wait for an outcome. Missing where the store does not know.")
	ledgerRoundTrips   = desc("portcullis_ledger_round_trips_total", "Messages to another process for limits and breakers.")
	ledgerClockBehind  = desc("portcullis_ledger_clock_behind_seconds", "How far this machine's clock is behind the time by which limits are counted; 0 if it is not.")
	limitsLocal        = desc("portcullis_limits_local", "1 while the store of limits does not answer: limits deny, or go on with a share leased before (on_unavailable: local).")
	localCharges       = desc("portcullis_limit_local_charges_total", "Charges of limits that went on without the store, from a share leased before.")
	limitsPending      = desc("portcullis_limits_pending", "Changes of counters that the store has not heard of yet.")
	hotHits            = desc("portcullis_limit_cache_hits_total", "Counters that were found in memory.")
	hotMisses          = desc("portcullis_limit_cache_misses_total", "Counters that had to be asked for.")
	hotDropped         = desc("portcullis_limit_cache_drops_total", "Counters that were not taken into memory, or only too late: they are asked for again.")
	hotEvicted         = desc("portcullis_limit_cache_evictions_total", "Counters that made room for others.")
)

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Name: name, Help: help}
}

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
