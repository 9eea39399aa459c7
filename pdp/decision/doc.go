// Package decision is the way of a decision: one pipeline, one direction.
//
// A request is refused, inspected, looked up, reserved for, evaluated, concluded, remembered and logged (see
// stages in judgement.go); each stage adds to one value and hands it on. The package owns that order, the idempotency of requests and the
// records that outcomes settle. It knows no gRPC: pdp/server translates, this package decides. It holds no
// rule either: what is allowed is said by the bundle (pdp/policy), and by the few refusals that no bundle
// can lift: kill switches, hard limits, silent controls and failures of its own.
package decision
