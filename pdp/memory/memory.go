package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LabelUntrusted is on a session that has seen something that others can write, and so on every item that it writes.
const LabelUntrusted = "seen:untrusted"

// Untrusted says whether labels have LabelUntrusted among them.
func Untrusted(labels []string) bool { return slices.Contains(labels, LabelUntrusted) }

// Owner is whose memory it is.
type Owner struct{ Tenant, Agent string }

// ID names an item of an owner.
type ID struct {
	Layer string `json:"layer"`
	Key   string `json:"key"`
}

// name tells two items of an owner apart, and shows neither what they are called nor, as keys rotate, under which key: an
// agent chooses the names of what it remembers, and one may hold what must not lie about.
func (id ID) name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "memory item %d:%s%s", len(id.Layer), id.Layer, id.Key))
	return hex.EncodeToString(sum[:])
}

// Version is one change of an item.
type Version struct {
	Sequence    uint64    `json:"sequence"` // rises over all changes of an owner, so over those of an item too
	At          time.Time `json:"at"`
	Expires     time.Time `json:"expires"`
	Digest      string    `json:"digest,omitempty"` // SHA-256 of the text, in hexadecimal
	Bytes       int64     `json:"bytes,omitempty"`
	Labels      []string  `json:"labels,omitempty"` // sorted
	Deletion    bool      `json:"deletion,omitempty"`
	Quarantined bool      `json:"quarantined,omitempty"`
}

// Untrusted says whether the session that wrote it had seen something that others can write.
func (v *Version) Untrusted() bool { return Untrusted(v.Labels) }

func (v *Version) expired(now time.Time) bool { return !now.Before(v.Expires) }

// Item is what is on record of one item. It is stored with its id sealed; where that cannot be opened any more, because its key
// is gone, ID is empty.
type Item struct {
	ID       `json:"-"`
	Sealed   []byte    `json:"id"`
	slot     string    // where the store has it
	Current  uint64    `json:"current"` // sequence of the version that may be read, unless it is a deletion or quarantined
	Versions []Version `json:"versions"`
}

// maxVersions is how many changes of an item are kept.
const maxVersions = 8

func (it *Item) version(sequence uint64) *Version {
	for i := range it.Versions {
		if it.Versions[i].Sequence == sequence {
			return &it.Versions[i]
		}
	}
	return nil
}

// held is what counts towards the quota: nil for an item that is deleted.
func (it *Item) held() *Version {
	if v := it.version(it.Current); v != nil && !v.Deletion {
		return v
	}
	return nil
}

// add makes a version the current one. Of those that are too many the oldest goes; the last one that is good and trusted stays,
// so that who writes often enough cannot push out what an operator would roll back to.
func (it *Item) add(v Version) {
	it.Versions = append(it.Versions, v)
	it.Current = v.Sequence
	if len(it.Versions) <= maxVersions {
		return
	}
	keep := -1
	for i := range it.Versions {
		if old := &it.Versions[i]; !old.Deletion && !old.Quarantined && !old.Untrusted() {
			keep = i
		}
	}
	drop := 0
	if keep == 0 {
		drop = 1
	}
	it.Versions = slices.Delete(it.Versions, drop, drop+1)
}

// dead says that nothing of the item can be read again, not even after a rollback.
func (it *Item) dead(now time.Time) bool {
	return !slices.ContainsFunc(it.Versions, func(v Version) bool { return !v.expired(now) })
}

// Usage is how much is held.
type Usage struct {
	Items int64 `json:"items"`
	Bytes int64 `json:"bytes"`
}

func (u *Usage) add(items, bytes int64) {
	u.Items += items
	u.Bytes += bytes
}

// Quota is how much an owner may hold: altogether, and of that from sessions that had seen something untrusted.
type Quota struct{ All, Untrusted Usage }

