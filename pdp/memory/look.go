package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// State is what is known of an item that somebody wants to read.
type State string

// The states.
const (
	Valid       State = "valid"
	Superseded  State = "superseded"  // there is a newer version: somebody has put an older one back
	Deleted     State = "deleted"     // it was deleted since
	Quarantined State = "quarantined" // an operator has put it into quarantine
	Unknown     State = "unknown"     // there is no record of it
)

// Sealed is what a seal says of the version that it was made for.
type Sealed struct {
	Sequence uint64
	Digest   string
	Created  time.Time
}

// Look says whether the version that a seal was made for is the one that may be read.
func (b *Book) Look(ctx context.Context, of Owner, id ID, s Sealed) (State, error) {
	_, raw, err := b.store.Get(ctx, of, id.name())
	if err != nil {
		return Unknown, fmt.Errorf("%w: %w", ErrStore, err)
	}
	it, err := b.open(of, id.name(), raw)
	if err != nil {
		return Unknown, err
	}
	return it.look(s), nil
}

func (it *Item) look(s Sealed) State {
	if len(it.Versions) == 0 {
		return Unknown
	}
	v := it.version(s.Sequence)
	switch {
	case v == nil && s.Sequence < it.Current:
		return Superseded // so old that it is no longer on record
	// A record that began again after a loss may give a number a second time. The digest and the time tell.
	case v == nil, v.Deletion, v.Digest != s.Digest, !v.At.Equal(s.Created):
		return Unknown
	case v.Quarantined:
		return Quarantined
	case s.Sequence == it.Current:
		return Valid
	}
	if now := it.version(it.Current); now != nil && now.Deletion {
		return Deleted
	}
	return Superseded
}

// Listing is what is on record of an owner.
type Listing struct {
	Items          []Item // the one that was changed last first
	Truncated      bool
	Sequence       uint64
	All, Untrusted Usage
}

// List returns at most so many items of an owner; a layer narrows it.
func (b *Book) List(ctx context.Context, of Owner, layer string, atMost int) (Listing, error) {
	rawHead, records, err := b.store.All(ctx, of)
	if err != nil {
		return Listing{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	h, err := decode[head](rawHead)
	if err != nil {
		return Listing{}, err
	}
	out := Listing{Sequence: h.Sequence, All: h.All, Untrusted: h.Untrusted}
	for slot, raw := range records {
		it, err := b.open(of, slot, raw)
		if err != nil {
			return Listing{}, err
		}
		if layer == "" || it.Layer == layer {
			out.Items = append(out.Items, it)
		}
	}
	sortItems(out.Items)
	if len(out.Items) > atMost {
		out.Items, out.Truncated = out.Items[:atMost], true
	}
	return out, nil
}

// sortItems puts the one that was changed last first.
func sortItems(items []Item) {
	last := func(it Item) uint64 { return it.Versions[len(it.Versions)-1].Sequence }
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(last(b), last(a)) })
}

// Quarantine is what to put into quarantine, or to let go.
type Quarantine struct {
	Since         Since
	UntrustedOnly bool
	Release       bool
}

// Quarantine puts versions into quarantine: reads of them are denied from then on. Released, the newest good version of an item is
// current. It returns how many versions of how many items have changed.
func (b *Book) Quarantine(ctx context.Context, of Owner, q Quarantine) (versions, items int, err error) {
	mu := b.lock(of)
	mu.Lock()
	defer mu.Unlock()
	touched := map[string]int{}
	changed, err := b.changeAll(ctx, of, func(it *Item) change {
		n := 0
		for i := range it.Versions {
			v := &it.Versions[i]
			if v.Deletion || v.Quarantined != q.Release || !q.Since.covers(v) || q.UntrustedOnly && !v.Untrusted() {
				continue
			}
			v.Quarantined = !q.Release
			n++
		}
		touched[it.slot] = n // a second try counts anew
		if n == 0 {
			return leave
		}
		if q.Release {
			it.Current = it.Versions[len(it.Versions)-1].Sequence
		}
		return store
	})
	if err != nil {
		return 0, 0, err
	}
	for _, it := range changed {
		versions += touched[it.slot]
	}
	return versions, len(changed), nil
}

// Rollback makes the last good version of each item current again whose current one is of since or later, and quarantined or a
// deletion. Good is what is older, not quarantined and not expired. withoutGood items have none: they stay as they are.
func (b *Book) Rollback(ctx context.Context, of Owner, since Since) (back []Item, withoutGood int, err error) {
	mu := b.lock(of)
	mu.Lock()
	defer mu.Unlock()
	now := b.now()
	without := map[string]bool{}
	back, err = b.changeAll(ctx, of, func(it *Item) change {
		delete(without, it.slot) // a second try counts anew
		current := it.version(it.Current)
		if current == nil || !since.covers(current) || !current.Deletion && !current.Quarantined {
			return leave
		}
		for _, v := range slices.Backward(it.Versions) {
			if !since.covers(&v) && !v.Deletion && !v.Quarantined && !v.expired(now) {
				it.Current = v.Sequence
				return store
			}
		}
		without[it.slot] = true
		return leave
	})
	if err != nil {
		return nil, 0, err
	}
	sortItems(back)
	return back, len(without), nil
}
