package decision

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
)

// memoryState is what is known about the memory item of an action, or about the file that is memory.
type memoryState struct {
	seal      string // none, invalid, expired, or a memory.State
	sealed    seal.MemoryClaims
	labels    []string // of a valid item
	untrusted bool     // of a valid item, or of the session that writes
	instructs bool     // what is written says what to do in the future
}

// What a seal can be beside the states of the record.
const (
	sealNone    = "none"
	sealInvalid = "invalid"
	sealExpired = "expired"
)

func (j *judgement) owner() memory.Owner {
	return memory.Owner{Tenant: j.req.Principal.Tenant, Agent: j.req.Principal.Agent}
}

func itemOf(a *action.Action) memory.ID { return memory.ID{Layer: a.Memory.Layer, Key: a.Memory.Key} }

// sessionUntrusted says whether the session has seen something that others can write.
func (j *judgement) sessionUntrusted() bool { return memory.Untrusted(j.session.Labels) }

// lookAtMemory finds out what an item, or a file that is memory, is worth.
func (e *Engine) lookAtMemory(ctx context.Context, j *judgement) (err error) {
	a := &j.req.Action
	j.memory = memoryState{seal: sealNone}
	switch {
	case a.Kind == action.KindMemoryRead:
		if j.memory, err = e.checkSeal(ctx, j); err != nil {
			return err
		}
		if j.memory.seal == string(memory.Superseded) {
			e.putBack(j)
		}
	case a.Kind == action.KindMemoryWrite:
		j.memory.untrusted = j.sessionUntrusted()
		j.memory.instructs = j.snapshot.Tables.Memory.Instructs(a.Content)
		return e.roomForItem(ctx, j)
	case j.namesMemoryFile():
		j.memory.untrusted = j.sessionUntrusted()
		for _, t := range a.Texts() {
			if j.memory.instructs = j.snapshot.Tables.Memory.Instructs(t.Value); j.memory.instructs {
				break
			}
		}
	}
	return nil
}

// namesMemoryFile says whether the action names a file that an agent will read again as memory or as orders.
func (j *judgement) namesMemoryFile() bool {
	return slices.ContainsFunc(j.facts, func(f action.Fact) bool {
		return f.Type == action.FactPath && (f.Class == action.ClassMemory || f.Class == action.ClassAgentConfig)
	})
}

// putBack tells operators that an older item has come back: whoever keeps the agent's memory has restored a backup, or
// somebody has changed it.
func (e *Engine) putBack(j *judgement) {
	p := j.req.Principal
	e.Events.Publish(event.Event{
		Type: event.Memory, Tenant: p.Tenant, Message: "an older version of a memory item of agent " + p.Agent + " has come back",
		Attributes: map[string]string{"agent": p.Agent, "session": p.Session, "sequence": fmt.Sprint(j.memory.sealed.Sequence)},
	})
}

// checkSeal opens the seal of a read. It vouches only for the item, tenant, agent and place that it was made for, and only as
// long as the record says that this is the version to read.
func (e *Engine) checkSeal(ctx context.Context, j *judgement) (memoryState, error) {
	a := &j.req.Action
	if a.Memory == nil || a.Memory.Seal == "" {
		return memoryState{seal: sealNone}, nil
	}
	claims, err := e.Keys.OpenMemory(a.Memory.Seal)
	p := j.req.Principal
	switch {
	case err != nil,
		claims.Tenant != p.Tenant, claims.Agent != p.Agent,
		claims.Layer != a.Memory.Layer, claims.Key != a.Memory.Key,
		claims.ContentDigest != contentDigest(a.Content):
		return memoryState{seal: sealInvalid}, nil //nolint:nilerr // a seal that does not open is an answer
	case claims.Expired(j.now):
		return memoryState{seal: sealExpired}, nil
	}
	state, err := e.Memory.Look(ctx, j.owner(), itemOf(a), memory.Sealed{
		Sequence: claims.Sequence, Digest: claims.ContentDigest, Created: claims.Created,
	})
	if err != nil {
		return memoryState{seal: sealInvalid}, fmt.Errorf("look up a memory item: %w", err)
	}
	out := memoryState{seal: string(state), sealed: claims}
	if state == memory.Valid {
		out.labels, out.untrusted = slices.DeleteFunc(slices.Clone(claims.Labels), ofSession), memory.Untrusted(claims.Labels)
	}
	return out, nil
}

