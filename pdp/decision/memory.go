package decision

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
)

// memoryState is what is known about the memory item of an action.
type memoryState struct {
	seal   string // none, valid, invalid or expired
	labels []string
}

// checkSeal opens the seal of a read. It vouches only for the item, tenant, agent and place that it was made for.
func (e *Engine) checkSeal(j *judgement) memoryState {
	a := j.req.Action
	if a.Kind != action.KindMemoryRead || a.Memory == nil || a.Memory.Seal == "" {
		return memoryState{seal: "none"}
	}
	claims, err := e.Keys.OpenMemory(a.Memory.Seal)
	p := j.req.Principal
	switch {
	case err != nil,
		claims.Tenant != p.Tenant, claims.Agent != p.Agent,
		claims.Layer != a.Memory.Layer, claims.Key != a.Memory.Key,
		claims.ContentDigest != contentDigest(a.Content):
		return memoryState{seal: "invalid"}
	case claims.Expired(j.now):
		return memoryState{seal: "expired"}
	}
	return memoryState{seal: "valid", labels: slices.DeleteFunc(claims.Labels, ofSession)}
}

// sealItem makes the token for an allowed write, bound to what the session had seen by then.
func (e *Engine) sealItem(j *judgement) error {
	a := j.req.Action
	if j.effective != nil { // what is remembered is what the read will bring
		a = *j.effective
	}
	if a.Memory == nil {
		return errors.New("memory write without an item")
	}
	labels := append(slices.Clone(j.session.Labels), j.labels()...)
	labels = slices.DeleteFunc(labels, ofSession)
	slices.Sort(labels)
	labels = slices.Compact(labels)
	expires := j.now.Add(time.Duration(j.snapshot.Tables.Memory.TTLSeconds) * time.Second)
	token, err := e.Keys.SealMemory(seal.MemoryClaims{
		Tenant: j.req.Principal.Tenant, Agent: j.req.Principal.Agent, Session: j.req.Principal.Session,
		Layer: a.Memory.Layer, Key: a.Memory.Key, ContentDigest: contentDigest(a.Content),
		Labels: labels, Created: j.now, Expires: expires, Sequence: e.sequence(j.now),
	})
	if err != nil {
		return err
	}
	j.grant = &MemoryGrant{Seal: token, ExpiresAt: expires, Labels: labels}
	return nil
}

// ofSession says whether a label is the session's own affair, which what it remembers does not hand on.
func ofSession(label string) bool {
	return strings.HasPrefix(label, observedPrefix) || strings.HasPrefix(label, labelDelegated)
}

// sequence numbers memory writes: always rising, also when the clock does not.
func (e *Engine) sequence(now time.Time) uint64 {
	for {
		last := e.lastSequence.Load()
		next := max(last+1, uint64(now.UnixNano()))
		if e.lastSequence.CompareAndSwap(last, next) {
			return next
		}
	}
}