// head is what is kept of an owner as a whole. It changes with every change, so that comparing it is comparing all.
type head struct {
	Revision  uint64    `json:"revision"`
	Sequence  uint64    `json:"sequence"`
	Records   int64     `json:"records"` // items on record, deleted ones too
	All       Usage     `json:"all"`
	Untrusted Usage     `json:"untrusted"`
	Expires   time.Time `json:"expires"` // of the item that is the first to expire, or earlier; zero: none is known
	Ends      time.Time `json:"ends"`    // when everything will have expired
}

// count adds an item to what is held, or takes it away with sign -1.
func (h *head) count(it *Item, sign int64) {
	v := it.held()
	if v == nil {
		return
	}
	h.All.add(sign, sign*v.Bytes)
	if v.Untrusted() {
		h.Untrusted.add(sign, sign*v.Bytes)
	}
	if sign > 0 && (h.Expires.IsZero() || v.Expires.Before(h.Expires)) {
		h.Expires = v.Expires
	}
	if sign > 0 && v.Expires.After(h.Ends) {
		h.Ends = v.Expires
	}
}

// QuotaError says what an owner would hold too much of.
type QuotaError struct {
	What string // `items`, `bytes`, `untrusted items` or `untrusted bytes`
	Max  int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("the agent's memory holds as many %s as it may: %d", e.What, e.Max)
}

// check refuses what grows past the quota. What is past it already, because the table has changed, may shrink.
func (q Quota) check(before, after *head) error {
	for _, row := range []struct {
		what            string
		is, was, atMost int64
	}{
		{"untrusted items", after.Untrusted.Items, before.Untrusted.Items, q.Untrusted.Items},
		{"untrusted bytes", after.Untrusted.Bytes, before.Untrusted.Bytes, q.Untrusted.Bytes},
		{"items", after.All.Items, before.All.Items, q.All.Items},
		{"bytes", after.All.Bytes, before.All.Bytes, q.All.Bytes},
	} {
		if row.is > row.atMost && row.is > row.was {
			return &QuotaError{What: row.what, Max: row.atMost}
		}
	}
	return nil
}

// Since chooses versions: from a sequence on, or from a time on.
type Since struct {
	Sequence uint64
	Time     time.Time
}

func (s Since) covers(v *Version) bool {
	if s.Sequence > 0 {
		return v.Sequence >= s.Sequence
	}
	return !s.Time.IsZero() && !v.At.Before(s.Time)
}

func encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a memory record: %w", err)
	}
	return raw, nil
}

func decode[T any](raw []byte) (T, error) {
	var out T
	if raw == nil {
		return out, nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields() // what a newer version wrote must not be half understood
	if err := d.Decode(&out); err != nil {
		return out, fmt.Errorf("%w: decode a record: %w", ErrStore, err)
	}
	return out, nil
}

// Sealer hides the ids of items from whoever reads the store. pdp/seal does it.
type Sealer interface {
	Encrypt(purpose string, associatedData, plaintext []byte) ([]byte, error)
	Decrypt(purpose string, associatedData, blob []byte) ([]byte, error)
}

// idPurpose is what ids are sealed for.
const idPurpose = "memory-id"

func (of Owner) bound() []byte {
	return fmt.Appendf(nil, "%d:%s%s", len(of.Tenant), of.Tenant, of.Agent)
}

// open reads an item.
func (b *Book) open(of Owner, slot string, raw []byte) (Item, error) {
	it, err := decode[Item](raw)
	if err != nil || it.Sealed == nil {
		return it, err
	}
	it.slot = slot
	if plain, err := b.sealer.Decrypt(idPurpose, of.bound(), it.Sealed); err == nil {
		if it.ID, err = decode[ID](plain); err != nil {
			return it, err
		}
	}
	return it, nil
}

// seal writes an item down.
func (b *Book) seal(of Owner, it *Item) ([]byte, error) {
	if it.Sealed == nil {
		plain, err := encode(it.ID)
		if err != nil {
			return nil, err
		}
		if it.Sealed, err = b.sealer.Encrypt(idPurpose, of.bound(), plain); err != nil {
			return nil, fmt.Errorf("%w: seal an id: %w", ErrStore, err)
		}
	}
	return encode(it)
}
