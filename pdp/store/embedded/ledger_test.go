package embedded

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

func openLedger(t *testing.T) *Ledger {
	t.Helper()
	s := openStore(t, t.TempDir())
	t.Cleanup(func() { _ = s.Close() })
	l, err := s.OpenLedger()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func put(key string) limit.Change {
	return limit.Change{Space: limit.CellSpace, Key: []byte(key), Value: []byte("v" + key)}
}

func TestLedgerScanPages(t *testing.T) {
	ctx, l := context.Background(), openLedger(t)
	if err := l.Commit(ctx, []limit.Change{put("b"), put("a2"), put("a1"), put("a3"), put("c")}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		prefix, after string
		most          int
		want          []string
	}{
		"all, in order":            {"", "", 9, []string{"a1", "a2", "a3", "b", "c"}},
		"a page":                   {"", "", 2, []string{"a1", "a2"}},
		"the next page":            {"", "a2", 2, []string{"a3", "b"}},
		"after a key that is gone": {"", "a21", 2, []string{"a3", "b"}},
		"after the last":           {"", "c", 2, nil},
		"prefix":                   {"a", "", 9, []string{"a1", "a2", "a3"}},
		"prefix, later page":       {"a", "a1", 9, []string{"a2", "a3"}},
		"prefix, before it":        {"b", "a1", 9, []string{"b"}},
		"no such prefix":           {"x", "", 9, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var after []byte
			if tc.after != "" {
				after = []byte(tc.after)
			}
			var got []string
			err := l.Scan(ctx, limit.CellSpace, []byte(tc.prefix), after, tc.most, func(k, v []byte) bool {
				if string(v) != "v"+string(k) {
					t.Errorf("%s has the value %s", k, v)
				}
				got = append(got, string(k))
				return true
			})
			if err != nil || !slices.Equal(got, tc.want) {
				t.Fatalf("got %q, %v", got, err)
			}
		})
	}
}

func TestLedgerCommitIsAllOrNothing(t *testing.T) {
	ctx, l := context.Background(), openLedger(t)
	if err := l.Commit(ctx, []limit.Change{put("a"), put("b")}); err != nil {
		t.Fatal(err)
	}
	bad := limit.Change{Space: 99, Key: []byte("x"), Value: []byte("x")}
	if err := l.Commit(ctx, []limit.Change{{Space: limit.CellSpace, Key: []byte("a")}, put("c"), bad}); err == nil {
		t.Fatal("a change to no space was committed")
	}
	for key, want := range map[string]string{"a": "va", "b": "vb", "c": ""} {
		if got, err := l.Load(ctx, limit.CellSpace, []byte(key)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	if err := l.Commit(ctx, []limit.Change{{Space: limit.CellSpace, Key: []byte("a")}}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Load(ctx, limit.CellSpace, []byte("a")); err != nil || got != nil {
		t.Fatalf("deleted: %q, %v", got, err)
	}
	if got, err := l.Load(ctx, limit.BreakerSpace, []byte("b")); err != nil || got != nil {
		t.Fatalf("spaces are not apart: %q, %v", got, err)
	}
}

func TestLedgerHeedsItsContext(t *testing.T) {
	l := openLedger(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Load(ctx, limit.CellSpace, []byte("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if err := l.Commit(ctx, []limit.Change{put("a")}); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
}
