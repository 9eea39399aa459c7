package redis

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// six is what an action with six limits sends: rate, cost and tokens of a user, an agent and a session.
func six(n int64) *ledger.Batch {
	b := &ledger.Batch{Tenant: "acme", Holder: "holder", Seq: n}
	for i := range 6 {
		l := hard(fmt.Sprintf("limit-%d\x00acme\x00agent-17\x00session-4711", i), anHour, 1, ledger.Unlimited)
		l.Need, l.Block = 1, 50
		b.Lines = append(b.Lines, l)
	}
	return b
}

// BenchmarkBatchOfSix is the round trip of a batch against a PING: one caller, and 64.
func BenchmarkBatchOfSix(b *testing.B) {
	r := join(b, Config{URL: redistest.Start(b).URL()})
	var n atomic.Int64
	ping := func() error {
		c, err := r.link.use()
		if err != nil {
			return err
		}
		return c.Do(context.Background(), c.B().Ping().Build()).Error()
	}
	batch := func() error {
		_, err := r.Do(context.Background(), six(n.Add(1)))
		return err
	}
	for name, call := range map[string]func() error{"ping": ping, "batch": batch} {
		b.Run(name+"/callers=1", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/callers=64", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil && name == "ping" { // of one holder's batches, the overtaken ones are refused
						b.Error(err)
					}
				}
			})
		})
	}
}
