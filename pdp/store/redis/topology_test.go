package redis

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestClusterConformance runs the contract against three nodes; the cases' tenants are spread over them.
func TestClusterConformance(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	cfg := Config{URL: "redis://" + nodes[0].Addr + "," + nodes[1].Addr, Cluster: true}
	conform(t, cfg)
	for _, node := range nodes {
		if keys := node.Do("DBSIZE"); keys == "0" {
			t.Errorf("no tenant is at %s", node.Addr)
		}
	}
}

// TestANodeThatIsGoneTakesItsOwnTenantsWithIt and nobody else's. It comes back empty, and only theirs count as full.
func TestANodeThatIsGoneTakesItsOwnTenantsWithIt(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	r := join(t, Config{URL: "redis://" + nodes[0].Addr + "," + nodes[1].Addr + "," + nodes[2].Addr, Cluster: true, Timeout: 500 * time.Millisecond})
	const tenants = 30
	each := func() (answered, full int) {
		for i := range tenants {
			b := batch(hard("cell", anHour, 1, 1000))
			b.Tenant = fmt.Sprint("tenant ", i)
			got, err := r.Do(t.Context(), b)
			if err == nil {
				answered++
				if got.Lines[0].Amnesia {
					full++
				}
			}
		}
		return answered, full
	}
	redistest.Until(t, "all answer", func() bool { // on a busy machine the first calls may take longer than the time-out
		answered, full := each()
		if full != 0 {
			t.Fatalf("%d are full", full)
		}
		return answered == tenants
	})
	gone := nodes[0]
	if slot, _ := strconv.Atoi(gone.Do("CLUSTER", "KEYSLOT", "portcullis:{clock}")); slot <= 16384/3 {
		gone = nodes[1]
	}
	gone.Kill()
	redistest.Until(t, "the others go on", func() bool { answered, full := each(); return answered > tenants/3 && full == 0 })
	answered, _ := each()
	if answered == tenants {
		t.Fatal("a node that is gone answered")
	}
	gone.Run()
	redistest.Until(t, "all go on", func() bool { answered, _ := each(); return answered == tenants })
	if _, full := each(); full == 0 || full == tenants {
		t.Fatalf("%d of %d tenants count as full", full, tenants)
	}
}

// TestAFailoverThatLostWritesIsNoticed by Sentinel, whose replica had not heard of the last charges.
func TestAFailoverThatLostWritesIsNoticed(t *testing.T) {
	master := redistest.Start(t)
	wire := redistest.NewProxy(t, master.Addr)
	other := redistest.Start(t, "--replicaof", strings.ReplaceAll(wire.Addr, ":", " "))
	synced(t, other)
	sentinels := redistest.StartSentinels(t, master, "main", 1)
	r := join(t, Config{URL: "redis://" + sentinels[0].Addr, Sentinel: "main"})
	do(t, r, hard("cell", anHour, 3, 10))
	lost(t, r, false)
	redistest.Until(t, "the replica has it", func() bool { return other.Do("DBSIZE") == master.Do("DBSIZE") })
	redistest.Until(t, "Sentinel knows the replica", func() bool {
		return strings.Contains(sentinels[0].Do("SENTINEL", "REPLICAS", "main"), other.Port())
	})

	// The replica hears nothing more, the master goes on, and dies.
	wire.Cut()
	do(t, r, hard("cell", anHour, 7, 10))
	if got := do(t, r, hard("cell", anHour, 1, 10)); got.Verdict != ledger.Denied {
		t.Fatalf("%+v", got)
	}
	master.Kill()
	redistest.Until(t, "the ledger is reached again", func() bool {
		b := batch(free("another", 1))
		b.Tenant = "someone else"
		_, err := r.Do(t.Context(), b)
		return err == nil
	})
	got := do(t, r, hard("cell", anHour, 1, 10))
	if got.Verdict != ledger.Denied || !got.Lines[0].Amnesia {
		t.Fatalf("%+v", got)
	}
	lost(t, r, true)
	r.advance(time.Duration(hour+anHour.Length()+time.Minute.Microseconds()) * time.Microsecond)
	if got = do(t, r, hard("cell", anHour, 10, 10)); got.Verdict != ledger.Allowed {
		t.Fatalf("%+v", got)
	}
}

// TestAMovingSlotLosesNoCharge while half of a tenant's keys are on one node, and half on another. What cannot be carried out
// whole is refused. At the end another server has the tenant, which only a durable one may without a loss.
func TestAMovingSlotLosesNoCharge(t *testing.T) {
	nodes := redistest.StartCluster(t, 2)
	from, to := nodes[0], nodes[1]
	for _, durable := range []bool{true, false} {
		t.Run(fmt.Sprint("durable ", durable), func(t *testing.T) {
			r := join(t, Config{URL: "redis://" + nodes[0].Addr + "," + nodes[1].Addr, Cluster: true, Durable: durable})
			tenant, slot := "", ""
			for i := 0; slot == "" || from.Do("CLUSTER", "COUNTKEYSINSLOT", slot) != "0" || !owns(from, slot); i++ {
				tenant = fmt.Sprint("tenant ", i, durable)
				slot = from.Do("CLUSTER", "KEYSLOT", r.keys(tenant).tenant())
			}
			admitted, failed := int64(0), int64(0)
			charge := func(key string) {
				l := hard(key, anHour, 1, 1000)
				l.Owner = key
				b := batch(hard("all", anHour, 1, 1000), l)
				b.Tenant = tenant
				if got, err := r.Do(t.Context(), b); err != nil {
					failed++
				} else if got.Verdict == ledger.Allowed {
					admitted++
				}
				bystander := batch(free("cell", 1))
				bystander.Tenant = "bystander"
				if _, err := r.Do(t.Context(), bystander); err != nil {
					t.Fatalf("another tenant: %v", err)
				}
			}
			for i := range 10 {
				charge(fmt.Sprint("before ", i))
			}
			me, other := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
			to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", me)
			from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", other)
			keys := strings.Split(from.Do("CLUSTER", "GETKEYSINSLOT", slot, "1000"), "\n")
			for i, key := range keys {
				from.Do("MIGRATE", "127.0.0.1", to.Port(), key, "0", "5000")
				charge("before 1")
				charge("before 2")
				charge(fmt.Sprint("during ", i%3))
			}
			for key := range strings.SplitSeq(from.Do("CLUSTER", "GETKEYSINSLOT", slot, "1000"), "\n") {
				if key != "" {
					from.Do("MIGRATE", "127.0.0.1", to.Port(), key, "0", "5000", "REPLACE")
				}
			}
			to.Do("CLUSTER", "SETSLOT", slot, "NODE", other)
			from.Do("CLUSTER", "SETSLOT", slot, "NODE", other)
			look := batch(hard("all", anHour, 0, 1000))
			look.Tenant = tenant
			var got *ledger.Receipt
			redistest.Until(t, "the new node answers", func() (ok bool) {
				var err error
				got, err = r.Do(t.Context(), look)
				return err == nil
			})
			if l := got.Lines[0]; l.Used < admitted || l.Used > admitted+failed || l.Amnesia == durable {
				t.Fatalf("%d admitted, %d failed: %+v", admitted, failed, l)
			}
			t.Logf("%d admitted, %d refused while the slot was on the move", admitted, failed)
		})
	}
}

// owns says whether a node of two has a slot: the first has the lower half.
func owns(node *redistest.Server, slot string) bool {
	n, _ := strconv.Atoi(slot)
	return n < 16384/2 && node != nil
}