// roomForItem denies what would not fit, before anybody is asked about it.
func (e *Engine) roomForItem(ctx context.Context, j *judgement) error {
	a := &j.req.Action
	if a.Memory == nil {
		return nil
	}
	draft := memory.Draft{Bytes: int64(len(a.Content)), Labels: j.itemLabels()}
	err := e.Memory.Room(ctx, j.owner(), itemOf(a), draft, j.snapshot.Tables.Memory.Quota())
	if full, ok := errors.AsType[*memory.QuotaError](err); ok {
		j.memoryFull(full)
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for room in memory: %w", err)
	}
	return nil
}

func (j *judgement) memoryFull(full *memory.QuotaError) {
	j.deny("MEMORY_QUOTA", "engine.memory",
		"The agent's memory holds as many "+full.What+" as it may. Delete what is no longer needed.", "medium")
}

// itemLabels are those of an item that is written now: what the session had seen by then.
func (j *judgement) itemLabels() []string {
	labels := append(slices.Clone(j.session.Labels), j.labels()...)
	labels = slices.DeleteFunc(labels, ofSession)
	slices.Sort(labels)
	return slices.Compact(labels)
}

// sealItem records an allowed write and makes its token, bound to what the session had seen by then. What cannot be sealed is not
// recorded: it would take the place of what can be read.
func (e *Engine) sealItem(ctx context.Context, j *judgement) error {
	a := j.req.Action
	if j.effective != nil { // what is remembered is what the read will bring
		a = *j.effective
	}
	if a.Memory == nil {
		return errors.New("memory write without an item")
	}
	claims := seal.MemoryClaims{
		Tenant: j.req.Principal.Tenant, Agent: j.req.Principal.Agent, Session: j.req.Principal.Session,
		Layer: a.Memory.Layer, Key: a.Memory.Key, ContentDigest: contentDigest(a.Content), Labels: j.itemLabels(),
		Created: j.now, Expires: j.now.Add(time.Duration(j.snapshot.Tables.Memory.TTLSeconds) * time.Second), Sequence: math.MaxUint64,
	}
	if _, err := e.Keys.SealMemory(claims); err != nil {
		return err
	}
	var err error
	claims.Sequence, err = e.Memory.Write(ctx, j.owner(), itemOf(&a), memory.Draft{
		Digest: claims.ContentDigest, Bytes: int64(len(a.Content)), Labels: claims.Labels, At: claims.Created, Expires: claims.Expires,
	}, j.snapshot.Tables.Memory.Quota())
	if err != nil {
		return err
	}
	token, err := e.Keys.SealMemory(claims)
	if err != nil {
		return err
	}
	j.grant = grantOf(&claims)
	j.grant.Seal = token
	return nil
}

// ofSession says whether a label is the session's own affair, which what it remembers does not hand on.
func ofSession(label string) bool {
	return strings.HasPrefix(label, observedPrefix) || strings.HasPrefix(label, labelDelegated)
}

func grantOf(claims *seal.MemoryClaims) *MemoryGrant {
	return &MemoryGrant{
		ExpiresAt: claims.Expires, Labels: claims.Labels, Sequence: claims.Sequence, Untrusted: memory.Untrusted(claims.Labels),
	}
}

// allowMemory does what an allowed action does to the record of memory. It is durable when this returns, or the action is denied.
func (e *Engine) allowMemory(ctx context.Context, j *judgement) {
	var err error
	switch a := &j.req.Action; a.Kind {
	case action.KindMemoryWrite:
		err = e.sealItem(ctx, j)
	case action.KindMemoryDelete:
		if a.Memory != nil {
			_, err = e.Memory.Delete(ctx, j.owner(), itemOf(a), j.now)
		}
	case action.KindMemoryRead:
		if j.memory.seal == string(memory.Valid) {
			j.grant = grantOf(&j.memory.sealed)
		}
	default:
	}
	if err == nil {
		return
	}
	if full, ok := errors.AsType[*memory.QuotaError](err); ok {
		j.memoryFull(full)
		return
	}
	if errors.Is(err, memory.ErrStore) {
		e.stateFailure(j, "memory", err)
		return
	}
	e.Logger.Error("cannot seal a memory item; the write is denied", "decision_id", j.id, "error", err.Error())
	j.deny("SEAL_UNAVAILABLE", "engine.memory", "The memory item could not be sealed, so the write is denied.", "high")
}

// memoryEntry is for the log: which version was read, deleted or written, and what it is worth.
func (j *judgement) memoryEntry() *decisionlog.Memory {
	switch j.req.Action.Kind {
	case action.KindMemoryRead, action.KindMemoryWrite, action.KindMemoryDelete:
	default:
		return nil
	}
	m := &decisionlog.Memory{Seal: j.memory.seal, Sequence: j.memory.sealed.Sequence, Untrusted: j.memory.untrusted}
	if j.grant != nil {
		m.Sequence = j.grant.Sequence
	}
	return m
}
