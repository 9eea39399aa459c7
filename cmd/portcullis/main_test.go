package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// typed is what a command printed.
func typed(t *testing.T, args ...string) (out, problems string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &o, &e})
	return o.String(), e.String(), code
}

func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string // on standard error
	}{
		"version":           {[]string{"version"}, 0, ""},
		"help":              {[]string{"--help"}, 0, ""},
		"nothing":           {nil, 2, "expected one of"},
		"unknown command":   {[]string{"srve"}, 2, "srve"},
		"unknown flag":      {[]string{"version", "--loud"}, 2, "--loud"},
		"missing argument":  {[]string{"decide"}, 2, "<file>"},
		"value of no enum":  {[]string{"log", "query", "--effect", "denied"}, 2, "effect"},
		"a file not there":  {[]string{"scan", filepath.Join(t.TempDir(), "nowhere")}, 2, "nowhere"},
		"no action in JSON": {[]string{"inspect", "-"}, 2, "neither an Action nor a DecideRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, problems, code := typed(t, c.args...); code != c.code || !strings.Contains(problems, c.says) {
				t.Errorf("exit code %d, want %d with %q: %s", code, c.code, c.says, problems)
			}
		})
	}
}

// TestExplainNamesCodeAndReason: a script can search for the reason, a person reads the message.
func TestExplainNamesCodeAndReason(t *testing.T) {
	with, err := status.New(codes.NotFound, "there is no such approval").WithDetails(&errdetails.ErrorInfo{Reason: "APPROVAL_NOT_FOUND"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"with a reason":     {with.Err(), "NotFound (APPROVAL_NOT_FOUND): there is no such approval"},
		"without":           {status.Error(codes.Internal, "broken"), "Internal: broken"},
		"no server":         {status.Error(codes.Unavailable, "connection refused"), "no server answers (connection refused): start `portcullis serve`, or give --addr"},
		"not from a server": {errors.New("no token"), "no token"},
		"the end":           {io.EOF, "EOF"},
	} {
		if got := explain(c.err); got == nil || got.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	if explain(nil) != nil {
		t.Error("nothing became an error")
	}
}

// TestThreat_A15_Plain: text from elsewhere can't move the cursor, hide or turn around what stands beside it.
func TestThreat_A15_Plain(t *testing.T) {
	for in, want := range map[string]string{
		"send_email":       "send_email",
		"zwölf Äpfel":      "zwölf Äpfel",
		"a\nb":             `a\u000ab`,
		"\x1b[2J":          `\u001b[2J`,
		"a\u202eb":         `a\u202eb`,
		"a\u200bb":         `a\u200bb`,
		"a\u00a0b\u2028c":  `a\u00a0b\u2028c`,
		"\u007f\u0085":     `\u007f\u0085`,
		"bad\xff":          "bad\ufffd",
		"\U000e0041hidden": `\ue0041hidden`,
	} {
		if got := plain(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestCredentialTravelsOnlyOverTLSOffLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:7070": true, "127.9.9.9:1": true, "[::1]:7070": true, "localhost:7070": true,
		"192.0.2.1:7070": false, "example.com:7070": false, "localhost.example.com:7070": false, "0.0.0.0:7070": false, "127.0.0.1": false, "": false,
	} {
		if got := isLoopback(addr); got != want {
			t.Errorf("%q: loopback %v", addr, got)
		}
	}
	r := remote{Addr: "192.0.2.1:7070", Token: "t"}
	if _, err := r.connect(asAgent); err == nil || !strings.Contains(err.Error(), "--tls-ca") {
		t.Errorf("connected: %v", err)
	}
}

// TestTokenIsFound where development mode puts it, and a given one wins.
func TestTokenIsFound(t *testing.T) {
	data, operator := t.TempDir(), t.TempDir()
	for _, file := range []string{filepath.Join(data, "agent.token"), filepath.Join(operator, "approver.token"), filepath.Join(operator, "admin.token")} {
		if err := os.WriteFile(file, []byte(filepath.Base(file)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := remote{DataDir: data, OperatorDir: operator}
	for _, as := range []who{asAgent, asApprover, asAdmin} {
		if got, err := r.token(as); err != nil || got != string(as)+".token" {
			t.Errorf("%s: %q %v", as, got, err)
		}
	}
	r.Token = "given"
	if got, err := r.token(asAdmin); err != nil || got != "given" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := (remote{DataDir: t.TempDir()}).token(asAgent); err == nil || !strings.Contains(err.Error(), "serve --dev") {
		t.Errorf("what to do is not said: %v", err)
	}
}

func TestReadInputIsBounded(t *testing.T) {
	for _, c := range []struct {
		size int
		fits bool
	}{{0, true}, {maxRequestBytes, true}, {maxRequestBytes + 1, false}} {
		raw, err := readInput("-", streams{in: io.LimitReader(zeros{}, int64(c.size))})
		if (err == nil) != c.fits || c.fits && len(raw) != c.size {
			t.Errorf("%d bytes: read %d, %v", c.size, len(raw), err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestKillNameIsInOrder(t *testing.T) {
	for want, k := range map[string]*pb.KillSwitch{
		"agent a, session s, tool t": {Tenant: "x", Agent: "a", Session: "s", Tool: "t"},
		"tool t":                     {Tenant: "x", Tool: "t"},
		"tenant x":                   {Tenant: "x"},
	} {
		for range 10 {
			if got := killName(k); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
}

func TestWriteFileIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "deep", "file")
	for _, text := range []string{"one", "two"} {
		if err := writeFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if raw, err := os.ReadFile(name); err != nil || string(raw) != text {
			t.Fatalf("%q %v", raw, err)
		}
	}
	if err := writeFile(filepath.Join(name, "below a file"), nil); err == nil {
		t.Error("written below a file")
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "taken"), []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	left, err := filepath.Glob(filepath.Join(dir, "taken.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/data/keys.json", "/data", true},
		{"/data/deep/keys.json", "/data", true},
		{"/data", "/data", true},
		{"/data2/keys.json", "/data", false},
		{"/keys.json", "/data", false},
		{"/data/../keys.json", "/data", false},
	} {
		if got := within(c.path, c.dir); got != c.want {
			t.Errorf("%s in %s: %v", c.path, c.dir, got)
		}
	}
}

// TestStack: what lies below the bundles that were named.
func TestStack(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"overlay/tables/agents/data.yaml": "default_profile: basic\n",
		"rules/rules/x.rego":              "package portcullis.rules.x\n\npassed := true\n",
		"empty/README.md":                 "nothing\n",
	} {
		if err := writeFile(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	at := func(names ...string) []string {
		for i, n := range names {
			names[i] = filepath.Join(dir, n)
		}
		return names
	}
	for name, c := range map[string]struct {
		paths   []string
		builtIn bool // the built-in policies are below
		refused string
	}{
		"nothing named":          {nil, true, ""},
		"an overlay":             {at("overlay"), true, ""},
		"rules of its own":       {at("rules"), false, ""},
		"overlay over rules":     {at("rules", "overlay"), false, ""},
		"nothing on top is fine": {at("overlay", "empty"), true, ""},
		"a folder with nothing":  {at("empty"), false, "is it the right folder?"},
		"a folder not there":     {at("nowhere"), false, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			places, err := stack(c.paths)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("%v, want %s", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := places.Read(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, there := b.Modules["portcullis/decision.rego"]; there != c.builtIn {
				t.Errorf("built-in policies below: %v, want %v", there, c.builtIn)
			}
		})
	}
}
