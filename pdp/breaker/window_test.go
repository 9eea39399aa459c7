package breaker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// byNumber opens at three failures in a minute, whatever goes well between.
var byNumber = breaker.Definition{
	Name: "number", Scope: []limit.Dimension{limit.Session}, FailuresInWindow: 3, RateWindowSeconds: 60, OpenSeconds: 60, JitterPercent: new(int64),
}

// byNumberAndShare wants a fifth of all reports besides.
var byNumberAndShare = breaker.Definition{
	Name: "both", FailuresInWindow: 3, FailureRatePercent: 20, MinimumCalls: 1, RateWindowSeconds: 60, OpenSeconds: 60, JitterPercent: new(int64),
}

func TestOpensByNumber(t *testing.T) {
	type steps = []any // outcomes, and times that pass
	for name, tc := range map[string]struct {
		row   breaker.Definition
		steps steps
		want  breaker.State
	}{
		"too few":                   {byNumber, steps{times(2, failure)}, breaker.Closed},
		"enough":                    {byNumber, steps{times(3, failure)}, breaker.Open},
		"successes take none back":  {byNumber, steps{failure, times(99, success), failure, times(99, success), failure}, breaker.Open},
		"spread over the window":    {byNumber, steps{failure, 29 * time.Second, failure, 29 * time.Second, failure}, breaker.Open},
		"of long ago":               {byNumber, steps{times(2, failure), 67 * time.Second, times(2, failure)}, breaker.Closed},
		"number without the share":  {byNumberAndShare, steps{times(100, success), times(3, failure)}, breaker.Closed},
		"number and share":          {byNumberAndShare, steps{times(10, success), times(3, failure)}, breaker.Open},
		"share without the number":  {byNumberAndShare, steps{times(2, failure)}, breaker.Closed},
		"unknown has no part in it": {byNumber, steps{times(2, failure), times(9, notKnown)}, breaker.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			for _, s := range tc.steps {
				switch s := s.(type) {
				case time.Duration:
					f.pass(s)
				case breaker.Outcome:
					f.hear(tc.row, s)
				case []breaker.Outcome:
					f.hear(tc.row, s...)
				}
			}
			if s := f.peek(tc.row); s.State != tc.want {
				t.Fatalf("got %+v", s)
			}
		})
	}
}

func TestANumberCostsNoWritesForWhatGoesWell(t *testing.T) {
	f := newFuse(t)
	f.hear(byNumber, failure)
	before := f.swaps
	f.hear(byNumber, times(50, success)...)
	if f.swaps != before {
		t.Fatalf("%d writes for 50 successes", f.swaps-before)
	}
}

// A row that yields leaves room for those that must count.
func TestARowThatYieldsMakesNoRecordInACrowd(t *testing.T) {
	f := newDepot().fuse(t, breaker.Config{MaxPerTenant: 100, MaxPerTenantAgent: 10})
	yields := byNumber
	yields.Yields = true
	for i := range 40 {
		who := limit.Subject{Tenant: "t", Agent: "a", Session: fmt.Sprint("s", i), Tool: "x", Kind: "TOOL_CALL"}
		if _, err := f.Check(t.Context(), []breaker.Definition{yields}, who, fmt.Sprint("d", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Record(t.Context(), []breaker.Definition{yields}, who, fmt.Sprint("d", i), failure); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.size(); n > 6 {
		t.Fatalf("%d records; the rows that must count would be refused", n)
	}
}
