package main

import (
	"context"
	"fmt"

	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// ListMemory lists what is on record of an agent's memory.
func (o office) ListMemory(ctx context.Context, of memory.Owner, layer string, atMost int) (memory.Listing, error) {
	return o.memory.List(ctx, of, layer, atMost)
}

// QuarantineMemory puts versions into quarantine, or lets them go.
func (o office) QuarantineMemory(ctx context.Context, caller identity.Caller, of memory.Owner, q memory.Quarantine, reason string) (versions, items int, err error) {
	versions, items, err = o.memory.Quarantine(ctx, of, q)
	act, word := "memory_quarantined", "put into quarantine"
	if q.Release {
		act, word = "memory_released", "let go from quarantine"
	}
	o.actedOnMemory(caller, act, word, of, versions, reason, err)
	return versions, items, err
}

// RollbackMemory makes the last good version of items current again.
func (o office) RollbackMemory(ctx context.Context, caller identity.Caller, of memory.Owner, since memory.Since, reason string) ([]memory.Item, int, error) {
	back, without, err := o.memory.Rollback(ctx, of, since)
	o.actedOnMemory(caller, "memory_rolled_back", "rolled back", of, len(back), reason, err)
	return back, without, err
}

func (o office) actedOnMemory(caller identity.Caller, act, word string, of memory.Owner, n int, reason string, err error) {
	o.acted(caller, act, decisionlog.Target{Tenant: of.Tenant, Agent: of.Agent}, reason, int64(n), err)
	if err != nil || n == 0 {
		return
	}
	o.events.Publish(event.Event{
		Type: event.Memory, Tenant: of.Tenant, Message: fmt.Sprintf("%s has %s %d memory items of agent %s", caller.Subject, word, n, of.Agent),
		Attributes: map[string]string{"agent": of.Agent, "act": act, "affected": fmt.Sprint(n)},
	})
}
