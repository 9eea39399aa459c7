package main

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is when the golden pictures were taken.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func in(d time.Duration) string { return noon.Add(d).Format(time.RFC3339Nano) }

// usage is one counter of every kind.
func usage() *pb.GetUsageResponse {
	return &pb.GetUsageResponse{Rows: []*pb.UsageRow{
		{Status: &pb.LimitStatus{
			Name: "session_cost", Scope: []string{"session"}, Measure: "cost_micro_usd", Used: 12_345_678, Max: 10_000_000, Period: "session",
			OnExceed: "deny", Exceeded: true,
		}, Agent: "billing", Session: "s-1"},
		{Status: &pb.LimitStatus{
			Name: "tenant_cost_per_month", Scope: []string{"tenant"}, Measure: "cost_micro_usd", Used: 5_000_000_000, Max: 5_000_000_000, Period: "month",
			OnExceed: "deny", Exceeded: true,
		}, Amnesia: true},
		{Status: &pb.LimitStatus{
			Name: "agent_calls_per_minute", Scope: []string{"tenant", "agent"}, Measure: "calls", Used: 599, Max: 600, WindowSeconds: 60, Period: "window",
			ResetsAt: in(11500 * time.Millisecond), OnExceed: "deny",
		}, Agent: "billing", Booked: 60},
		{Status: &pb.LimitStatus{
			Name: "user_tokens_per_day", Scope: []string{"user"}, Measure: "tokens", Used: 812_345, Max: 1_000_000, WindowSeconds: 86_400, Period: "day",
			ResetsAt: in(12 * time.Hour), OnExceed: "require_approval",
		}},
		{Status: &pb.LimitStatus{
			Name: "tool_bytes", Scope: []string{"tool"}, Measure: "bytes", Used: 1_600_000, Max: 10 << 20, WindowSeconds: 3600, Period: "window",
			ResetsAt: in(time.Hour + 5*time.Minute), OnExceed: "alert",
		}, Tool: "send mail\x1b[2J\u202e"},
		{Status: &pb.LimitStatus{
			Name: "failed_calls", Scope: []string{"agent", "tool"}, Measure: "failures", Used: 1, Max: 10, WindowSeconds: 90, Period: "window",
			ResetsAt: in(-time.Second), OnExceed: "alert",
		}, Agent: strings.Repeat("long-", 25) + "end", Tool: "http_request"},
	}}
}

// TestPictures compares with testdata/limits: wide and narrow, plain and coloured, and with no room at all.
func TestPictures(t *testing.T) {
	few := func(n int) *pb.GetUsageResponse {
		return &pb.GetUsageResponse{Rows: usage().GetRows()[:n], Truncated: true}
	}
	for file, c := range map[string]struct {
		screen screen
		resp   *pb.GetUsageResponse
	}{
		"pipe.txt":         {screen{}, usage()},
		"wide.txt":         {screen{width: 160, live: true, unicode: true}, usage()},
		"colour.txt":       {screen{width: 160, live: true, unicode: true, colour: true}, usage()},
		"ascii-128.txt":    {screen{width: 128, live: true}, usage()},
		"narrow-80.txt":    {screen{width: 80, live: true, unicode: true}, usage()},
		"narrow-40.txt":    {screen{width: 40, live: true}, usage()},
		"tiny.txt":         {screen{width: 1, height: 1, live: true}, few(2)},
		"short-window.txt": {screen{width: 160, height: 5, live: true, unicode: true}, usage()},
		"truncated.txt":    {screen{width: 160, live: true}, few(1)},
		"nothing.txt":      {screen{width: 160}, &pb.GetUsageResponse{}},
		"nothing-left.txt": {screen{width: 160}, &pb.GetUsageResponse{Amnesia: true}},
	} {
		t.Run(file, func(t *testing.T) {
			got := usageView{screen: c.screen, now: noon}.render(c.resp)
			path := filepath.Join("testdata", "limits", file)
			if *update {
				if err := writeFile(path, []byte(got)); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%v\n got\n%s\nwant\n%s", err, got, want)
			}
			if c.screen.colour {
				return
			}
			for line := range strings.Lines(got) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); c.screen.width > 20 && n > c.screen.width {
					t.Errorf("%d characters on a screen of %d: %s", n, c.screen.width, line)
				}
			}
			if h := strings.Count(got, "\n"); c.screen.height > 4 && h > c.screen.height {
				t.Errorf("%d lines on a screen of %d", h, c.screen.height)
			}
		})
	}
}

