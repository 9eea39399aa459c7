package embedded_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

var (
	ctx    = context.Background()
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bot    = limit.Subject{Tenant: "acme", Agent: "bot", Session: "s1", Tool: "search", Kind: "TOOL_CALL"}
	budget = limit.Definition{
		Name: "money", Measure: limit.CostMicroUSD, Scope: []limit.Dimension{limit.Agent}, WindowSeconds: 3600, Max: 100,
	}
)

// house is all that is kept in one data directory.
type house struct {
	t      *testing.T
	store  *embedded.Store
	limits *limit.Engine
}

func enter(t *testing.T, dir string, at time.Time) *house {
	t.Helper()
	h := &house{t: t}
	now := func() time.Time { return at }
	var err error
	h.store, err = embedded.Open(dir)
	h.do(err)
	ledger, err := h.store.OpenLedger()
	h.do(err)
	h.limits, err = limit.New(limit.Config{}, ledger, now)
	h.do(err)
	return h
}

func (h *house) leave() {
	h.t.Helper()
	h.do(h.limits.Close(ctx))
	h.do(h.store.Close())
}

func (h *house) do(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) spend(id string, units int64) bool {
	h.t.Helper()
	list, err := h.limits.Reserve(ctx, id, []limit.Definition{budget}, bot, limit.Amounts{CostMicroUSD: units}, noon.Add(24*time.Hour), limit.ReserveOptions{})
	h.do(err)
	return !list[0].Exceeded
}

func TestLimitsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	h := enter(t, dir, noon)
	for i := range 10 {
		if !h.spend(fmt.Sprint("id", i), 10) {
			t.Fatal("denied below the limit")
		}
	}
	h.leave()

	h = enter(t, dir, noon.Add(30*time.Second))
	if h.spend("more", 1) {
		t.Fatal("a restart forgot what was spent")
	}
	h.do(h.limits.Refund(ctx, "id0"))
	settled, err := h.limits.Settle(ctx, "id1", limit.Amounts{CostMicroUSD: 3})
	h.do(err)
	again, err := h.limits.Settle(ctx, "id1", limit.Amounts{CostMicroUSD: 0})
	if h.do(err); settled.AlreadySettled || !again.AlreadySettled {
		t.Fatalf("settled %+v, then %+v", settled, again)
	}
	h.leave()

	h = enter(t, dir, noon.Add(time.Minute))
	defer h.leave()
	again, err = h.limits.Settle(ctx, "id1", limit.Amounts{CostMicroUSD: 0})
	if h.do(err); !again.AlreadySettled {
		t.Fatal("a restart forgot that it was settled")
	}
	if err := h.limits.Refund(ctx, "id0"); err != nil && h.spend("too much", 18) {
		t.Fatalf("given back twice: %v", err)
	}
	if !h.spend("all that is left", 17) || h.spend("one more", 1) {
		t.Fatal("17 units were left, neither more nor less")
	}
}

// What a commit has promised is in the file, whatever becomes of the process.
func TestLimitsOutliveAKillAfterTheCommit(t *testing.T) {
	dir, left := t.TempDir(), t.TempDir()
	h := enter(t, dir, noon)
	for i := range 10 {
		h.spend(fmt.Sprint("id", i), 10)
	}
	h.do(h.limits.Flush(ctx))
	raw, err := os.ReadFile(filepath.Join(dir, embedded.FileName))
	h.do(err)
	h.do(os.WriteFile(filepath.Join(left, embedded.FileName), raw, 0o600))
	h.leave()

	h = enter(t, left, noon.Add(time.Second))
	defer h.leave()
	if h.spend("more", 1) {
		t.Fatal("what was committed is gone")
	}
}
