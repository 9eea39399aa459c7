package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build makes an archive of the shipped policies and an overlay.
func build(t *testing.T, from, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".tar.gz")
	portcullis(t, "bundle", "build", "-o", file, from, filepath.Join(root(), "bundles", name)).ok(t)
	return file
}

// TestShippedBundles: each is an ordinary OPA bundle, and differs from the others in what a stranger may do.
func TestShippedBundles(t *testing.T) {
	t.Parallel()
	opa := mustTool(t, "opa")
	revisions := map[string]string{}
	for name, profile := range map[string]string{"default": "airgapped", "basic": "basic", "filtered": "filtered", "airgapped": "airgapped"} {
		file := build(t, filepath.Join(root(), "policies"), name)
		got := run(t, exec.Command(opa, "eval", "--format", "raw", "--bundle", file, "data.tables.agents.default_profile")).ok(t)
		if strings.TrimSpace(got.out) != profile {
			t.Errorf("%s: opa eval says %s, want %s", name, got.out, profile)
		}
		if name == "basic" {
			revisions[name] = revision(t, opa, file)
		}
	}
	if !strings.HasPrefix(revisions["basic"], "r-") {
		t.Errorf("opa inspect shows the revision %q", revisions["basic"])
	}
}

func revision(t *testing.T, opa, file string) string {
	t.Helper()
	var inspected struct {
		Manifest struct{ Revision string }
	}
	if err := json.Unmarshal([]byte(run(t, exec.Command(opa, "inspect", "--format", "json", file)).ok(t).out), &inspected); err != nil {
		t.Fatal(err)
	}
	return inspected.Manifest.Revision
}

// TestBundleIsReproducible: the same content gives the same bytes, wherever and whenever it was written.
func TestBundleIsReproducible(t *testing.T) {
	t.Parallel()
	elsewhere := policies(t)
	long := time.Now().Add(-1000 * time.Hour)
	err := filepath.WalkDir(elsewhere, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, long, long)
	})
	if err != nil {
		t.Fatal(err)
	}
	one, two := mustRead(t, build(t, filepath.Join(root(), "policies"), "filtered")), mustRead(t, build(t, elsewhere, "filtered"))
	if !bytes.Equal([]byte(one), []byte(two)) {
		t.Fatal("two archives of the same content differ")
	}
}

// TestServeAnArchive runs what was built, with the revision that it says, and follows it when it is replaced.
func TestServeAnArchive(t *testing.T) {
	t.Parallel()
	file := build(t, filepath.Join(root(), "policies"), "basic")
	p := start(t, "--bundle", file)
	a, s := p.agent(t), session(t)
	a.wants(t, call("stranger", s, "search", ""), allow)
	a.wants(t, call("stranger", s, "send_email", ""), deny, "TOOL_NOT_ALLOWED")
	next := build(t, filepath.Join(root(), "policies"), "filtered")
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	tries := 0
	eventually(t, live, "the archive that took its place", func() bool {
		tries++ // in one session, so many of them would be a loop
		return a.decide(t, call("stranger", fmt.Sprintf("%s-%d", s, tries), "send_email", lunch)).GetEffect() == ask
	})
}

// TestBundleCheck says what a server would say.
func TestBundleCheck(t *testing.T) {
	t.Parallel()
	if got := portcullis(t, "bundle", "check").ok(t).out; !strings.HasPrefix(got, "ok  r-") {
		t.Errorf("the built-in policies: %s", got)
	}
	if got := portcullis(t, "bundle", "test", filepath.Join(root(), "policies")).ok(t).out; !strings.HasPrefix(got, "ok") {
		t.Errorf("the shipped policies: %s", got)
	}
	dir := policies(t)
	edit(t, filepath.Join(dir, "rules", "tools.rego"), "deny contains", "denied contains")
	if got := portcullis(t, "bundle", "check", dir); got.code != 1 || !strings.Contains(got.err, "tools.rego:") {
		t.Errorf("a misspelt export: %d %s%s", got.code, got.out, got.err)
	}
	out := filepath.Join(t.TempDir(), "b.tar.gz")
	if got := portcullis(t, "bundle", "build", "-o", out, dir); got.code != 1 || exists(out) {
		t.Errorf("a broken bundle was built: %d %s", got.code, got.err)
	}
}