// TestThreat_A15_NamesInLimits: no name of an agent, a session or a tool writes to the terminal, or passes for another.
func TestThreat_A15_NamesInLimits(t *testing.T) {
	for in, want := range map[string]string{
		"send_email":         "send_email",
		"ann@acme.example:1": "ann@acme.example:1",
		"":                   `""`,
		"a session=b":        `"a session=b"`,
		`"quoted"`:           `"\"quoted\""`,
		"\x1b[2J\x1b]0;x\a":  `"\x1b[2J\x1b]0;x\a"`,
		"a\u202eb\u2066c":    `"a\u202eb\u2066c"`,
		"раypal":             `"\u0440\u0430ypal"`,
		"שלום":               `"\u05e9\u05dc\u05d5\u05dd"`,
		"e\u0301\u0301":      `"e\u0301\u0301"`,
		"bad\xff":            `"bad\xff"`,
		"line\nline":         `"line\nline"`,
	} {
		if got := name(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
	evil := "x\x1b[31m\u202e\r\n"
	row := &pb.UsageRow{
		Status: &pb.LimitStatus{Name: evil, Scope: []string{"agent", evil}, Measure: evil, Period: evil, OnExceed: evil, ResetsAt: evil},
		Agent:  evil, User: evil, Session: evil, Tool: evil, Booked: math.MinInt64,
	}
	for _, width := range []int{0, 30, 400} {
		out := usageView{screen: screen{width: width}, now: noon}.render(&pb.GetUsageResponse{Rows: []*pb.UsageRow{row}})
		for _, r := range out {
			if r != '\n' && (r < 0x20 || r > 0x7e) {
				t.Fatalf("width %d prints %U:\n%q", width, r, out)
			}
		}
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		measure string
		n       int64
		want    string
	}{
		{"calls", 0, "0"},
		{"calls", 999, "999"},
		{"calls", 1000, "1,000"},
		{"tokens", 1_234_567, "1,234,567"},
		{"failures", -1234, "-1,234"},
		{"calls", math.MaxInt64, "9,223,372,036,854,775,807"},
		{"calls", math.MinInt64, "-9,223,372,036,854,775,808"},
		{"cost_micro_usd", 0, "$0.00"},
		{"cost_micro_usd", 1, "$0.000001"},
		{"cost_micro_usd", 10_000, "$0.01"},
		{"cost_micro_usd", 1_500_000, "$1.50"},
		{"cost_micro_usd", 9_999_999, "$9.999999"}, // never rounded to what it is not
		{"cost_micro_usd", 1_234_567_800_000, "$1,234,567.80"},
		{"cost_micro_usd", -2_000_000, "-$2.00"},
		{"bytes", 0, "0 B"},
		{"bytes", 1023, "1,023 B"},
		{"bytes", 1024, "1 KiB"},
		{"bytes", 1536, "1.5 KiB"},
		{"bytes", 2<<20 - 1, "1.9 MiB"}, // rounded down
		{"bytes", math.MaxInt64, "7.9 EiB"},
		{"of a later version", 12_000, "12,000"},
	} {
		if got := amount(c.measure, c.n); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.measure, c.n, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		used, limit int64
		want        string
	}{
		{0, 10, "0%"},
		{1, 1000, "0%"},
		{999, 1000, "99%"},
		{math.MaxInt64 - 1, math.MaxInt64, "99%"}, // as floats they are the same
		{10, 10, "100%"},
		{11, 10, "110%"},
		{math.MaxInt64, 1, ">999%"},
		{0, 0, "100%"},
		{5, -1, "100%"},
		{-5, 10, "0%"},
	} {
		if got := percent(c.used, c.limit); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.used, c.limit, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		used, limit, booked int64
		want                string
	}{
		{0, 10, 0, "[....................]"},
		{5, 10, 0, "[##########..........]"},
		{5, 10, 2, "[######++++..........]"},
		{5, 10, 5, "[++++++++++..........]"},
		{5, 10, 99, "[++++++++++..........]"},
		{5, 10, -1, "[##########..........]"},
		{999, 1000, 0, "[###################.]"},
		{10, 10, 0, "[####################]"},
		{11, 10, 0, "[####################!"},
		{11, 10, 6, "[##########++++++++++!"},
		{1, 0, 0, "[####################!"},
		{-5, 10, 0, "[....................]"},
		{1 << 62, 1 << 62, 0, "[####################]"},
		{math.MaxInt64 - 1, math.MaxInt64, 0, "[###################.]"},
	} {
		row := &pb.UsageRow{Status: &pb.LimitStatus{Used: c.used, Max: c.limit}, Booked: c.booked}
		if got := (usageView{}).bar(row, 20); got != c.want {
			t.Errorf("%d of %d, %d booked: %s, want %s", c.used, c.limit, c.booked, got, c.want)
		}
	}
}

// TestColours go by what is spent, for what is booked comes and goes.
func TestColours(t *testing.T) {
	for _, c := range []struct {
		used, booked int64
		amnesia      bool
		want         string
	}{
		{79, 0, false, green},
		{80, 0, false, yellow},
		{100, 0, false, red},
		{130, 0, false, red},
		{100, 25, false, green},
		{100, 20, false, yellow},
		{100, 200, false, green},
		{100, -5, false, red},
		{1, 0, true, red},
	} {
		row := &pb.UsageRow{Status: &pb.LimitStatus{Used: c.used, Max: 100}, Booked: c.booked, Amnesia: c.amnesia}
		if got := colourOf(usageLine{row: row}); got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1: "1s", time.Second: "1s", 1500 * time.Millisecond: "2s", time.Minute: "1m", 61 * time.Second: "1m 1s",
		time.Hour: "1h", time.Hour + time.Second: "1h", 90 * time.Minute: "1h 30m", 24 * time.Hour: "1d", 31*24*time.Hour + 5*time.Hour + time.Minute: "31d 5h",
	} {
		if got := length(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "en_GB.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LC_CTYPE": "C.UTF-8", "LANG": "C"}, true},
	} {
		if got := speaksUTF8(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}

// TestWatchElsewhere: what is not a terminal gets pictures one after another, and scripts a line of JSON each.
func TestWatchElsewhere(t *testing.T) {
	var b bytes.Buffer
	f := openFrame(&b, false)
	for _, broken := range []error{nil, errors.New("no server answers\x1b[2J")} {
		if err := f.show(usage(), broken); err != nil {
			t.Fatal(err)
		}
	}
	f.close()
	if out := b.String(); strings.Count(out, "limits at ") != 2 || !strings.Contains(out, `NO ANSWER SINCE: no server answers\u001b[2J`) || strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
	b.Reset()
	f = openFrame(&b, true)
	for _, broken := range []error{nil, errors.New("gone"), nil} {
		if err := f.show(usage(), broken); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(b.String(), "\n") != 2 {
		t.Errorf("%q", b.String())
	}
}

// TestConfirmation: only the word itself confirms.
func TestConfirmation(t *testing.T) {
	for typed, want := range map[string]bool{
		"recover\n": true, "  recover \n": true, "recover": true,
		"": false, "\n": false, "y\n": false, "yes\n": false, "RECOVER\n": false, "recover it\n": false,
		strings.Repeat(" ", 100) + "recover\n": false,
	} {
		var asked bytes.Buffer
		err := confirm(t.Context(), streams{in: strings.NewReader(typed), err: &asked})
		if (err == nil) != want {
			t.Errorf("%q: %v", typed, err)
		}
		if exit, ok := errors.AsType[*exitError](err); !want && (!ok || exit.code != 3) {
			t.Errorf("%q: %v", typed, err)
		}
		if !strings.Contains(asked.String(), "cannot be taken back") {
			t.Errorf("it was not said what it costs: %s", &asked)
		}
	}
}

// TestPrintWholeIsStable: all fields, no spaces at random, so that a script may compare lines.
func TestPrintWholeIsStable(t *testing.T) {
	var b bytes.Buffer
	for range 3 {
		if err := printWhole(&b, &pb.GetUsageResponse{Rows: []*pb.UsageRow{{Status: &pb.LimitStatus{Name: "x", Max: 3}, Agent: "a"}}}); err != nil {
			t.Fatal(err)
		}
	}
	const line = `{"rows":[{"status":{"name":"x","scope":[],"measure":"","used":"0","max":"3","window_seconds":"0","resets_at":"","exceeded":false,"on_exceed":"","period":""},` +
		`"agent":"a","user":"","session":"","tool":"","booked":"0","amnesia":false}],"truncated":false,"amnesia":false}` + "\n"
	if b.String() != line+line+line {
		t.Errorf("got\n%s\nwant thrice\n%s", b.String(), line)
	}
}

func TestLimitsFlags(t *testing.T) {
	for _, args := range [][]string{{"--max", "0"}, {"--max", "1001"}, {"--every", "100ms"}, {"--every", "2h"}, {"--every", "-1s"}} {
		if _, problems, code := typed(t, append([]string{"limits"}, args...)...); code != 2 || !strings.Contains(problems, args[0]) {
			t.Errorf("%v: exit code %d, %s", args, code, problems)
		}
	}
	t.Setenv("PORTCULLIS_YES", "true") // what can't be taken back stands on the line, or not at all
	var c cli
	parser, err := kong.New(&c, kong.DefaultEnvars("PORTCULLIS"), kong.PostBuild(narrowEnvironment), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"limits", "recover"}); err != nil || c.Limits.Recover.Yes {
		t.Errorf("the environment confirmed: %v %+v", err, c.Limits.Recover)
	}
}
