package ledgertest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestModel shows that the suite and the model agree; that both are right is for their readers to say.
func TestModel(t *testing.T) {
	Run(t, func(_ *testing.T, b Bounds) Harness {
		m := NewModel(b, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixMicro(), 7)
		return Harness{Ledger: m, Records: m, Prompt: true, Advance: func(d time.Duration) {
			now, _, _ := m.Now()
			m.Set(now+d.Microseconds(), 7)
		}}
	})
}
