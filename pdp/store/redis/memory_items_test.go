package redis

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/memory/memorytest"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestMemoryItemsConformance runs the contract of stores of memory records against a real Redis. Each case has keys of its own.
func TestMemoryItemsConformance(t *testing.T) {
	r := join(t, Config{URL: redistest.Start(t).URL()})
	memorytest.Run(t, func(*testing.T) memory.Store { return &MemoryItems{l: r.Ledger, prefix: rand.Text()} })
}

func TestMemoryItemsWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	m := join(t, Config{URL: s.URL()}).OpenMemoryItems()
	s.Kill()
	of := memory.Owner{Tenant: "t", Agent: "a"}
	_, _, one := m.Get(t.Context(), of, "x")
	_, _, all := m.All(t.Context(), of)
	_, swap := m.Swap(t.Context(), of, nil, []byte("1"), nil, time.Now())
	for name, err := range map[string]error{"get": one, "all": all, "swap": swap} {
		if !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
