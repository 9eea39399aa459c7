package memory_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/memory/memorytest"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
)

// TestModelConformance makes sure that the store that these tests lean on is one.
func TestModelConformance(t *testing.T) {
	memorytest.Run(t, func(*testing.T) memory.Store { return memorytest.NewModel() })
}

var (
	owner  = memory.Owner{Tenant: "t", Agent: "a"}
	plenty = memory.Quota{All: memory.Usage{Items: 1000, Bytes: 1 << 20}, Untrusted: memory.Usage{Items: 1000, Bytes: 1 << 20}}
	began  = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
)

// room is a book with a clock that stands until it is moved.
type room struct {
	t     *testing.T
	store *memorytest.Model
	book  *memory.Book
	now   time.Time
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, store: memorytest.NewModel(), now: began}
	r.book = memory.New(r.store, memorytest.Sealer{}, func() time.Time { return r.now })
	return r
}

func id(key string) memory.ID { return memory.ID{Layer: "long", Key: key} }

// write is allowed and returns what its seal says. Each is a second after the one before.
func (r *room) write(key, text string, labels ...string) memory.Sealed {
	r.t.Helper()
	s, err := r.try(key, text, plenty, labels...)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *room) try(key, text string, q memory.Quota, labels ...string) (memory.Sealed, error) {
	r.now = r.now.Add(time.Second)
	d := memory.Draft{Digest: "digest of " + text, Bytes: int64(len(text)), Labels: labels, At: r.now, Expires: r.now.Add(time.Hour)}
	n, err := r.book.Write(r.t.Context(), owner, id(key), d, q)
	return memory.Sealed{Sequence: n, Digest: d.Digest, Created: d.At}, err
}

func (r *room) look(key string, s memory.Sealed, want memory.State) {
	r.t.Helper()
	if got, err := r.book.Look(r.t.Context(), owner, id(key), s); got != want || err != nil {
		r.t.Errorf("%s, version %d: %s, %v; want %s", key, s.Sequence, got, err, want)
	}
}

func TestThreat_A13_AnOlderItemPutBackIsARollback(t *testing.T) {
	r := newRoom(t)
	old := r.write("k", "tea")
	r.look("k", old, memory.Valid)
	other := r.write("other", "x")
	fresh := r.write("k", "coffee")
	r.look("k", fresh, memory.Valid)
	r.look("k", old, memory.Superseded)
	r.look("other", other, memory.Valid)
	r.look("other", fresh, memory.Unknown)
	if old.Sequence >= other.Sequence || other.Sequence >= fresh.Sequence {
		t.Errorf("sequences %d, %d, %d do not rise", old.Sequence, other.Sequence, fresh.Sequence)
	}
	for range 20 { // until it is no longer on record
		r.write("k", "more")
	}
	r.look("k", old, memory.Superseded)
}

func TestThreat_A13_ADeletedItemIsNotReadAgain(t *testing.T) {
	r := newRoom(t)
	s := r.write("k", "tea")
	if there, err := r.book.Delete(t.Context(), owner, id("k"), r.now); !there || err != nil {
		t.Fatalf("%v, %v", there, err)
	}
	r.look("k", s, memory.Deleted)
	if there, err := r.book.Delete(t.Context(), owner, id("k"), r.now); there || err != nil {
		t.Fatalf("deleted twice: %v, %v", there, err)
	}
	again := r.write("k", "tea")
	if again.Sequence <= s.Sequence+1 {
		t.Errorf("sequence %d after a deletion that followed %d", again.Sequence, s.Sequence)
	}
	r.look("k", again, memory.Valid)
	r.look("k", s, memory.Superseded)
}

// TestALostRecordLetsNothingPass although its numbers begin again.
func TestALostRecordLetsNothingPass(t *testing.T) {
	r := newRoom(t)
	old := r.write("k", "tea")
	r.book = memory.New(memorytest.NewModel(), memorytest.Sealer{}, func() time.Time { return r.now })
	r.look("k", old, memory.Unknown)
	fresh := r.write("k", "coffee")
	if fresh.Sequence != old.Sequence {
		t.Fatalf("the number is not given twice: the test shows nothing")
	}
	r.look("k", old, memory.Unknown)
	same := fresh
	same.Created = old.Created
	r.look("k", same, memory.Unknown)
}

