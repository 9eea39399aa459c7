package decision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// record is what is kept of a decision for what comes after it: the outcome, and the result of the tool. It holds no
// argument value.
type record struct {
	Subject limit.Subject  `json:"subject"`
	Kind    action.Kind    `json:"kind"`
	Tool    string         `json:"tool,omitempty"`
	Server  string         `json:"server,omitempty"`
	Digest  string         `json:"digest"`
	Effect  Effect         `json:"effect"`
	At      time.Time      `json:"at"`
	Usage   action.Usage   `json:"estimate"`
	Floor   action.Usage   `json:"floor"` // see bill
	Outcome *recordOutcome `json:"outcome,omitempty"`
	// Reservation is the id under which limits were charged: the decision's own, or that of an earlier allow to the
	// same request id, so that two reports settle it once.
	Reservation string `json:"reservation"`
}

// recordOutcome is what was reported, once.
type recordOutcome struct {
	Status  OutcomeStatus `json:"status"`
	Charged action.Usage  `json:"charged"`
}

var errNoRecord = errors.New("no such decision")

func (e *Engine) loadRecord(id string) (*record, error) {
	raw, err := e.Records.Get(id)
	if err != nil {
		return nil, fmt.Errorf("read decision record: %w", err)
	}
	if raw == nil {
		return nil, errNoRecord
	}
	r := &record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("decode decision record: %w", err)
	}
	if e.Now().Sub(r.At) >= e.cfg.SettleFor {
		return nil, errNoRecord
	}
	return r, nil
}

func (e *Engine) saveRecord(id string, r *record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode decision record: %w", err)
	}
	if err := e.Records.Put(id, raw); err != nil {
		return fmt.Errorf("write decision record: %w", err)
	}
	return nil
}

// sweepBatch is how many old records one Sweep removes at most.
const sweepBatch = 50_000

// Sweep forgets decisions whose outcome can no longer be reported. Call it now and then.
func (e *Engine) Sweep() error {
	now := e.Now()
	_, err := e.Records.Sweep(sweepBatch, func(_ string, value []byte) bool {
		r := &record{}
		return json.Unmarshal(value, r) == nil && now.Sub(r.At) >= e.cfg.SettleFor
	})
	if err != nil {
		return fmt.Errorf("sweep decision records: %w", err)
	}
	e.replay.sweep()
	e.Outflow.Sweep()
	ctx, cancel := timely(context.Background())
	defer cancel()
	return errors.Join(e.Sessions.Sweep(), e.Memory.Sweep(ctx))
}
