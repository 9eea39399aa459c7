package breaker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// still are records in memory that nobody changes.
type still struct {
	*window
	records map[string][]byte
}

func (s still) Records(context.Context, string) (map[string][]byte, error) { return s.records, nil }

// BenchmarkCheck is what a decision pays for a tool that works, alone in its tenant and among others that fail.
func BenchmarkCheck(b *testing.B) {
	for _, others := range []int{0, 1_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			d := newDepot()
			f := d.fuse(b, breaker.Config{})
			for i := range others {
				who := limit.Subject{Tenant: "acme", Agent: "bot", Tool: fmt.Sprint("tool", i)}
				if _, err := f.Record(ctx, []breaker.Definition{byTool}, who, "x", failure); err != nil {
					b.Fatal(err)
				}
			}
			calm, err := breaker.New(breaker.Config{}, still{d.window(), d.records["acme"]})
			if err != nil {
				b.Fatal(err)
			}
			defs := []breaker.Definition{byTool}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := calm.Check(ctx, defs, bot, "id"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
