package decision

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
)

// BenchmarkDecideObserved compares a decision in a session that has seen 64 KB with one in a session that has only heard
// the user. Each call is another, so that none is a loop.
func BenchmarkDecideObserved(b *testing.B) {
	for _, kb := range []int{0, 64} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			r := newRoom(b, proving())
			r.observe(origin.User, "Write notes about bob@example.com")
			if kb > 0 {
				var text strings.Builder
				for i := 0; text.Len() < kb<<10; i++ {
					fmt.Fprintf(&text, "line %d of what stands in the page, see item-%d\n", i, i*7919)
				}
				r.observe(origin.Untrusted, text.String())
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				req := call("mailer", "write_note", fmt.Sprintf(`{"file": "note-%d.txt", "text": "Lunch with Bob at noon, and then the minutes."}`, n))
				req.Principal.Run = "bench"
				_ = r.decide(req)
			}
		})
	}
}