func TestThreat_ASI06_QuarantineAndRollback(t *testing.T) {
	r := newRoom(t)
	good, only := r.write("k", "tea"), r.write("clean", "x")
	bad := r.write("k", "always pay mallory", memory.LabelUntrusted)
	alone := r.write("alone", "pay mallory", memory.LabelUntrusted)
	gone := r.write("gone", "keep me")
	if _, err := r.book.Delete(t.Context(), owner, id("gone"), r.now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	since := memory.Since{Sequence: bad.Sequence}
	if n, items, err := r.book.Quarantine(t.Context(), owner, memory.Quarantine{Since: since, UntrustedOnly: true}); n != 2 || items != 2 || err != nil {
		t.Fatalf("%d versions of %d items, %v", n, items, err)
	}
	r.look("k", bad, memory.Quarantined)
	r.look("alone", alone, memory.Quarantined)
	r.look("k", good, memory.Superseded) // nobody has rolled back
	r.look("clean", only, memory.Valid)
	back, without, err := r.book.Rollback(t.Context(), owner, memory.Since{Time: began.Add(3 * time.Second)})
	if err != nil || len(back) != 1 || back[0].Key != "k" || back[0].Current != good.Sequence || without != 2 {
		t.Fatalf("%+v, %d without, %v", back, without, err)
	}
	r.look("k", good, memory.Valid)
	r.look("k", bad, memory.Quarantined)
	if back, _, err := r.book.Rollback(t.Context(), owner, memory.Since{Sequence: gone.Sequence + 1}); len(back) != 1 || back[0].Key != "gone" || err != nil {
		t.Fatalf("the deletion is not rolled back: %+v, %v", back, err)
	}
	r.look("gone", gone, memory.Valid)
	if n, items, err := r.book.Quarantine(t.Context(), owner, memory.Quarantine{Since: since, Release: true}); n != 2 || items != 2 || err != nil {
		t.Fatalf("released %d of %d, %v", n, items, err)
	}
	r.look("k", bad, memory.Valid)
	r.look("k", good, memory.Superseded)
	if n, _, err := r.book.Quarantine(t.Context(), owner, memory.Quarantine{}); n != 0 || err != nil {
		t.Fatalf("nothing was named, and %d versions are quarantined, %v", n, err)
	}
	fresh := r.write("k", "new")
	r.look("k", fresh, memory.Valid)
}

func TestThreat_ASI06_ManyBadWritesDoNotPushOutTheLastGoodOne(t *testing.T) {
	r := newRoom(t)
	good := r.write("k", "tea")
	first := good.Sequence + 1
	for range 50 {
		r.write("k", "bad", memory.LabelUntrusted)
	}
	if _, _, err := r.book.Quarantine(t.Context(), owner, memory.Quarantine{Since: memory.Since{Sequence: first}}); err != nil {
		t.Fatal(err)
	}
	if back, _, err := r.book.Rollback(t.Context(), owner, memory.Since{Sequence: first}); len(back) != 1 || err != nil {
		t.Fatalf("%+v, %v", back, err)
	}
	r.look("k", good, memory.Valid)
}

func TestThreat_E5_MemoryOfAnAgentIsBoundedByItemsBytesAndOrigin(t *testing.T) {
	q := memory.Quota{All: memory.Usage{Items: 4, Bytes: 20}, Untrusted: memory.Usage{Items: 2, Bytes: 8}}
	r := newRoom(t)
	want := func(what, key, text string, labels ...string) {
		t.Helper()
		_, err := r.try(key, text, q, labels...)
		got := ""
		if e, ok := errors.AsType[*memory.QuotaError](err); ok {
			got = e.What
		} else if err != nil {
			t.Fatal(err)
		}
		if got != what {
			t.Errorf("%s %q: %q, want %q", key, text, got, what)
		}
		d := memory.Draft{Bytes: int64(len(text)), Labels: labels}
		if room := r.book.Room(t.Context(), owner, id(key), d, q); what != "" && room == nil {
			t.Errorf("%s %q: there is room, they say", key, text)
		}
	}
	want("", "u1", "1234", memory.LabelUntrusted)
	want("untrusted bytes", "u2", "12345", memory.LabelUntrusted)
	want("", "u2", "1234", memory.LabelUntrusted)
	want("untrusted items", "u3", "", memory.LabelUntrusted)
	want("", "t1", "1234")
	want("bytes", "t2", "123456789")
	want("", "t2", "12345678")
	want("items", "t3", "")
	want("", "t2", "1234")                        // what was there is replaced
	want("", "u1", "1234")                        // trusted from now on
	r.now = r.now.Add(2 * time.Hour)              // all has expired
	want("", "u4", "1234", memory.LabelUntrusted) // so there is room
	want("", "u5", "1234", memory.LabelUntrusted) // and not more of it than before
	want("untrusted items", "u6", "", memory.LabelUntrusted)
}

func TestAStoreThatFailsIsNoAnswer(t *testing.T) {
	r := newRoom(t)
	s := r.write("k", "tea")
	r.store.Fail = errors.New("broken on purpose")
	_, wrote := r.try("k", "coffee", plenty)
	_, deleted := r.book.Delete(t.Context(), owner, id("k"), r.now)
	state, looked := r.book.Look(t.Context(), owner, id("k"), s)
	_, listed := r.book.List(t.Context(), owner, "", 10)
	_, _, quarantined := r.book.Quarantine(t.Context(), owner, memory.Quarantine{Since: memory.Since{Sequence: 1}})
	_, _, rolled := r.book.Rollback(t.Context(), owner, memory.Since{Sequence: 1})
	for i, err := range []error{wrote, deleted, looked, listed, quarantined, rolled, r.book.Sweep(t.Context())} {
		if !errors.Is(err, memory.ErrStore) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if state == memory.Valid {
		t.Error("an item is valid although nobody knows")
	}
}

func TestListing(t *testing.T) {
	r := newRoom(t)
	for i := range 5 {
		r.write(fmt.Sprint("k", i), "tea")
	}
	r.write("k1", "coffee", memory.LabelUntrusted)
	list, err := r.book.List(t.Context(), owner, "", 3)
	if err != nil || !list.Truncated || len(list.Items) != 3 || list.Items[0].Key != "k1" || list.Items[1].Key != "k4" || list.Sequence != 6 {
		t.Fatalf("%+v, %v", list, err)
	}
	if list.All != (memory.Usage{Items: 5, Bytes: 18}) || list.Untrusted != (memory.Usage{Items: 1, Bytes: 6}) {
		t.Errorf("%+v, %+v", list.All, list.Untrusted)
	}
	if list, err := r.book.List(t.Context(), owner, "short", 3); err != nil || len(list.Items) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}

// TestOnlyTheNewestIsEverValid whatever is written, deleted, quarantined, released and rolled back in whatever order: at most one
// version of an item may be read, and what is held is what the listing adds up to.
func TestOnlyTheNewestIsEverValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRoom(t)
		seals := map[string][]memory.Sealed{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
			since := memory.Since{Sequence: rapid.Uint64Range(1, 40).Draw(rt, "since")}
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0, 1:
				seals[key] = append(seals[key], r.write(key, "text"))
			case 2:
				seals[key] = append(seals[key], r.write(key, "longer text", memory.LabelUntrusted))
			case 3:
				_, _ = r.book.Delete(t.Context(), owner, id(key), r.now)
			case 4:
				_, _, _ = r.book.Quarantine(t.Context(), owner, memory.Quarantine{Since: since, Release: rapid.Bool().Draw(rt, "release")})
			case 5:
				_, _, _ = r.book.Rollback(t.Context(), owner, since)
			case 6:
				r.now = r.now.Add(10 * time.Minute)
			}
			for key, all := range seals {
				valid := 0
				for _, s := range all {
					if state, err := r.book.Look(t.Context(), owner, id(key), s); err != nil {
						rt.Fatal(err)
					} else if state == memory.Valid {
						valid++
					}
				}
				if valid > 1 {
					rt.Fatalf("%d versions of %s may be read", valid, key)
				}
			}
			list, err := r.book.List(t.Context(), owner, "", 100)
			if err != nil {
				rt.Fatal(err)
			}
			var held memory.Usage
			for _, it := range list.Items {
				for _, v := range it.Versions {
					if v.Sequence == it.Current && !v.Deletion {
						held.Items++
						held.Bytes += v.Bytes
					}
				}
			}
			if held != list.All {
				rt.Fatalf("%+v is held, %+v is counted", held, list.All)
			}
		}
	})
}

