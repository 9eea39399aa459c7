package breaker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

func TestDefinitionValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		def  Definition
		want string // "": valid
	}{
		"defaults":            {Definition{Name: "b"}, ""},
		"all":                 {Definition{Name: "b", Scope: []limit.Dimension{limit.Tenant, limit.Tool}, ConsecutiveFailures: 3, FailureRatePercent: 100, RateWindowSeconds: 3600, MinimumCalls: 1, OpenSeconds: 86_400, JitterPercent: new(int64(50)), ProbeSeconds: 86_400, Tools: []string{"x"}, Kinds: []string{"y"}}, ""},
		"no jitter":           {Definition{Name: "b", JitterPercent: new(int64)}, ""},
		"window of defaults":  {Definition{Name: "b", RateWindowSeconds: 30, MinimumCalls: 5}, ""},
		"no name":             {Definition{}, "name"},
		"odd name":            {Definition{Name: "a b"}, "name"},
		"unknown dimension":   {Definition{Name: "b", Scope: []limit.Dimension{"host"}}, "host"},
		"no dimension":        {Definition{Name: "b", Scope: []limit.Dimension{}}, "scope"},
		"dimension twice":     {Definition{Name: "b", Scope: []limit.Dimension{limit.Tool, limit.Tool}}, "twice"},
		"negative failures":   {Definition{Name: "b", ConsecutiveFailures: -1}, "consecutive_failures"},
		"too many failures":   {Definition{Name: "b", ConsecutiveFailures: 1_000_001}, "consecutive_failures"},
		"more than a day":     {Definition{Name: "b", OpenSeconds: 86_401}, "open_seconds"},
		"a probe for longer":  {Definition{Name: "b", ProbeSeconds: 86_401}, "probe_seconds"},
		"more than all":       {Definition{Name: "b", FailureRatePercent: 101}, "failure_rate_percent"},
		"more than an hour":   {Definition{Name: "b", FailureRatePercent: 5, RateWindowSeconds: 3_601}, "rate_window_seconds"},
		"too many calls":      {Definition{Name: "b", FailureRatePercent: 5, MinimumCalls: 1_000_001}, "minimum_calls"},
		"negative jitter":     {Definition{Name: "b", JitterPercent: new(int64(-1))}, "jitter_percent"},
		"too much jitter":     {Definition{Name: "b", JitterPercent: new(int64(51))}, "jitter_percent"},
		"window without rate": {Definition{Name: "b", ConsecutiveFailures: 5, RateWindowSeconds: 30}, "failure_rate_percent"},
		"calls without rate":  {Definition{Name: "b", ConsecutiveFailures: 5, MinimumCalls: 30}, "failure_rate_percent"},
		"empty kind":          {Definition{Name: "b", Kinds: []string{""}}, "kinds"},
		"empty tool":          {Definition{Name: "b", Tools: []string{""}}, "tools"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.def.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestANumberIsPositive(t *testing.T) {
	for raw, want := range map[string]Number{
		`{"open_seconds":1}`: 1, `{}`: 0, `{"open_seconds":9223372036854775807}`: 1<<63 - 1,
		`{"open_seconds":0}`: -1, `{"open_seconds":-5}`: -1, `{"open_seconds":1.5}`: -1, `{"open_seconds":"5"}`: -1,
		`{"open_seconds":null}`: -1, `{"open_seconds":true}`: -1, `{"open_seconds":9223372036854775808}`: -1, `{"open_seconds":[1]}`: -1,
	} {
		var d Definition
		if err := json.Unmarshal([]byte(raw), &d); (err == nil) != (want >= 0) || err == nil && d.OpenSeconds != want {
			t.Errorf("%s: %d, %v", raw, d.OpenSeconds, err)
		}
	}
}

func TestACoolDownIsNeverShorterAndBounded(t *testing.T) {
	for _, open := range []Number{1, 60, 86_400} {
		for _, jitter := range []int64{0, 1, 10, 50} {
			d := Definition{OpenSeconds: open, JitterPercent: &jitter}
			seen := map[int64]bool{}
			for range 200 {
				got := d.coolDown()
				if least := int64(open) * second; got < least || got > least+least*jitter/100 {
					t.Fatalf("%d s with a jitter of %d %%: %d µs", open, jitter, got)
				}
				seen[got] = true
			}
			if (jitter == 0) != (len(seen) == 1) {
				t.Fatalf("%d s with a jitter of %d %%: %d different", open, jitter, len(seen))
			}
		}
	}
}
