package redis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

func TestConfig(t *testing.T) {
	for address, want := range map[string]string{
		"redis://host":                    "[host:6379] user  db 0",
		"redis://host:1/3":                "[host:1] user  db 3",
		"redis://who@host/":               "[host:6379] user who db 0",
		"redis://wh%40o@host":             "[host:6379] user wh@o db 0",
		"rediss://host":                   "[host:6379] user  db 0 tls",
		"redis://[::1]:7":                 "[[::1]:7] user  db 0",
		"redis://[::1]":                   "[[::1]:6379] user  db 0",
		"redis://a:1,b,c:3/0":             "cluster [a:1 b:6379 c:3] user  db 0",
		"redis://a,b:2/4":                 "sentinel [a:26379 b:2] user  db 4",
		"redis://h?x=y":                   "",
		"redis://":                        "",
		"redis://,":                       "",
		"redis://a,b":                     "",
		"redis://h/x":                     "",
		"redis://h/-1":                    "",
		"redis://::1":                     "",
		"host:6379":                       "",
		"http://host":                     "",
		"redis://user:hunter2@host":       "",
		"redis://:hunter2@host":           "",
		"redis://user%3Ahunter2@host":     "",
		"redis://user:hunter2@host:x/y?z": "",
		"redis://%zzhunter2@host":         "",
	} {
		mode, _, ok := strings.Cut(want, " [")
		c := Config{URL: address, Cluster: ok && mode == "cluster"}
		if ok && mode == "sentinel" {
			c.Sentinel = "main"
		}
		p, err := c.parse()
		got := ""
		if err == nil {
			if ok {
				got = mode + " "
			}
			got += fmt.Sprintf("%v user %s db %d", p.addresses, p.user, p.database)
			if p.tls {
				got += " tls"
			}
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in the error: %v", err)
		}
		if got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	good := Config{URL: "redis://host"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(c *Config){
		"a time-out that nobody meets": func(c *Config) { c.Timeout = time.Millisecond },
		"a time-out for ever":          func(c *Config) { c.Timeout = time.Minute },
		"no bound":                     func(c *Config) { c.MaxCells = -1 },
		"two modes":                    func(c *Config) { c.Cluster, c.Sentinel = true, "main" },
		"a database of a cluster":      func(c *Config) { c.Cluster, c.URL = true, "redis://host/1" },
		"braces in the prefix":         func(c *Config) { c.Prefix = "{x}" },
		"certificates without TLS":     func(c *Config) { c.CAFile = "ca.pem" },
		"a CA that is not there":       func(c *Config) { c.URL, c.CAFile = "rediss://host", filepath.Join(t.TempDir(), "none") },
		"a certificate without a key":  func(c *Config) { c.URL, c.CertFile = "rediss://host", "cert.pem" },
		"a password twice":             func(c *Config) { c.Password, c.PasswordFile = "x", "y" },
		"a password that is not there": func(c *Config) { c.PasswordFile = filepath.Join(t.TempDir(), "none") },
		"a name with a line":           func(c *Config) { c.ClientName = "a\nb" },
	} {
		c := good
		if spoil(&c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := Open(c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestSecretsAreNotShown in anything that is printed, logged or written down.
func TestSecretsAreNotShown(t *testing.T) {
	var out bytes.Buffer
	c := Config{URL: "redis://host", Password: "hunter2", SentinelPassword: "hunter3"}
	slog.New(slog.NewTextHandler(&out, nil)).Info("config", "config", c, "password", c.Password)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("config", "password", c.Password)
	fmt.Fprintf(&out, "%v %+v %#v %s", c, c, c.Password, c.Password)
	written, err := json.Marshal(c.Password)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(written)
	if s := out.String(); strings.Contains(s, "hunter") {
		t.Fatal(s)
	}
}

// TestAPasswordIsReadAnewForEachConnection so that it can be changed without a restart, and is in no error.
func TestAPasswordIsReadAnewForEachConnection(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "hunter2")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hunter1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{URL: s.URL(), PasswordFile: file})
	redistest.Until(t, "it is refused", func() bool { return strings.Contains(r.Status().Err.Error(), "WRONGPASS") })
	if text := r.Status().Err.Error(); strings.Contains(text, "hunter") {
		t.Fatal(text)
	}
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again(t, r)
	do(t, r, free("cell", 1))
}

func TestARedisIsJudged(t *testing.T) {
	for info, fine := range map[string]bool{
		"redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n":     true,
		"redis_version:8.2.0\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n":    true,
		"redis_version:7.0.15\r\nmaxmemory:1000\r\nmaxmemory_policy:volatile-ttl\r\n": false,
		"redis_version:6.2.7\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n":       false,
	} {
		if err := judge("host", info); (err == nil) != fine {
			t.Errorf("%q: %v", info, err)
		}
	}
}
