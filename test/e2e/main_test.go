package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain stops what tests share, and demands that nothing is left running.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range shared {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "a shared server:", err)
			code = max(code, 1)
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// root is the folder of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// tool finds a binary that make puts into bin/: beside the one under test, or in the repository.
func tool(name string) (string, error) {
	binary := os.Getenv("PORTCULLIS_BIN")
	if binary == "" {
		return "", fmt.Errorf("PORTCULLIS_BIN names no binary: `make build`, and set it to bin/portcullis")
	}
	if !filepath.IsAbs(binary) {
		binary = filepath.Join(root(), binary)
	}
	if name == "portcullis" {
		return binary, nil
	}
	for _, dir := range []string{filepath.Dir(binary), filepath.Join(root(), "bin")} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s beside %s: `make tools`", name, binary)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func mustTool(t *testing.T, name string) string {
	t.Helper()
	path, err := tool(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sharedServer is one server for all tests that only ask. It starts when the first of them needs it.
type sharedServer struct {
	overlay map[string]string // tables by their path in a bundle
	once    sync.Once
	dir     string
	p       *pdp
	err     error
}

// The servers that tests share. Hasty has the shipped policies with short times, for what ends by itself.
var (
	plain = &sharedServer{}
	hasty = &sharedServer{overlay: map[string]string{
		"tables/approvals/data.yaml": "default: {ttl_seconds: 2, quorum: 1}\nlevels:\n  - {name: HIGH, ttl_seconds: 2, quorum: 1}\n",
		"tables/breakers/data.yaml":  "breakers:\n  - {name: tool_failures, open_seconds: 1}\n",
		"tables/memory/data.yaml":    "max_items: 3\nttl_seconds: 1\n",
	}}
	shared = []*sharedServer{plain, hasty}
)

func (s *sharedServer) get(t *testing.T) *pdp {
	t.Helper()
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "portcullis-e2e-"); s.err != nil {
			return
		}
		var args []string
		if s.overlay != nil {
			overlay := filepath.Join(s.dir, "overlay")
			for name, text := range s.overlay {
				if s.err = write(filepath.Join(overlay, name), text); s.err != nil {
					return
				}
			}
			args = []string{"--bundle", overlay}
		}
		s.p, s.err = launch(s.dir, args...)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.p
}

func (s *sharedServer) stop() error {
	if s.p == nil {
		return nil
	}
	err := s.p.terminate()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, s.p.said.String())
	}
	_ = os.RemoveAll(s.dir)
	return err
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func mustWrite(t *testing.T, path, text string) string {
	t.Helper()
	if err := write(path, text); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// policies is a copy of the shipped policies that a test may edit.
func policies(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policies")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(), "policies"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// overlay is a bundle of one table.
func overlay(t *testing.T, table, text string) string {
	t.Helper()
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "tables", table, "data.yaml"), text)
	return dir
}

// environment is what a user's shell would give: nothing of make's, and no settings of ours but those of a test.
func environment(home string, extra ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "LC_ALL=C.UTF-8"}
	return append(env, extra...)
}

// eventually asks again and again until ok, and says how long that took.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond) // what asks a server must not go past its limits
	defer tick.Stop()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// wait lets time pass until a moment that an answer named.
func wait(t *testing.T, until time.Time) {
	t.Helper()
	timer := time.NewTimer(time.Until(until) + 20*time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// session is a name of its own for each test.
func session(t *testing.T) string {
	t.Helper()
	return strings.Map(func(r rune) rune {
		if r < 0x7f && (r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z') {
			return r
		}
		return '-'
	}, t.Name())
}
