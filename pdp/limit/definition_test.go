package limit

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestDefinitionValidate(t *testing.T) {
	good := calls(10)
	for name, tc := range map[string]struct {
		change func(*Definition)
		want   string // part of the error; empty: valid
	}{
		"good":               {func(*Definition) {}, ""},
		"all fields":         {func(d *Definition) { d.Counts, d.OnExceed, d.OnUnavailable = Attempts, Alert, "local" }, ""},
		"zero max":           {func(d *Definition) { d.Max = 0 }, ""},
		"no name":            {func(d *Definition) { d.Name = "" }, "name"},
		"odd name":           {func(d *Definition) { d.Name = "a b" }, "name"},
		"long name":          {func(d *Definition) { d.Name = strings.Repeat("a", 129) }, "name"},
		"unknown measure":    {func(d *Definition) { d.Measure = "cost_cents" }, "measure"},
		"no scope":           {func(d *Definition) { d.Scope = nil }, "scope"},
		"unknown dimension":  {func(d *Definition) { d.Scope = []Dimension{"ip"} }, "scope"},
		"dimension twice":    {func(d *Definition) { d.Scope = []Dimension{Agent, Agent} }, "twice"},
		"no window":          {func(d *Definition) { d.WindowSeconds = 0 }, "window_seconds"},
		"endless window":     {func(d *Definition) { d.WindowSeconds = MaxWindowSeconds + 1 }, "window_seconds"},
		"negative max":       {func(d *Definition) { d.Max = -1 }, "max"},
		"max past 2^53":      {func(d *Definition) { d.Max = MaxUnits + 1 }, "max"},
		"unknown counts":     {func(d *Definition) { d.Counts = "denied" }, "counts"},
		"unknown on_exceed":  {func(d *Definition) { d.OnExceed = "warn" }, "on_exceed"},
		"unknown on_unavail": {func(d *Definition) { d.OnUnavailable = "allow" }, "on_unavailable"},
		"both":               {func(d *Definition) { d.Period = PerDay }, "not both"},
		"a day":              {func(d *Definition) { d.WindowSeconds, d.Period = 0, PerDay }, ""},
		"a month":            {func(d *Definition) { d.WindowSeconds, d.Period = 0, PerMonth }, ""},
		"a session":          {func(d *Definition) { d.WindowSeconds, d.Period, d.Scope = 0, PerSession, []Dimension{Session} }, ""},
		"no session's":       {func(d *Definition) { d.WindowSeconds, d.Period, d.Scope = 0, PerSession, []Dimension{Agent} }, "names the session"},
		"a week":             {func(d *Definition) { d.WindowSeconds, d.Period = 0, "week" }, "period is"},
		"a window in words":  {func(d *Definition) { d.WindowSeconds, d.Period = 0, Window }, "window_seconds"},
		"a share":            {func(d *Definition) { d.OnUnavailable, d.LocalSharePercent = "local", 50 }, ""},
		"a share too large":  {func(d *Definition) { d.OnUnavailable, d.LocalSharePercent = "local", 51 }, "1 to 50"},
		"a negative share":   {func(d *Definition) { d.OnUnavailable, d.LocalSharePercent = "local", -1 }, "1 to 50"},
		"a share of a deny":  {func(d *Definition) { d.LocalSharePercent = 10 }, "only for"},
		"empty tool":         {func(d *Definition) { d.Tools = []string{""} }, "tools"},
	} {
		t.Run(name, func(t *testing.T) {
			d := good
			tc.change(&d)
			err := d.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestLocalShareIsOfMaxAndNeverOverflows(t *testing.T) {
	for name, tc := range map[string]struct {
		def  Definition
		want int64
	}{
		"deny has none":     {Definition{Max: 1000}, 0},
		"a tenth":           {Definition{Max: 1000, OnUnavailable: "local"}, 100},
		"rounded down":      {Definition{Max: 19, OnUnavailable: "local"}, 1},
		"too few for one":   {Definition{Max: 9, OnUnavailable: "local"}, 0},
		"half":              {Definition{Max: 7, OnUnavailable: "local", LocalSharePercent: 50}, 3},
		"the largest limit": {Definition{Max: MaxUnits, OnUnavailable: "local", LocalSharePercent: 50}, MaxUnits / 2},
	} {
		if got := tc.def.LocalShare(); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestThreat_E8_AmountsAndSums(t *testing.T) {
	e := replica(t, newShared(), Config{})
	for name, a := range map[string]Amounts{
		"calls": {Calls: -1}, "cost": {CostMicroUSD: -1}, "tokens": {Tokens: -1}, "bytes": {Bytes: -1}, "failures": {Failures: math.MinInt64},
	} {
		t.Run(name+" negative", func(t *testing.T) {
			if err := e.Reserve(ctx, set(t, calls(1)), who("s"), &a, ReserveOptions{}, new(Hold)); !errors.Is(err, ErrInvalid) {
				t.Errorf("reserve: %v", err)
			}
			if _, err := e.Settle(ctx, set(t, calls(1)), "t", "id", a); !errors.Is(err, ErrInvalid) {
				t.Errorf("settle: %v", err)
			}
			if _, err := e.Add(ctx, set(t, calls(1)), who("s"), &a); !errors.Is(err, ErrInvalid) {
				t.Errorf("add: %v", err)
			}
		})
	}
	t.Run("a sum at its end stays there", func(t *testing.T) {
		d := cost(MaxUnits)
		for range 3 {
			if _, err := e.Add(ctx, set(t, d), who("big"), &Amounts{CostMicroUSD: math.MaxInt64}); err != nil {
				t.Fatal(err)
			}
		}
		s := reserve(t, e, "after", who("big"), Amounts{CostMicroUSD: 1}, set(t, d))[0]
		if s.Used != MaxUnits || !s.Exceeded || s.Remaining != 0 {
			t.Fatalf("got %+v", s)
		}
	})
	t.Run("another unit is another counter", func(t *testing.T) {
		d := calls(100)
		reserve(t, e, "u1", who("unit"), Amounts{Calls: 7}, set(t, d))
		d.Measure = CostMicroUSD
		if got := used(t, e, who("unit"), set(t, d)); got != 0 {
			t.Fatalf("7 calls became %d micro-USD", got)
		}
	})
}

func TestAppliesTo(t *testing.T) {
	d := func(change func(*Definition)) Definition {
		out := calls(10)
		change(&out)
		return out
	}
	for name, tc := range map[string]struct {
		def  Definition
		who  *Subject
		want int
	}{
		"no filter":             {calls(10), who("s"), 1},
		"tool matches":          {d(func(d *Definition) { d.Tools = []string{"x", "search"} }), who("s"), 1},
		"other tool":            {d(func(d *Definition) { d.Tools = []string{"x"} }), who("s"), 0},
		"kind matches":          {d(func(d *Definition) { d.Kinds = []string{"TOOL_CALL"} }), who("s"), 1},
		"other kind":            {d(func(d *Definition) { d.Kinds = []string{"MESSAGE"} }), who("s"), 0},
		"per tool without tool": {d(func(d *Definition) { d.Scope = []Dimension{Tool} }), &Subject{Tenant: "t", Agent: "a"}, 0},
		"per user without user": {d(func(d *Definition) { d.Scope = []Dimension{User} }), &Subject{Tenant: "t", Agent: "a"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := replica(t, newShared(), Config{})
			if got := len(reserve(t, e, "id", tc.who, Amounts{Calls: 1}, set(t, tc.def))); got != tc.want {
				t.Fatalf("%d statuses, want %d", got, tc.want)
			}
		})
	}
}

func TestScopesSeparateAndShare(t *testing.T) {
	a := Subject{Tenant: "t", Agent: "a", User: "u", Session: "s", Tool: "x"}
	change := func(f func(*Subject)) Subject { b := a; f(&b); return b }
	for name, tc := range map[string]struct {
		scope  []Dimension
		other  Subject
		shared bool
	}{
		"tenant shares":                 {[]Dimension{Tenant}, change(func(s *Subject) { s.Agent, s.Session = "b", "z" }), true},
		"tenants are apart":             {[]Dimension{Tenant}, change(func(s *Subject) { s.Tenant = "t2" }), false},
		"tenant is always part":         {[]Dimension{Agent}, change(func(s *Subject) { s.Tenant = "t2" }), false},
		"agents are apart":              {[]Dimension{Agent}, change(func(s *Subject) { s.Agent = "b" }), false},
		"sessions are apart":            {[]Dimension{Session}, change(func(s *Subject) { s.Session = "s2" }), false},
		"a session is one agent's":      {[]Dimension{Session}, change(func(s *Subject) { s.Agent = "b" }), false},
		"users share over agents":       {[]Dimension{User}, change(func(s *Subject) { s.Agent, s.Session = "b", "z" }), true},
		"tools are apart":               {[]Dimension{Agent, Tool}, change(func(s *Subject) { s.Tool = "y" }), false},
		"parts do not run into another": {[]Dimension{Agent, User}, change(func(s *Subject) { s.Agent, s.User = "au", "" }), false},
		"a slash is not a separator":    {[]Dimension{Agent, User}, change(func(s *Subject) { s.Agent, s.User = "a/u", "" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			e := replica(t, newShared(), Config{})
			d := calls(10)
			d.Scope = tc.scope
			reserve(t, e, "1", &a, Amounts{Calls: 1}, set(t, d))
			if got := used(t, e, &tc.other, set(t, d)); (got == 1) != tc.shared {
				t.Fatalf("the other counts %d, shared: %v", got, tc.shared)
			}
		})
	}
	t.Run("the order of a scope makes no difference", func(t *testing.T) {
		e := replica(t, newShared(), Config{})
		d := calls(10)
		d.Scope = []Dimension{Tool, Agent}
		reserve(t, e, "1", &a, Amounts{Calls: 1}, set(t, d))
		d.Scope = []Dimension{Agent, Tool}
		if got := used(t, e, &a, set(t, d)); got != 1 {
			t.Fatalf("got %d", got)
		}
	})
}
