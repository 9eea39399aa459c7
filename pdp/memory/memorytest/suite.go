package memorytest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// Run runs the contract of memory.Store. open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) memory.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, memory.Store){
		"empty": testEmpty, "compare and set": testSwap, "owners": testOwners, "concurrent": testConcurrent, "sweep": testSweep,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var soon = time.Now().Add(time.Hour)

type records = map[string][]byte

func testEmpty(t *testing.T, s memory.Store) {
	t.Helper()
	of := memory.Owner{Tenant: "t", Agent: "a"}
	if head, record, err := s.Get(t.Context(), of, "x"); head != nil || record != nil || err != nil {
		t.Errorf("get: %q, %q, %v", head, record, err)
	}
	if head, all, err := s.All(t.Context(), of); head != nil || len(all) > 0 || err != nil {
		t.Errorf("all: %q, %v, %v", head, all, err)
	}
}

func swap(t *testing.T, s memory.Store, of memory.Owner, old, head []byte, put records) bool {
	t.Helper()
	swapped, err := s.Swap(t.Context(), of, old, head, put, soon)
	if err != nil {
		t.Fatal(err)
	}
	return swapped
}

func want(t *testing.T, s memory.Store, of memory.Owner, head string, put map[string]string) {
	t.Helper()
	got, all, err := s.All(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for name, record := range all {
		text[name] = string(record)
		if h, one, err := s.Get(t.Context(), of, name); string(h) != head || string(one) != string(record) || err != nil {
			t.Errorf("get %q: %q, %q, %v", name, h, one, err)
		}
	}
	if string(got) != head || !maps.Equal(text, put) {
		t.Errorf("there is %q, %q; want %q, %q", got, text, head, put)
	}
}

func testSwap(t *testing.T, s memory.Store) {
	t.Helper()
	of := memory.Owner{Tenant: "t", Agent: "a"}
	if swap(t, s, of, []byte("1"), []byte("2"), records{"x": []byte("X")}) {
		t.Error("swapped a head that was not there")
	}
	if !swap(t, s, of, nil, []byte("1"), records{"x": []byte("X"), "y": []byte("Y")}) {
		t.Fatal("the first was not swapped")
	}
	want(t, s, of, "1", map[string]string{"x": "X", "y": "Y"})
	for _, old := range [][]byte{nil, {}, []byte("0"), []byte("11"), []byte("2")} {
		if swap(t, s, of, old, []byte("2"), records{"x": []byte("Z")}) {
			t.Errorf("swapped although the head was not %q", old)
		}
	}
	want(t, s, of, "1", map[string]string{"x": "X", "y": "Y"})
	if !swap(t, s, of, []byte("1"), []byte("2"), records{"x": nil, "z": []byte("Z"), "never there": nil}) {
		t.Fatal("not swapped")
	}
	want(t, s, of, "2", map[string]string{"y": "Y", "z": "Z"})
}

// testOwners that must not be mixed up, and names of items that are hostile.
func testOwners(t *testing.T, s memory.Store) {
	t.Helper()
	var owners []memory.Owner
	for _, name := range [][2]string{
		{"t", "a"}, {"t", "ab"}, {"ta", ""}, {"", "ta"}, {"t", "a\x00b"}, {"t\x00a", "b"}, {"t", "{a}"}, {"t", ""}, {"", ""},
	} {
		owners = append(owners, memory.Owner{Tenant: name[0], Agent: name[1]})
	}
	items := []string{"", "x", "\x00", "a\x00b", "{x}", "h", "head", "-", "+", "ä\xff", string(make([]byte, 2000))}
	for i, of := range owners {
		put := records{}
		for j, item := range items {
			put[item] = fmt.Appendf(nil, "%d/%d", i, j)
		}
		if !swap(t, s, of, nil, fmt.Append(nil, i), put) {
			t.Fatalf("%q was not swapped", of)
		}
	}
	for i, of := range owners {
		put := map[string]string{}
		for j, item := range items {
			put[item] = fmt.Sprintf("%d/%d", i, j)
		}
		want(t, s, of, fmt.Sprint(i), put)
	}
}

// testConcurrent writes by two processes: no sequence twice, and not one item more than the quota.
func testConcurrent(t *testing.T, s memory.Store) {
	t.Helper()
	const writers, each, room = 8, 10, 50
	of := memory.Owner{Tenant: "t", Agent: "a"}
	books := []*memory.Book{memory.New(s, Sealer{}, time.Now), memory.New(s, Sealer{}, time.Now)}
	quota := memory.Quota{All: memory.Usage{Items: room, Bytes: 1 << 20}, Untrusted: memory.Usage{Items: room, Bytes: 1 << 20}}
	var (
		mu        sync.Mutex
		sequences []uint64
		full      int
		wg        sync.WaitGroup
	)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n, err := books[w%2].Write(t.Context(), of, memory.ID{Layer: "l", Key: fmt.Sprint(w, "/", i)},
					memory.Draft{Digest: "d", Bytes: 1, At: time.Now(), Expires: soon}, quota)
				mu.Lock()
				if _, no := errors.AsType[*memory.QuotaError](err); no {
					full++
				} else if err != nil {
					t.Error(err)
				} else {
					sequences = append(sequences, n)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(sequences)
	if len(slices.Compact(slices.Clone(sequences))) != room || len(sequences) != room || full != writers*each-room {
		t.Fatalf("%d writes, %d refused: %v", len(sequences), full, sequences)
	}
	list, err := books[0].List(t.Context(), of, "", 1000)
	if err != nil || len(list.Items) != room || list.All != (memory.Usage{Items: room, Bytes: room}) {
		t.Fatalf("%d items, %+v, %v", len(list.Items), list.All, err)
	}
}

// testSweep must not forget what has not ended.
func testSweep(t *testing.T, s memory.Store) {
	t.Helper()
	of := memory.Owner{Tenant: "t", Agent: "a"}
	if !swap(t, s, of, nil, []byte("1"), records{"x": []byte("X")}) {
		t.Fatal("not swapped")
	}
	if err := s.Sweep(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	want(t, s, of, "1", map[string]string{"x": "X"})
}
