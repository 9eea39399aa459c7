package breaker_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
)

// model is what a breaker of failures in a row is, in a dozen lines and without a store.
type model struct {
	state    breaker.State
	failures int64
	until    time.Duration
	probe    string
	last     string // counted last
}

func (m *model) check(now time.Duration, id string) (may, probe bool) {
	switch {
	case m.state == breaker.Closed:
		return true, false
	case m.probe == id:
		return true, true
	case now < m.until:
		return false, false
	}
	m.state, m.probe, m.until = breaker.HalfOpen, id, now+20*time.Second
	return true, true
}

func (m *model) record(now time.Duration, id string, o breaker.Outcome) {
	open := func() { m.state, m.probe, m.until = breaker.Open, "", now+10*time.Second }
	switch {
	case m.state != breaker.Closed && m.probe != id, m.last == id && m.probe != id:
	case m.state != breaker.Closed && o == success:
		*m = model{state: breaker.Closed}
	case m.state != breaker.Closed:
		if o == failure {
			m.failures++
		}
		m.last = id
		open()
	case o == success:
		*m = model{state: breaker.Closed}
	case o == failure:
		m.last = id
		if m.failures++; m.failures >= 3 {
			open()
		}
	}
}

// TestThreat_E11_WhateverHappensABreakerIsItsModel plays random schedules on three replicas, with restarts and resets.
func TestThreat_E11_WhateverHappensABreakerIsItsModel(t *testing.T) {
	row := breaker.Definition{Name: "row", ConsecutiveFailures: 3, OpenSeconds: 10, ProbeSeconds: 20, JitterPercent: new(int64)}
	defs := []breaker.Definition{row}
	rapid.Check(t, func(t *rapid.T) {
		d := newDepot()
		all := []*fuse{d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{})}
		m := &model{state: breaker.Closed}
		now := time.Duration(0)
		ids, next := []string{"first"}, 0
		pick := func() (*fuse, string) {
			return rapid.SampledFrom(all).Draw(t, "replica"), rapid.SampledFrom(ids[max(len(ids)-4, 0):]).Draw(t, "id")
		}
		t.Repeat(map[string]func(*rapid.T){
			"check": func(t *rapid.T) {
				f, _ := pick()
				next++
				id := fmt.Sprint("d", next)
				ids = append(ids, id)
				may, probe := f.goes(id, bot, row)
				if wantMay, wantProbe := m.check(now, id); may != wantMay || probe != wantProbe {
					t.Fatalf("%s goes on %v, is a probe %v; the model says %v, %v", id, may, probe, wantMay, wantProbe)
				}
			},
			"report": func(t *rapid.T) {
				f, id := pick()
				o := rapid.SampledFrom([]breaker.Outcome{success, failure, failure, failure, notKnown}).Draw(t, "outcome")
				before := *m
				m.record(now, id, o)
				changes := f.tell(id, o, row)
				if m.state != before.state && (len(changes) != 1 || changes[0].State != m.state) {
					t.Fatalf("%s reports %d: changes %+v, the model is %s", id, o, changes, m.state)
				}
			},
			"release": func(t *rapid.T) {
				f, id := pick()
				if err := f.Release(ctx, defs, bot, id); err != nil {
					t.Fatal(err)
				}
				if m.probe == id {
					m.state, m.probe, m.until = breaker.Open, "", now
				}
			},
			"reset": func(t *rapid.T) {
				f, _ := pick()
				n, err := f.Reset(ctx, "acme", rapid.SampledFrom([]string{"", "bot"}).Draw(t, "agent"), "search")
				if open := m.state != breaker.Closed; err != nil || (n == 1) != open {
					t.Fatalf("closed %d, %v; the model is %s", n, err, m.state)
				}
				*m = model{state: breaker.Closed}
			},
			"pass": func(t *rapid.T) {
				by := time.Duration(rapid.SampledFrom([]int{1, 4, 9, 10, 19, 20}).Draw(t, "seconds")) * time.Second
				now += by
				d.pass(by)
			},
			"restart": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "replica")
				all[i] = d.fuse(t, breaker.Config{})
			},
			"": func(t *rapid.T) {
				f, _ := pick()
				s := f.peek(row)
				want := m.state
				if want != breaker.Closed && now >= m.until {
					want = breaker.HalfOpen
				}
				if s.State != want || s.Failures != m.failures {
					t.Fatalf("peek says %+v, the model %+v at %s", s, m, now)
				}
				if clean := m.state == breaker.Closed && m.failures == 0; clean != (d.size() == 0) {
					t.Fatalf("%d records, the model %+v", d.size(), m)
				}
			},
		})
	})
}

// TestARateIsWhatAllReportsSay compares with a list of all reports of the window, on one replica.
func TestARateIsWhatAllReportsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFuse(t)
		type told struct {
			at      int64
			failure bool
		}
		var list []told
		width := part.Microseconds()
		for range rapid.IntRange(10, 120).Draw(t, "reports") {
			f.pass(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 5, 7, 30, 61}).Draw(t, "seconds")) * time.Second)
			failed := rapid.IntRange(0, 2).Draw(t, "outcome") == 0
			list = append(list, told{f.now, failed})
			o := success
			if failed {
				o = failure
			}
			opened := f.hear(byRate, o) == breaker.Open
			calls, failures := int64(0), int64(0)
			for _, r := range list {
				if r.at/width < f.now/width-10 {
					continue
				}
				if calls++; r.failure {
					failures++
				}
			}
			trips := calls >= 10 && failures*2 >= calls && failures > 0
			if opened && !trips || trips && failed && !opened {
				t.Fatalf("opened %v with %d failures among %d reports", opened, failures, calls)
			}
			if opened {
				list = nil
				f.pass(time.Minute)
				f.want("the probe", fmt.Sprint("p", f.now), true, true, byRate)
				f.tell(fmt.Sprint("p", f.now), success, byRate)
			}
		}
	})
}
