package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigRefusesWhatIsWrong(t *testing.T) {
	good := func() Target { return target(t, "https://hooks.example.com/x") }
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("whsec_AAAA"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := secretFile(t, testKey)
	if err := os.Chmod(open, 0o622); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Target){
		"no name":               func(g *Target) { g.Name = "" },
		"odd name":              func(g *Target) { g.Name = "a b" },
		"no address":            func(g *Target) { g.URL = "" },
		"two addresses":         func(g *Target) { g.URLFile = "/x" },
		"http":                  func(g *Target) { g.URL = "http://hooks.example.com/" },
		"ftp":                   func(g *Target) { g.URL = "ftp://hooks.example.com/" },
		"no host":               func(g *Target) { g.URL = "https:///x" },
		"a password":            func(g *Target) { g.URL = "https://u:p@hooks.example.com/" },
		"a fragment":            func(g *Target) { g.URL = "https://hooks.example.com/#x" },
		"a long address":        func(g *Target) { g.URL = "https://hooks.example.com/" + strings.Repeat("x", 5000) },
		"no tenant":             func(g *Target) { g.Tenants = nil },
		"an empty tenant":       func(g *Target) { g.Tenants = []string{""} },
		"an unknown format":     func(g *Target) { g.Format = "xml" },
		"an unknown event":      func(g *Target) { g.Events = []Kind{"asked"} },
		"no key":                func(g *Target) { g.Keys = nil },
		"a key that is missing": func(g *Target) { g.Keys = []Key{{"k", "/nothing"}} },
		"a key that is short":   func(g *Target) { g.Keys = []Key{{"k", short}} },
		"a key others write":    func(g *Target) { g.Keys = []Key{{"k", open}} },
		"a key twice":           func(g *Target) { g.Keys = append(g.Keys, g.Keys[0]) },
		"everything allowed":    func(g *Target) { g.Allow = []string{"0.0.0.0/0"} },
		"no range":              func(g *Target) { g.Allow = []string{"10.0.0.1/8"} },
		"too patient":           func(g *Target) { g.Timeout = time.Hour },
	} {
		c := Config{Targets: []Target{good()}}
		change(&c.Targets[0])
		err := c.Validate()
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), "hooks.example.com") {
			t.Errorf("%s: the error tells the address: %v", name, err)
		}
	}
	for name, c := range map[string]Config{
		"twice":                 {Targets: []Target{good(), good()}},
		"a console in plain":    {ConsoleURL: "http://portcullis.example/"},
		"a console with a key":  {ConsoleURL: "https://portcullis.example/?token=1"},
		"a console with a user": {ConsoleURL: "https://u@portcullis.example/"},
		"a script":              {ConsoleURL: "javascript:alert(1)//"},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestLoadRefusesUnknownKeys(t *testing.T) {
	key := secretFile(t, testKey)
	base := "targets:\n  - {name: soc, url: 'https://hooks.example.com/x', tenants: ['*'], keys: [{id: k1, file: '" + key + "'}]"
	for text, ok := range map[string]bool{
		base + "}\n":                     true,
		base + ", retry: 3}\n":           false,
		base + "}\nconsole: x\n":         false,
		base + "}\n---\ntargets: []\n":   false,
		base + ", timeout: 5s}\n":        true,
		base + ", timeout: forever}\n":   false,
		"":                               false,
		"console_url: https://c.example": true,
	} {
		name := filepath.Join(t.TempDir(), "notify.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(name); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		_ = os.Chmod(name, 0o666)
		if _, err := Load(name); err == nil {
			t.Error("a file that anybody may write was accepted")
		}
	}
}
