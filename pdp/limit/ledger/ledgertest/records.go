package ledgertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// swap changes a record that must be old; "" stands for none.
func (r *rig) swap(key, old, record string) (string, bool) {
	r.t.Helper()
	bytesOf := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(s)
	}
	current, swapped, err := r.Records.Swap(context.Background(), r.tenant, key, bytesOf(old), bytesOf(record), hour)
	if err != nil {
		r.t.Fatalf("swap: %v", err)
	}
	return string(current), swapped
}

func (r *rig) recorded(want string) {
	r.t.Helper()
	all, err := r.Records.Records(context.Background(), r.tenant)
	if err != nil {
		r.t.Fatalf("records: %v", err)
	}
	if got := fmt.Sprintf("%s", all); got != want {
		r.t.Fatalf("%s, want %s", got, want)
	}
}

var records = map[string]func(t *testing.T, r *rig){
	"records change by compare and set": func(t *testing.T, r *rig) {
		if r.Records == nil {
			t.Skip("this ledger keeps no records")
		}
		r.recorded("map[]")
		for _, step := range []struct {
			key, old, record, current string
			swapped                   bool
			all                       string
		}{
			{"a", "x", "y", "", false, "map[]"},
			{"a", "", "one", "one", true, "map[a:one]"},
			{"a", "", "two", "one", false, "map[a:one]"},
			{"a", "two", "three", "one", false, "map[a:one]"},
			{"a", "one", "one\x00", "one\x00", true, "map[a:one\x00]"},
			{"\xff}", "", "b", "b", true, "map[a:one\x00 \xff}:b]"},
			{"a", "one\x00", "", "", true, "map[\xff}:b]"},
		} {
			current, swapped := r.swap(step.key, step.old, step.record)
			if current != step.current || swapped != step.swapped {
				t.Fatalf("%+v: %q, %v", step, current, swapped)
			}
			r.recorded(step.all)
		}
	},

	"records of tenants are apart": func(t *testing.T, r *rig) {
		if r.Records == nil {
			t.Skip("this ledger keeps no records")
		}
		r.swap("a", "", "one")
		other := *r
		other.tenant += "other"
		other.recorded("map[]")
	},

	"many swap at once, one wins": func(t *testing.T, r *rig) {
		if r.Records == nil {
			t.Skip("this ledger keeps no records")
		}
		r.swap("probe", "", "open")
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if _, swapped, err := r.Records.Swap(context.Background(), r.tenant, "probe", []byte("open"), fmt.Append(nil, "probing ", i), hour); err != nil {
					t.Error(err)
				} else if swapped {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d swapped", won.Load())
		}
	},

	"what was handed out stays as it was": func(t *testing.T, r *rig) {
		if r.Records == nil {
			t.Skip("this ledger keeps no records")
		}
		r.swap("a", "", "one")
		all, err := r.Records.Records(t.Context(), r.tenant)
		if err != nil {
			t.Fatal(err)
		}
		r.swap("a", "one", "two")
		if string(all["a"]) != "one" {
			t.Fatalf("%s", all["a"])
		}
	},
}
