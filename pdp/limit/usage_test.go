package limit

import (
	"fmt"
	"slices"
	"testing"
)

// TestUsage lists what is there, and only the caller's own tenant.
func TestUsage(t *testing.T) {
	l := newShared()
	e, perTenant := still(t, l), calls(10)
	perTenant.Name, perTenant.Scope = "tenant", []Dimension{Tenant}
	s := set(t, calls(5), perTenant, cost(100))
	charge := func(who *Subject) {
		if err := e.Reserve(ctx, s, who, &Amounts{Calls: 1}, ReserveOptions{}, new(Hold)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		for range i + 1 {
			charge(who(fmt.Sprint("s", i)))
		}
	}
	foreign := who("s0")
	foreign.Tenant = "another"
	charge(foreign)
	for name, tc := range map[string]struct {
		filter    UsageFilter
		want      []string // name, session, used
		truncated bool
	}{
		"all, fullest first": {UsageFilter{}, []string{"tenant  10", "calls s3 4", "calls s2 3", "calls s1 2", "calls s0 1"}, false},
		"most rows":          {UsageFilter{MaxRows: 2}, []string{"tenant  10", "calls s3 4"}, true},
		"one row":            {UsageFilter{MaxRows: 1}, []string{"tenant  10"}, true},
		"by session":         {UsageFilter{Session: "s2"}, []string{"calls s2 3"}, false},
		"by limit":           {UsageFilter{Limit: "tenant"}, []string{"tenant  10"}, false},
		"by agent":           {UsageFilter{Agent: "a", MaxRows: 2}, []string{"calls s3 4", "calls s2 3"}, true},
		"by another agent":   {UsageFilter{Agent: "b"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			rows, truncated, err := e.Usage(ctx, "t", s, tc.filter)
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprint(r.Status.Name, " ", r.Subject.Session, " ", r.Status.Used))
			}
			if err != nil || truncated != tc.truncated || !slices.Equal(got, tc.want) {
				t.Fatalf("%q (truncated %v, %v)", got, truncated, err)
			}
		})
	}
}
