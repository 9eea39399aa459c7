// Package embedded is the durable state engine of a single Portcullis: one bbolt file in the data
// directory, held open by exactly one process.
//
// It obeys the interfaces that pdp/limit, pdp/approval, pdp/decision and pdp/provenance declare, one file
// of this package each. It decides nothing: no limit is checked and no state machine is known here, only
// keys, values and the atomicity of a transaction. cmd/portcullis opens it and hands it on.
package embedded
