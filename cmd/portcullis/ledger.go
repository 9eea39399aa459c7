package main

import (
	"context"
	"slices"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// lookAtLedger is how often operators hear of what has become of the store of limits.
const lookAtLedger = time.Second

// followLedger tells operators, in events and in the log, when the store of limits goes, comes back, or loses its memory.
func (p *program) followLedger(ctx context.Context) {
	tick := time.NewTicker(lookAtLedger)
	defer tick.Stop()
	var before ledger.Status
	for {
		now := p.ledgerReport().Status
		for _, e := range ledgerEvents(before, now) {
			p.log.Warn("store of limits", "state", e.Attributes["state"], "tenant", e.Tenant, "message", e.Message)
			p.events.Publish(e)
		}
		before = now
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ledgerEvents are what changed between two looks. That an operator ended an amnesia is told where it was done.
func ledgerEvents(before, now ledger.Status) (out []event.Event) {
	tell := func(tenant, state, message string) {
		out = append(out, event.Event{Type: event.Ledger, Tenant: tenant, Message: message, Attributes: map[string]string{"state": state}})
	}
	switch {
	case before.Err == nil && now.Err != nil:
		tell("", "unreachable", "the store of limits cannot be used: limits deny, or go on with a share leased before: "+now.Err.Error())
	case before.Err != nil && now.Err == nil:
		tell("", "reachable", "the store of limits can be used again")
	}
	for _, tenant := range now.Amnesia {
		if !slices.Contains(before.Amnesia, tenant) {
			tell(tenant, "amnesia", "the store of limits has lost what this tenant spent: limits count as full until that has ended, or `portcullis limits recover`")
		}
	}
	return out
}
