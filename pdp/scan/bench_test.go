package scan

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkScan is the plain way's price: clean text, all views.
func BenchmarkScan(b *testing.B) {
	clean := strings.Repeat("The quarterly report is ready; please review section two before Friday. ", 15)[:1024]
	table := pack()
	for i := range 200 {
		p := pack()[0]
		p.ID = fmt.Sprintf("credential.test-%d", i)
		table = append(table, p)
	}
	for name, patterns := range map[string][]Pattern{"10": pack(), "210 of them 200 with keywords": table} {
		s := mustCompile(b, patterns)
		b.Run("patterns="+name+"/clean 1KB", func(b *testing.B) {
			texts := []Text{{Pointer: "/body", Value: clean}}
			b.SetBytes(int64(len(clean)))
			b.ReportAllocs()
			for b.Loop() {
				if r := s.Scan(context.Background(), texts, keyed, Budget{}); len(r.Findings) > 0 || r.Incomplete {
					b.Fatal("not clean")
				}
			}
		})
	}
}
