package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a folder must be quiet after a change: editors write in several steps.
	settle = 150 * time.Millisecond
	// pollEvery is how often a bundle behind a URL is asked for.
	pollEvery = 30 * time.Second
	// fetchTimeout bounds one download.
	fetchTimeout = 20 * time.Second
	maxRedirects = 5
)

// Layer is one bundle of a stack: fixed, as part of the program, or named by a folder, an archive or an http(s) URL of
// an archive.
type Layer struct {
	Fixed *Bundle
	Name  string
}

func (l Layer) String() string {
	if l.Fixed != nil {
		return l.Fixed.Source
	}
	return l.Name
}

// Places is an Origin of a stack of layers, lowest first. Safe for concurrent use.
type Places struct {
	layers []Layer
	client *http.Client

	mu    sync.Mutex
	etags map[string]cached
}

type cached struct {
	etag   string
	bundle *Bundle
}

// NewPlaces checks the names. Plain http is only for loopback: nothing yet proves who wrote the bundle.
func NewPlaces(layers ...Layer) (*Places, error) {
	if len(layers) == 0 {
		return nil, errors.New("no bundle is given")
	}
	for _, l := range layers {
		if u, err := url.Parse(l.Name); err == nil && exposed(u) {
			return nil, fmt.Errorf("bundle %s: %w", l.Name, errExposed)
		}
	}
	client := &http.Client{Timeout: fetchTimeout, CheckRedirect: checkRedirect}
	return &Places{layers: layers, etags: map[string]cached{}, client: client}, nil
}

var errExposed = errors.New("plain http is for loopback only, use https")

func exposed(u *url.URL) bool { return u.Scheme == "http" && !loopback(u.Hostname()) }

// checkRedirect holds a server that is believed to the same rule: it must not hand on to anybody on the way.
func checkRedirect(next *http.Request, before []*http.Request) error {
	switch {
	case exposed(next.URL):
		return errExposed
	case len(before) >= maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// Name joins the layers.
func (p *Places) Name() string {
	all := make([]string, len(p.layers))
	for i, l := range p.layers {
		all[i] = l.String()
	}
	return strings.Join(all, " + ")
}

// Read reads every layer anew and merges them.
func (p *Places) Read(ctx context.Context) (*Bundle, error) {
	var out *Bundle
	for _, l := range p.layers {
		b, err := p.readLayer(ctx, l)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = b
		} else if out, err = out.Overlay(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *Places) readLayer(ctx context.Context, l Layer) (*Bundle, error) {
	switch {
	case l.Fixed != nil:
		return l.Fixed, nil
	case isURL(l.Name):
		return p.fetch(ctx, l.Name)
	}
	return Read(l.Name)
}

func (p *Places) fetch(ctx context.Context, name string) (*Bundle, error) {
	p.mu.Lock()
	before := p.etags[name]
	p.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle: %w", err)
	}
	if before.etag != "" {
		req.Header.Set("If-None-Match", before.etag)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && before.bundle != nil:
		return before.bundle, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetch bundle %s: %s", name, resp.Status)
	}
	b, err := ReadArchive(http.MaxBytesReader(nil, resp.Body, maxBundleBytes), name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.etags[name] = cached{resp.Header.Get("ETag"), b}
	p.mu.Unlock()
	return b, nil
}

// Changes watches folders and files, and polls URLs.
func (p *Places) Changes(ctx context.Context, log *slog.Logger) (<-chan struct{}, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	polled := false
	for _, l := range p.layers {
		switch {
		case l.Fixed != nil:
			continue
		case isURL(l.Name):
			polled = true
			continue
		}
		if err := watch(watcher, l.Name); err != nil {
			return nil, errors.Join(err, watcher.Close())
		}
	}
	out := make(chan struct{})
	go func() {
		defer close(out)
		defer watcher.Close()
		quiet := time.NewTimer(time.Hour)
		quiet.Stop()
		var poll <-chan time.Time
		if polled {
			ticker := time.NewTicker(pollEvery)
			defer ticker.Stop()
			poll = ticker.C
		}
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-watcher.Events:
				if e.Has(fsnotify.Create) {
					if err := watch(watcher, e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
						log.Warn("new folder of the bundle is not watched", "path", e.Name, "error", err.Error())
					}
				}
				quiet.Reset(settle)
				continue
			case err := <-watcher.Errors: // the queue ran over, for example: what changed is not known, so read all
				log.Warn("bundle watcher", "error", err.Error())
				quiet.Reset(settle)
				continue
			case <-quiet.C:
			case <-poll:
			}
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// watch adds a folder with all folders below it, or the folder of a file: a file that is replaced by a rename is
// another file to the kernel.
func watch(w *fsnotify.Watcher, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return w.Add(filepath.Dir(name))
	}
	return filepath.WalkDir(name, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return w.Add(dir)
	})
}
