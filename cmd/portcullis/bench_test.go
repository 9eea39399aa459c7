package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// TestBenchEchoProcess is no test but the child of those below: the test binary, started once more.
func TestBenchEchoProcess(t *testing.T) {
	if flag.NArg() != 2 || flag.Arg(0) != "echo" {
		t.Skip("only as a child")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := serveEcho(ctx, flag.Arg(1)); err != nil {
		t.Fatal(err)
	}
}

// echoChild starts the echo as a process, as bench does.
func echoChild(t *testing.T, args ...string) *child {
	t.Helper()
	c, err := startChild(t.Context(), os.Args[0], append([]string{"-test.run=^TestBenchEchoProcess$", "--"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

func TestBenchChild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "addr")
	c := echoChild(t, "echo", file)
	addr, err := c.addr(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := remote{Addr: addr, Token: "none"}.connect(asAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := subjects{echo: conn}
	if err := s.echoCall(workloads[0])(t.Context(), "s", 1); err != nil {
		t.Error(err)
	}
	c.stop()
	if err := s.echoCall(workloads[0])(t.Context(), "s", 1); err == nil {
		t.Error("a stopped child answers")
	}
}

func TestBenchChildThatEndsIsNotWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "addr")
	c := echoChild(t, "nothing", file) // skips and ends
	if _, err := c.addr(t.Context(), file); err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("got %v", err)
	}
}

// Whatever fails on the way, what was begun is undone.
func TestBenchThatCannotStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fails, err := exec.LookPath("false")
	if err != nil {
		t.Skip("no program that fails")
	}
	for _, program := range []string{fails, filepath.Join(t.TempDir(), "nothing")} {
		if _, _, err := (benchCmd{}).start(t.Context(), program); err == nil {
			t.Errorf("%s: started", program)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchMeasuresBothAndSaysHowManyTimesTheEcho(t *testing.T) {
	f := &fakePDP{deny: []string{"send_email"}}
	server := f.listen(t).remote
	file := filepath.Join(t.TempDir(), "addr")
	echo := echoChild(t, "echo", file)
	addr, err := echo.addr(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	var s subjects
	if s.decide, err = server.connect(asAgent); err != nil {
		t.Fatal(err)
	}
	defer s.decide.Close()
	if s.echo, err = (remote{Addr: addr, Token: "none"}).connect(asAgent); err != nil {
		t.Fatal(err)
	}
	defer s.echo.Close()
	c := benchCmd{At: []int{1, 4}, Duration: 20 * time.Millisecond, Rounds: 2}
	got, err := c.measure(t.Context(), streams{nil, io.Discard, io.Discard}, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(c.At)*len(workloads) {
		t.Fatalf("%d results", len(got))
	}
	for _, r := range got {
		if r.Decide.PerSecond <= 0 || r.Echo.PerSecond <= 0 || r.Decide.P50Micros > r.Decide.P99Micros || r.TimesEcho.PerRequest <= 0 || r.TimesEcho.P50 <= 0 {
			t.Errorf("%+v", r)
		}
	}
	var out bytes.Buffer
	if err := printBench(&out, got); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1+len(got)+2 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

// A bench that measures denials as if they were allows would look fast.
func TestBenchRefusesAnotherAnswerThanTheWorkloads(t *testing.T) {
	f := &fakePDP{deny: []string{"calculator"}}
	conn, err := f.listen(t).connect(asAgent)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = subjects{decide: conn}.decideCall(workloads[0])(t.Context(), "s", 1)
	if err == nil || !strings.Contains(err.Error(), "DENY (TOOL_NOT_ALLOWED) instead of ALLOW") {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	var calls atomic.Int64
	var mu sync.Mutex
	sessions, numbers := map[string]bool{}, map[int]bool{}
	l := load{concurrency: 3, duration: 30 * time.Millisecond, session: "s", call: func(_ context.Context, session string, n int) error {
		calls.Add(1)
		mu.Lock()
		defer mu.Unlock()
		sessions[session] = true
		if numbers[n] {
			return errors.New("a number came twice")
		}
		numbers[n] = true
		return nil
	}}
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 3 || got.perSecond <= 0 || got.perSecond > float64(calls.Load())/l.duration.Seconds()+1 {
		t.Errorf("%d sessions, %d calls, %+v", len(sessions), calls.Load(), got)
	}
}

func TestLoadEndsAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	l := load{concurrency: 4, duration: time.Hour, call: func(ctx context.Context, _ string, n int) error {
		if n == 2 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	if _, err := l.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestQuantileAndMedian(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(i+1))
	}
	if a, b := quantile(took, 0.5), quantile(took, 0.99); a != 50 || b != 99 {
		t.Errorf("p50 %d and p99 %d of 1 to 100", a, b)
	}
	if got := quantile([]time.Duration{7}, 0.99); got != 7 {
		t.Errorf("p99 of one is %d", got)
	}
	if a, b := median([]float64{3, 1, 2}), median([]float64{4, 1, 2, 3}); a != 2 || b != 2.5 {
		t.Errorf("medians %g and %g", a, b)
	}
}

func TestBenchResultIsTheMedianOfTheRoundsRatios(t *testing.T) {
	m := benchRounds{
		decide: []sample{{100, 20, 200}, {50, 40, 400}, {10, 30, 300}},
		echo:   []sample{{200, 10, 100}, {150, 10, 100}, {10, 10, 100}},
	}
	got := m.result()
	// The rounds' ratios are 2, 3, 1 and 2, 4, 3; that of the medians would be 150/50 = 3.
	if got.TimesEcho != (benchRatio{PerRequest: 2, P50: 3, P99: 3}) || got.Decide.PerSecond != 50 || got.Echo.PerSecond != 150 {
		t.Errorf("%+v", got)
	}
}

func TestBenchWorkloadsAreWhatTheySay(t *testing.T) {
	for _, w := range workloads {
		one, two := w.request("s", 1).GetAction().GetArgumentsJson(), w.request("s", 2).GetAction().GetArgumentsJson()
		if !json.Valid([]byte(one)) || one == two {
			t.Errorf("%s: arguments %.60s and %.60s", w.name, one, two)
		}
		if size := len(one); strings.Contains(w.name, "1 KB") && (size < 900 || size > 1100) {
			t.Errorf("%s has %d bytes", w.name, size)
		}
	}
}

func TestBenchLimitsRaiseEveryRow(t *testing.T) {
	place, err := newBenchPlace()
	if err != nil {
		t.Fatal(err)
	}
	defer place.remove()
	for table, name := range map[string]string{"limits": "session_calls_per_minute", "anomalies": "tool_calls_per_minute"} {
		raw, err := os.ReadFile(place.file(filepath.Join("limits", "tables", table, "data.yaml")))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string][]struct {
			Name string
			Max  int64
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, row := range got[table] {
			found = found || row.Name == name
			if row.Max != benchMax {
				t.Errorf("%s of %s is %d", row.Name, table, row.Max)
			}
		}
		if !found {
			t.Errorf("%s lacks %s: %v", table, name, got)
		}
	}
}

func TestBenchServesWithItsOwnBundleOnTop(t *testing.T) {
	args := benchCmd{Bundle: []string{"https://example.com/b.tar.gz", "mine"}}.serveArguments(benchPlace{"place"})
	var bundles []string
	for i, a := range args {
		if a == "--bundle" {
			bundles = append(bundles, args[i+1])
		}
	}
	if len(bundles) != 3 || bundles[0] != "https://example.com/b.tar.gz" || !filepath.IsAbs(bundles[1]) || filepath.Base(bundles[2]) != "limits" {
		t.Errorf("bundles %q", bundles)
	}
	if !slices.Contains(args, "--dev") || !slices.Contains(args, "127.0.0.1:0") {
		t.Errorf("arguments %q", args)
	}
}

func TestBenchKeepsTheEndOfWhatAChildSays(t *testing.T) {
	var said tail
	for range 100 {
		if _, err := said.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := said.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	if got := said.String(); len(got) > childOutput || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestBenchChildrenKnowNoSettingsOfOtherServers(t *testing.T) {
	got := childEnv([]string{"PORTCULLIS_LISTEN=127.0.0.1:7070", "HOME=h", "PORTCULLIS_TOKEN=t"})
	if !slices.Equal(got, []string{"HOME=h"}) {
		t.Errorf("%q", got)
	}
}

var _ pb.DecisionServiceServer = (*fakePDP)(nil)