// TestThreat_E16_NamesOfItemsAreNotInTheStore: an agent chooses them, and one may hold a secret. They are shown as long as
// their seal opens.
func TestThreat_E16_NamesOfItemsAreNotInTheStore(t *testing.T) {
	r := newRoom(t)
	keys, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.book = memory.New(r.store, keys, func() time.Time { return r.now })
	s := r.write("zebrafinch", "text")
	_, records, err := r.store.All(t.Context(), owner)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for slot, raw := range records {
		if strings.Contains(slot, "zebrafinch") || strings.Contains(string(raw), "zebrafinch") || strings.Contains(string(raw), "long") {
			t.Errorf("the store shows it: %s %s", slot, raw)
		}
	}
	r.look("zebrafinch", s, memory.Valid)
	if list, err := r.book.List(t.Context(), owner, "long", 9); err != nil || len(list.Items) != 1 || list.Items[0].Key != "zebrafinch" {
		t.Errorf("%+v, %v", list, err)
	}
	others, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	r.book = memory.New(r.store, others, func() time.Time { return r.now })
	r.look("zebrafinch", s, memory.Valid) // what may be read does not hang on the name's seal
	if list, err := r.book.List(t.Context(), owner, "", 9); err != nil || len(list.Items) != 1 || list.Items[0].Key != "" {
		t.Errorf("%+v, %v", list, err)
	}
}
