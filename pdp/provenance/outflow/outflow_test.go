package outflow

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

var (
	s1   = provenance.ID{Tenant: "t", Agent: "a", Session: "1"}
	s2   = provenance.ID{Tenant: "t", Agent: "a", Session: "2"}
	when = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
)

func tails(cfg Config) (*Tails, *time.Time) {
	now := when
	return New(cfg, func() time.Time { return now }), &now
}

func query(text string) []Value { return []Value{{"/q", text}} }

// told is the seams of one field.
func told(seams []Seam) string {
	var b strings.Builder
	for _, s := range seams {
		b.WriteString("[" + s.Before + "|" + s.After + "]")
	}
	return b.String()
}

func TestAValueContinuesWhatItsFieldSentBefore(t *testing.T) {
	x, _ := tails(Config{})
	for i, c := range []struct {
		id   provenance.ID
		sink string
		text []Value
		want string
	}{
		{s1, "search", query("ab"), ""},
		{s1, "search", query("cd"), "[ab|cd]"},
		{s1, "search", query(""), ""},
		{s1, "search", query("ef"), "[abcd|ef]"},
		{s2, "search", query("gh"), ""}, // another session
		{s1, "mail", query("gh"), ""},   // another sink
		{s1, "search", query("g"), "[abcdef|g]"},
		{s1, "search", []Value{{"/x", "h"}}, "[g|h]"}, // another field, after the last call
		{s1, "search", []Value{{"/q", "i"}, {"/x", "k"}}, "[abcdefg|i][h|i][h|k]"},
	} {
		if got := told(x.Propose(c.id, fmt.Sprint(i), c.sink, c.text)); got != c.want {
			t.Errorf("%d: %s, want %s", i, got, c.want)
		}
	}
}

func TestWhatIsNotSentIsForgotten(t *testing.T) {
	x, _ := tails(Config{})
	x.Propose(s1, "1", "search", query("ab"))
	x.Propose(s1, "2", "search", query("XX"))
	x.Drop(s1, "2")
	x.Drop(s1, "2")
	x.Drop(s2, "1")
	x.Propose(s1, "3", "search", query("YY"))
	x.Replace(s1, "3", query("cd"))
	if got := told(x.Propose(s1, "4", "search", query("ef"))); got != "[abcd|ef]" {
		t.Error(got)
	}
}

func TestOnlyTheEndsAreKept(t *testing.T) {
	x, _ := tails(Config{})
	long := strings.Repeat("é", 5000)
	x.Propose(s1, "1", "search", query("start"))
	x.Propose(s1, "2", "search", query(long))
	got := x.Propose(s1, "3", "search", query(long))[0]
	if len(got.Before) > Window || len(got.Before) < Window-4 || len(got.After) > Window || !utf8.ValidString(got.Before+got.After) {
		t.Errorf("%d bytes before, %d after", len(got.Before), len(got.After))
	}
	if strings.Contains(got.Before, "start") {
		t.Error("what stands before the begin of a long value seems to touch its end")
	}
}

// Letter by letter, in more calls than are kept apart.
func TestOldCallsAreKeptAsOne(t *testing.T) {
	x, _ := tails(Config{})
	var sent strings.Builder
	for i := range 3 * maxSends {
		letter := string(rune('a' + i%26))
		seams := x.Propose(s1, fmt.Sprint(i), "search", []Value{{"/q", letter}, {"/n", "1"}})
		if i > 0 && seams[0].Before != sent.String() {
			t.Fatalf("after %d calls: %q, want %q", i, seams[0].Before, sent.String())
		}
		sent.WriteString(letter)
	}
}

