package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
)

var _ redis.Memory = (*embedded.Memory)(nil)

// shared parses the flags of serve.
func shared(t *testing.T, args ...string) (*redis.Config, error) {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.DefaultEnvars("PORTCULLIS"), kong.PostBuild(narrowEnvironment), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		return nil, err
	}
	return c.Serve.Shared.redis()
}

func TestSharedFlags(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none, err := shared(t)
	if none != nil || err != nil {
		t.Errorf("nothing given: %v %v", none, err)
	}
	t.Setenv("PORTCULLIS_REDIS_URL", "redis://app@a:1,b,c:3")
	t.Setenv("PORTCULLIS_REDIS_TIMEOUT", "250ms")
	t.Setenv("PORTCULLIS_REDIS_SENTINEL_PASSWORD", "hunter3")
	got, err := shared(t, "--redis-sentinel", "mymaster", "--redis-password-file", password, "--redis-durable", "--replica-name", "eu-1", "--redis-prefix", "pc")
	if err != nil {
		t.Fatal(err)
	}
	want := redis.Config{
		URL: "redis://app@a:1,b,c:3", Sentinel: "mymaster", PasswordFile: password, SentinelPassword: "hunter3", Prefix: "pc",
		Timeout: 250 * time.Millisecond, Durable: true, ClientName: "portcullis-eu-1",
	}
	if *got != want {
		t.Errorf("got\n%#v\nwant\n%#v", *got, want)
	}
	if shown := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(shown, "hunter3") {
		t.Errorf("a password is shown: %s", shown)
	}
}

func TestSharedFlagsThatContradict(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a Sentinel of nothing":     {[]string{"--redis-sentinel", "mymaster"}, "--redis-sentinel is given without --redis-url"},
		"a cluster of nothing":      {[]string{"--redis-cluster"}, "without --redis-url"},
		"a password for nothing":    {[]string{"--redis-password-file", "x"}, "without --redis-url"},
		"a promise about nothing":   {[]string{"--redis-durable"}, "without --redis-url"},
		"no scheme":                 {[]string{"--redis-url", "localhost:6379"}, "redis://"},
		"another scheme":            {[]string{"--redis-url", "http://localhost"}, "redis://"},
		"both kinds":                {[]string{"--redis-url", "redis://a,b", "--redis-sentinel", "m", "--redis-cluster"}, "not both"},
		"several, of no kind":       {[]string{"--redis-url", "redis://a,b"}, "say which"},
		"too patient":               {[]string{"--redis-url", "redis://a", "--redis-timeout", "1m"}, "time-out is 5 ms to 5 s"},
		"certificate without TLS":   {[]string{"--redis-url", "redis://a", "--redis-ca", "ca.pem"}, "rediss://"},
		"certificate not there":     {[]string{"--redis-url", "rediss://a", "--redis-ca", "nowhere.pem"}, "nowhere.pem"},
		"password not there":        {[]string{"--redis-url", "redis://a", "--redis-password-file", "nowhere"}, "nowhere"},
		"abandoned and not":         {[]string{"--redis-url", "redis://a", "--abandon-redis"}, "which one is meant"},
		"a name for a terminal":     {[]string{"--replica-name", "a\x1b[2J"}, "--replica-name"},
		"a name that is no name":    {[]string{"--replica-name", strings.Repeat("a", 65)}, "--replica-name"},
		"a password in the address": {[]string{"--redis-url", "redis://app:hunter2@a"}, "no password"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shared(t, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v %v, want %s", got, err, c.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

// TestNobodyBeginsAtZeroUnnoticed: a directory that was used with a shared ledger counts alone only when it is told to.
func TestNobodyBeginsAtZeroUnnoticed(t *testing.T) {
	store, err := embedded.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	memory, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if err := mayCountAlone(memory, false, quiet); err != nil {
		t.Errorf("a new directory: %v", err)
	}
	if err := memory.Remember("acme", 7); err != nil {
		t.Fatal(err)
	}
	for _, abandon := range []bool{false, true, false} {
		err := mayCountAlone(memory, abandon, quiet)
		if shared, _ := memory.Shared(); shared != (err != nil) {
			t.Errorf("abandoned %v: %v, and remembered %v", abandon, err, shared)
		}
		if abandon && err != nil {
			t.Errorf("it was abandoned: %v", err)
		}
	}
	t.Setenv("PORTCULLIS_ABANDON_REDIS", "true")
	if _, err := shared(t, "--redis-url", "redis://a"); err != nil {
		t.Errorf("the environment abandons: %v", err)
	}
}
