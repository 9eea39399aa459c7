package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// settings parses the flags of serve, with a configuration file of that text.
func settings(t *testing.T, file string, args ...string) (serveCmd, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "portcullis.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Serve serveCmd `cmd:""`
	}
	parser, err := kong.New(&c, kong.DefaultEnvars("PORTCULLIS"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve", "--config", name}, args...))
	return c.Serve, err
}

func TestSettingsComeFromTheNearest(t *testing.T) {
	const file = "listen: 127.0.0.1:1\ndrain: 1s\ndata-dir: file\nbundle: [a, b]\ndev: true\nmemo: 7\n"
	t.Setenv("PORTCULLIS_DRAIN", "2s")
	t.Setenv("PORTCULLIS_DATA_DIR", "environment")
	t.Setenv("PORTCULLIS_LOG_FORMAT", "json")
	got, err := settings(t, file, "--data-dir", "flag")
	if err != nil {
		t.Fatal(err)
	}
	if got.DataDir != "flag" { // flag, environment, file
		t.Errorf("data-dir %s", got.DataDir)
	}
	if got.Drain != 2*time.Second { // environment, file
		t.Errorf("drain %s", got.Drain)
	}
	if got.Listen != "127.0.0.1:1" || !got.Dev || got.Memo != 7 || strings.Join(got.Bundle, " ") != "a b" { // file
		t.Errorf("%+v", got)
	}
	if got.LogFormat != "json" || got.LogMode != "block" { // environment; default
		t.Errorf("%+v", got)
	}
}

func TestSettingsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ file, says string }{
		"misspelt":             {"listn: x\n", "listn"},
		"several, in order":    {"zzz: 1\naaa: 2\n", "aaa, zzz"},
		"underscores":          {"data_dir: x\n", "data_dir"},
		"a file in a file":     {"config: other.yaml\n", "config"},
		"twice":                {"dev: true\ndev: false\n", "dev"},
		"not YAML":             {"dev: [\n", "portcullis.yaml"},
		"a list":               {"- dev\n", "portcullis.yaml"},
		"value of no enum":     {"log-mode: never\n", "log-mode"},
		"a word for a time":    {"drain: soon\n", "drain"},
		"text for true, false": {"dev: perhaps\n", "dev"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := settings(t, c.file); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want it to name %s", err, c.says)
			}
		})
	}
}

// TestLinksLeadToTheConsole unless the file of notifications says where else.
func TestLinksLeadToTheConsole(t *testing.T) {
	const target = "targets: []\n"
	for name, c := range map[string]struct {
		file string
		cmd  serveCmd
		want string
	}{
		"no console":        {target, serveCmd{}, ""},
		"on loopback":       {target, serveCmd{Console: "127.0.0.1:7080"}, "http://127.0.0.1:7080/approvals"},
		"reached elsewhere": {target, serveCmd{Console: "127.0.0.1:7080", ConsoleURL: "https://portcullis.example"}, "https://portcullis.example/approvals"},
		"as the file says":  {"console_url: https://desk.example/a\n" + target, serveCmd{Console: "127.0.0.1:7080"}, "https://desk.example/a"},
	} {
		dir := t.TempDir()
		c.cmd.Dev, c.cmd.DataDir, c.cmd.OperatorDir, c.cmd.Notify = true, filepath.Join(dir, "data"), filepath.Join(dir, "operator"), filepath.Join(dir, "notify.yaml")
		if err := os.WriteFile(c.cmd.Notify, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := c.cmd.prepare(slog.New(slog.DiscardHandler))
		if err != nil || got.notify.ConsoleURL != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got.notify.ConsoleURL, c.want, err)
		}
	}
}
