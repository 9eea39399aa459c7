package embedded

import (
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/memory/memorytest"
)

func openItems(t *testing.T, dir string) (*Store, *MemoryItems) {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	items, err := s.OpenMemoryItems()
	if err != nil {
		t.Fatal(err)
	}
	return s, items
}

// TestMemoryItemsConformance runs the contract of stores of memory records.
func TestMemoryItemsConformance(t *testing.T) {
	memorytest.Run(t, func(t *testing.T) memory.Store {
		t.Helper()
		_, items := openItems(t, t.TempDir())
		return items
	})
}

func TestMemoryItemsSurviveAndEnd(t *testing.T) {
	dir := t.TempDir()
	s, items := openItems(t, dir)
	of, ends := memory.Owner{Tenant: "t", Agent: "a"}, time.Unix(1000, 0)
	if swapped, err := items.Swap(t.Context(), of, nil, []byte("1"), map[string][]byte{"x": []byte("X")}, ends); !swapped || err != nil {
		t.Fatalf("%v, %v", swapped, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, items = openItems(t, dir)
	if err := items.Sweep(t.Context(), ends); err != nil {
		t.Fatal(err)
	}
	if head, x, err := items.Get(t.Context(), of, "x"); string(head) != "1" || string(x) != "X" || err != nil {
		t.Fatalf("%q, %q, %v", head, x, err)
	}
	if err := items.Sweep(t.Context(), ends.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if head, _, err := items.Get(t.Context(), of, "x"); head != nil || err != nil {
		t.Fatalf("%q, %v", head, err)
	}
}
