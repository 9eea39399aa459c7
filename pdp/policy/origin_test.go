package policy

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched says when the watcher is in place: what changes before is nobody's promise.
type watched struct {
	*Places
	ready chan struct{}
}

func (w watched) Changes(ctx context.Context, log *slog.Logger) (<-chan struct{}, error) {
	out, err := w.Places.Changes(ctx, log)
	close(w.ready)
	return out, err
}

// watching runs a manager over a place and returns what it hears.
func watching(t *testing.T, name string) (*Manager, func() loaded) {
	t.Helper()
	places, err := NewPlaces(Layer{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan loaded, 16)
	w := watched{places, make(chan struct{})}
	m := manage(t, w, func(revision string, err error) { heard <- loaded{revision, err} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	<-w.ready
	return m, func() loaded {
		t.Helper()
		select {
		case l := <-heard:
			return l
		case <-time.After(20 * time.Second):
			t.Fatal("the change was not noticed")
			return loaded{}
		}
	}
}

func edit(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderIsWatched(t *testing.T) {
	dir := written(t, small(t))
	m, next := watching(t, dir)
	known := filepath.Join(dir, "rules", "known.rego")

	edit(t, known, smallKnown+"# edited\n")
	if l := next(); l.err != nil {
		t.Fatalf("edit: %v", l.err)
	}
	first := active(t, m)

	edit(t, known, smallKnown+"}\n")
	if l := next(); l.err == nil || !strings.Contains(l.err.Error(), "rules/known.rego:6") || active(t, m) != first {
		t.Fatalf("broken edit: %v, active %s", l.err, active(t, m))
	}
	if m.LastError() == nil {
		t.Fatal("no last error")
	}

	moved := filepath.Join(t.TempDir(), "known.rego") // as editors save: another file takes its place
	edit(t, moved, smallKnown+"# moved\n")
	if err := os.Rename(moved, known); err != nil {
		t.Fatal(err)
	}
	if l := next(); l.err != nil || m.LastError() != nil || active(t, m) == first {
		t.Fatalf("replaced: %v, last %v, active %s", l.err, m.LastError(), active(t, m))
	}

	const extraTest = "package extra_test\n\ntest_it if true\n"
	extra := filepath.Join(dir, "tests", "deep", "extra_test.rego")
	edit(t, extra, extraTest)
	if l := next(); l.err != nil {
		t.Fatalf("new folder: %v", l.err)
	}
	second := active(t, m)
	edit(t, extra, extraTest+"# again\n")
	if l := next(); l.err != nil || active(t, m) == second {
		t.Fatalf("edit in the new folder: %v", l.err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "tests")); err != nil {
		t.Fatal(err)
	}
	if l := next(); l.err != nil {
		t.Fatalf("folder removed: %v", l.err)
	}
}

func TestAnArchiveIsWatched(t *testing.T) {
	b, dir := small(t), t.TempDir()
	name := filepath.Join(dir, "bundle.tar.gz")
	edit(t, name, string(archive(t, b)))
	m, next := watching(t, name)
	b.row("limits", "limits")["max"] = 6
	edit(t, name+".new", string(archive(t, b)))
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	if l := next(); l.err != nil || active(t, m) != b.Revision() {
		t.Fatalf("%v, active %s, want %s", l.err, active(t, m), b.Revision())
	}
}

func active(t *testing.T, m *Manager) string {
	t.Helper()
	s, err := m.Active()
	if err != nil {
		t.Fatal(err)
	}
	return s.Revision
}

func TestABundleBehindAURL(t *testing.T) {
	var (
		mu          sync.Mutex
		body        = archive(t, small(t))
		etag        = `"1"`
		full, saved int
		status      = http.StatusOK
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("ETag", etag)
		switch {
		case status != http.StatusOK:
			w.WriteHeader(status)
		case r.Header.Get("If-None-Match") == etag:
			saved++
			w.WriteHeader(http.StatusNotModified)
		default:
			full++
			_, _ = w.Write(body)
		}
	}))
	defer srv.Close()
	places, err := NewPlaces(Layer{Name: srv.URL + "/bundle.tar.gz"})
	if err != nil {
		t.Fatal(err)
	}
	defer places.client.CloseIdleConnections()
	m := manage(t, places, func(string, error) {})
	first := active(t, m)
	for range 3 {
		if _, changed, err := m.Reload(t.Context()); err != nil || changed {
			t.Fatalf("unchanged: %v, %v", changed, err)
		}
	}
	mu.Lock()
	if full != 1 || saved != 3 {
		t.Fatalf("%d downloads and %d times `not modified`; want 1 and 3", full, saved)
	}
	status = http.StatusInternalServerError
	mu.Unlock()
	if _, _, err := m.Reload(t.Context()); err == nil || active(t, m) != first {
		t.Fatalf("server error: %v, active %s", err, active(t, m))
	}
	next := small(t)
	next.row("limits", "limits")["max"] = 6
	mu.Lock()
	status, body, etag = http.StatusOK, []byte("no archive"), `"2"`
	mu.Unlock()
	if _, _, err := m.Reload(t.Context()); err == nil || active(t, m) != first {
		t.Fatalf("no archive: %v, active %s", err, active(t, m))
	}
	mu.Lock()
	body = archive(t, next) // mended under the same tag, which was never taken for good
	mu.Unlock()
	if _, changed, err := m.Reload(t.Context()); err != nil || !changed || active(t, m) != next.Revision() {
		t.Fatalf("changed: %v, %v, active %s", changed, err, active(t, m))
	}
}

func TestPlainHTTPIsForLoopbackOnly(t *testing.T) {
	for name, ok := range map[string]bool{
		"http://127.0.0.1:1/b.tar.gz": true, "http://localhost/b.tar.gz": true, "http://[::1]/b.tar.gz": true,
		"https://policies.example/b.tar.gz": true, "folder": true,
		"http://policies.example/b.tar.gz": false, "HTTP://policies.example/b": false, "http://127.0.0.1.example/b": false,
		"http://10.0.0.1/b": false, "http://localhost.example/b": false, "http:///b": false,
	} {
		_, err := NewPlaces(Layer{Name: "fine"}, Layer{Name: name})
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPlaces(); err == nil {
		t.Error("no layer at all is fine")
	}
}

func TestARedirectToPlainHTTPIsNotFollowed(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("http://policies.invalid/b.tar.gz", http.StatusFound))
	defer srv.Close()
	places, err := NewPlaces(Layer{Name: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer places.client.CloseIdleConnections()
	_, err = places.Read(t.Context())
	wantError(t, err, "plain http is for loopback only")
}

func TestLayersLieOverOneAnother(t *testing.T) {
	over := small(t)
	over.Source, over.Modules, over.Tests = "over", map[string]string{}, map[string]string{}
	over.Data = map[string]any{"tables": map[string]any{"memory": map[string]any{"ttl_seconds": 7}}}
	places, err := NewPlaces(Layer{Fixed: small(t)}, Layer{Name: written(t, over)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := places.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := load(t, b); s.Tables.Memory.TTLSeconds != 7 || len(s.Tables.Limits) != 1 || !strings.HasPrefix(places.Name(), "small + ") {
		t.Fatalf("%+v of %s", s.Tables.Memory, places.Name())
	}
}