func TestAllOfItIsBounded(t *testing.T) {
	x, now := tails(Config{MaxSessions: 50, MaxPerAgent: 20, MaxBytes: 200_000})
	for i := range 2000 {
		var values []Value
		for f := range 40 {
			values = append(values, Value{fmt.Sprintf("/f%d", f), strings.Repeat("x", 3000)})
		}
		id := provenance.ID{Tenant: "t", Agent: fmt.Sprint(i % 5), Session: fmt.Sprint(i)}
		if n := len(x.Propose(id, "d", fmt.Sprint(i%100), values)); n > maxFields+1+maxCrossed {
			t.Fatalf("%d seams", n)
		}
		if x.used.Len() > 50 || x.bytes > 200_000 || len(x.sessions) != x.used.Len() {
			t.Fatalf("%d sessions, %d bytes", x.used.Len(), x.bytes)
		}
	}
	one, _ := tails(Config{})
	for i := range 1000 {
		one.Propose(s1, fmt.Sprint(i), fmt.Sprint(i%200), query(strings.Repeat("x", 3000)))
	}
	s := one.sessions[s1].Value.(*session)
	if len(s.sinks) > maxSinks || one.bytes > maxSinks*(maxSends+1)*(Window+2*overhead) {
		t.Errorf("%d sinks, %d bytes", len(s.sinks), one.bytes)
	}
	*now = now.Add(time.Hour)
	if x.Sweep(); len(x.sessions) != 0 || x.bytes != 0 || len(x.perAgent) != 0 {
		t.Errorf("%d sessions, %d bytes and %d agents after an hour without use", len(x.sessions), x.bytes, len(x.perAgent))
	}
}

func TestNobodyPushesAnotherAgentOut(t *testing.T) {
	x, _ := tails(Config{MaxPerAgent: 10})
	x.Propose(provenance.ID{Tenant: "t", Agent: "quiet", Session: "1"}, "1", "search", query("ab"))
	for i := range 1000 {
		x.Propose(provenance.ID{Tenant: "t", Agent: "loud", Session: fmt.Sprint(i)}, "1", "search", query("x"))
	}
	if got := told(x.Propose(provenance.ID{Tenant: "t", Agent: "quiet", Session: "1"}, "2", "search", query("cd"))); got != "[ab|cd]" {
		t.Error(got)
	}
}

// Of many at once each sees those before it.
func TestAtOnceIsInSomeOrder(t *testing.T) {
	x, _ := tails(Config{})
	var all sync.WaitGroup
	var mu sync.Mutex
	lengths := map[int]bool{}
	for i := range 20 {
		all.Go(func() {
			seams := x.Propose(s1, fmt.Sprint(i), "search", query("x"))
			mu.Lock()
			defer mu.Unlock()
			n := 0
			if len(seams) > 0 {
				n = len(seams[0].Before)
			}
			lengths[n] = true
		})
	}
	if all.Wait(); len(lengths) != 20 {
		t.Errorf("%d of 20 saw something of their own before them", len(lengths))
	}
}

func TestWhatIsSentIsNotPrinted(t *testing.T) {
	printed := fmt.Sprintf("%v %s %+v", Seam{"secret", "secret"}, Value{"/q", "secret"}, []Seam{{"secret", "secret"}})
	if strings.Contains(printed, "secret") {
		t.Error(printed)
	}
}

// Against the plain thing: all that a field ever sent, as far as no longer value lies between.
func TestTheEndOfAFieldIsThatOfAllItSent(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x, _ := tails(Config{})
		sent := map[string]string{}
		for i := range rapid.IntRange(1, 60).Draw(r, "calls") {
			var values []Value
			for _, p := range []string{"/a", "/b", "/c"} {
				if rapid.Bool().Draw(r, "has") {
					values = append(values, Value{p, strings.Repeat(rapid.StringMatching(`[a-zé]{1,3}`).Draw(r, "text"), rapid.SampledFrom([]int{1, 1, 5, 400}).Draw(r, "times"))})
				}
			}
			seams := x.Propose(s1, fmt.Sprint(i), "s", values)
			for _, v := range values {
				want := lastOf(sent[v.Pointer], Window)
				found := want == ""
				for _, s := range seams {
					found = found || s.Before == want && s.After == firstOf(v.Text, Window)
				}
				if !found {
					r.Fatalf("call %d: no seam of %s after %d bytes", i, v.Pointer, len(want))
				}
			}
			if rapid.IntRange(0, 3).Draw(r, "allowed") == 0 {
				x.Drop(s1, fmt.Sprint(i))
				continue
			}
			for _, v := range values {
				sent[v.Pointer] += v.Text
				if len(v.Text) > Window { // it fills the window by itself
					sent[v.Pointer] = lastOf(v.Text, Window)
				}
			}
		}
	})
}
