package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func soft(l ledger.Line) ledger.Line     { l.Class = ledger.Soft; return l }
func attempts(l ledger.Line) ledger.Line { l.Attempts = true; return l }

var counting = map[string]func(t *testing.T, r *rig){
	"classes say what passing a max means": func(t *testing.T, r *rig) {
		for name, tc := range map[string]struct {
			lines   []ledger.Line // each cell has 5 in use
			verdict ledger.Verdict
			charged string // one letter a line: y or n
		}{
			"room":                          {[]ledger.Line{ask("a", 5, 10), ask("b", 1, 10)}, ledger.Allowed, "yy"},
			"hard":                          {[]ledger.Line{ask("a", 1, 10), ask("b", 6, 10)}, ledger.Denied, "nn"},
			"hard, attempts":                {[]ledger.Line{attempts(ask("a", 1, 10)), ask("b", 6, 10)}, ledger.Denied, "nn"},
			"soft":                          {[]ledger.Line{ask("a", 1, 10), soft(ask("b", 6, 10))}, ledger.Asked, "nn"},
			"soft, attempts":                {[]ledger.Line{attempts(ask("a", 1, 10)), soft(ask("b", 6, 10))}, ledger.Asked, "yn"},
			"soft attempts past max":        {[]ledger.Line{attempts(soft(ask("a", 6, 10))), attempts(note("b", 1))}, ledger.Asked, "ny"},
			"soft attempts within":          {[]ledger.Line{attempts(soft(ask("a", 1, 10))), soft(ask("b", 6, 10))}, ledger.Asked, "yn"},
			"soft and hard":                 {[]ledger.Line{soft(ask("a", 6, 10)), ask("b", 6, 10)}, ledger.Denied, "nn"},
			"free past max":                 {[]ledger.Line{freely(ask("a", 6, 10)), ask("b", 1, 10)}, ledger.Allowed, "yy"},
			"max -1":                        {[]ledger.Line{ask("a", 0, -1)}, ledger.Denied, "n"},
			"max -1, free":                  {[]ledger.Line{freely(ask("a", 1, -1))}, ledger.Allowed, "y"},
			"looking":                       {[]ledger.Line{ask("a", 0, 5)}, ledger.Allowed, "n"},
			"full is not past":              {[]ledger.Line{ask("a", 0, 5), ask("b", 5, 10)}, ledger.Allowed, "ny"},
			"already past":                  {[]ledger.Line{ask("a", 0, 4)}, ledger.Denied, "n"},
			"unlimited":                     {[]ledger.Line{ask("a", 5, ledger.Unlimited)}, ledger.Allowed, "y"},
			"a sum that would wrap around":  {[]ledger.Line{ask("a", ledger.MaxUnits, ledger.MaxUnits)}, ledger.Denied, "n"},
			"exactly the largest there can": {[]ledger.Line{ask("a", ledger.MaxUnits-5, ledger.MaxUnits)}, ledger.Allowed, "y"},
		} {
			t.Run(name, func(t *testing.T) {
				r := &rig{t: t, Harness: r.Harness, tenant: r.tenant + name, holder: r.holder}
				r.do(note("a", 5), note("b", 5))
				got := r.do(tc.lines...)
				r.verdict(got, tc.verdict)
				for i, l := range tc.lines {
					used := int64(5)
					if tc.charged[i] == 'y' {
						used += l.Want
					}
					if got.Lines[i].Charged != (tc.charged[i] == 'y') || got.Lines[i].Used != used {
						t.Errorf("line %d: %+v", i, got.Lines[i])
					}
					if got.Lines[i].Exceeded != (5+l.Want > l.Max) {
						t.Errorf("line %d: exceeded %v", i, got.Lines[i].Exceeded)
					}
				}
			})
		}
	},

	"looking never makes a cell": func(t *testing.T, r *rig) {
		r.verdict(r.do(ask("a", 0, 10)), ledger.Allowed)
		r.verdict(r.do(ask("b", 0, -1)), ledger.Denied)
		if all := r.cells(10); len(all) != 0 {
			t.Fatalf("%v", all)
		}
	},

	"what was denied makes no cell": func(t *testing.T, r *rig) {
		r.verdict(r.do(ask("a", 1, 10), ask("b", 11, 10)), ledger.Denied)
		if all := r.cells(10); len(all) != 0 {
			t.Fatalf("%v", all)
		}
	},

	"facts stand where the check denies": func(_ *testing.T, r *rig) {
		index := r.do(note("a", 5)).Lines[0].Index
		l := ask("a", 9, 10)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 3}}
		r.verdict(r.do(l), ledger.Denied)
		r.used("a", 2)
	},

	"facts come before checks": func(_ *testing.T, r *rig) {
		index := r.do(note("a", 10)).Lines[0].Index
		l := ask("a", 1, 10)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 1}}
		r.verdict(r.do(l), ledger.Allowed)
		r.used("a", 10)
	},

	"facts of all lines come before any check": func(_ *testing.T, r *rig) {
		index := r.do(note("a", 5), note("b", 10)).Lines[0].Index
		l := ask("b", 1, 10)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 1}}
		r.verdict(r.do(ask("a", 1, 10), l), ledger.Allowed)
		r.used("a", 6)
	},

	"refunds take back what is there": func(_ *testing.T, r *rig) {
		index := r.do(note("a", 5)).Lines[0].Index
		for _, s := range []ledger.Stamp{{Index: index - 1, Units: 1}, {Index: index + 1, Units: 1}, {Index: index, Units: 0}} {
			l := note("a", 0)
			l.Refunds = []ledger.Stamp{s}
			r.do(l)
			r.used("a", 5)
		}
		l := note("a", 0)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 2}, {Index: index, Units: 9}}
		r.do(l)
		r.used("a", 0)
		l = note("never there", 0)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 9}}
		r.do(l)
		r.used("never there", 0)
	},

	"sums saturate": func(_ *testing.T, r *rig) {
		r.do(note("a", ledger.MaxUnits))
		got := r.do(note("a", ledger.MaxUnits))
		if got.Lines[0].Used != ledger.MaxUnits {
			r.t.Fatalf("%d", got.Lines[0].Used)
		}
		l := note("a", 0)
		l.Refunds = []ledger.Stamp{{Index: got.Lines[0].Index, Units: 5}}
		r.do(l) // nobody knows how much went over
		r.used("a", ledger.MaxUnits)
	},

	"numbers up to 2^53 are exact": func(_ *testing.T, r *rig) {
		r.do(note("a", ledger.MaxUnits-2))
		r.do(note("a", 1))
		r.used("a", ledger.MaxUnits-1)
		r.verdict(r.do(ask("a", 1, ledger.MaxUnits-1)), ledger.Denied)
	},

	"tenants are apart": func(_ *testing.T, r *rig) {
		r.do(note("a", 5))
		other := *r
		other.tenant += "other"
		other.used("a", 0)
	},

	"names are bytes": func(t *testing.T, r *rig) {
		for _, name := range []string{"\x00", "{", "}{x}", "\xff\xfe", "a\r\n$1", strings.Repeat("k", ledger.MaxName)} {
			r := &rig{t: t, Harness: r.Harness, tenant: ("t" + name)[:min(len(name)+1, ledger.MaxTenant)] + r.tenant, holder: "\x00holder"}
			if len(r.tenant) > ledger.MaxTenant {
				r.tenant = r.tenant[len(r.tenant)-ledger.MaxTenant:]
			}
			l := ask(name, 1, 10)
			l.Owner = name
			r.do(l)
			r.verdict(r.do(l), ledger.Allowed)
			if c := r.cells(10)[name]; c.Used != 2 || c.Owner != name || !bytes.Equal(c.Key, []byte(name)) {
				t.Errorf("%q: %d in use", name[:1], c.Used)
			}
		}
	},

	"what no ledger could count is refused": func(t *testing.T, r *rig) {
		if _, err := r.Ledger.Do(t.Context(), r.batch(ask("a", -1, 10))); err == nil || errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("%v", err)
		}
	},

	"a call that nobody waits for fails": func(t *testing.T, r *rig) {
		r.do(note("a", 1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Ledger.Do(ctx, r.batch(note("a", 1))); !errors.Is(err, ledger.ErrUnavailable) {
			t.Fatalf("%v", err)
		}
	},

	"receipts lie within Now": func(t *testing.T, r *rig) {
		for range 20 {
			before, _, _ := r.Ledger.Now()
			got := r.do(note("a", 1)).Now
			_, after, known := r.Ledger.Now()
			if !known || got < before || got > after {
				t.Fatalf("%d is not in %d to %d", got, before, after)
			}
		}
	},

	"time never goes back": func(t *testing.T, r *rig) {
		last := int64(0)
		for range 50 {
			now := r.do(note("a", 1)).Now
			if now < last {
				t.Fatalf("%d after %d", now, last)
			}
			last = now
		}
	},

	"many at once get no more than there is": func(t *testing.T, r *rig) {
		const most = 100
		var admitted, seq atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 10 {
					b := &ledger.Batch{Tenant: r.tenant, Holder: r.holder, Seq: seq.Add(1), Lines: []ledger.Line{ask("a", 1, most), ask("b", 1, 2*most)}}
					got, err := r.Ledger.Do(context.Background(), b)
					if err != nil {
						t.Error(err)
						return
					}
					if got.Verdict == ledger.Allowed {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if admitted.Load() != most {
			t.Fatalf("%d admitted, want %d", admitted.Load(), most)
		}
		r.used("b", most)
	},
}

func freely(l ledger.Line) ledger.Line { l.Class = ledger.Free; return l }
