package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the file of credentials is looked at: a credential that was taken out of it is refused within
// that time.
const lookEvery = time.Second

// Live is a directory that follows its file. A file that cannot be read or is wrong changes nothing: those who could call
// still can, and the log says why. It is safe for concurrent use.
type Live struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	current atomic.Pointer[Directory]
	seen    [sha256.Size]byte // of the file; Run's own
	failed  atomic.Bool       // the file that is there could not be taken

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with each new directory
}

var _ Authenticator = (*Live)(nil)

// Open reads the file, which must be right.
func Open(path string, now func() time.Time, log *slog.Logger) (*Live, error) {
	l := &Live{path: path, now: now, log: log, changed: make(chan struct{})}
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	d, err := load(path, raw, now, nil)
	if err != nil {
		return nil, err
	}
	l.seen = d.digest(raw)
	l.current.Store(d)
	return l, nil
}

// Authenticate asks the directory as it is now.
func (l *Live) Authenticate(ctx context.Context, header string) (Caller, error) {
	return l.current.Load().Authenticate(ctx, header)
}

// Files are the file, and those of key sets that it names.
func (l *Live) Files() []string {
	out := []string{l.path}
	for _, issuer := range l.current.Load().issuers {
		if issuer.Keys.client == nil {
			out = append(out, issuer.Keys.from)
		}
	}
	return out
}

// Changed is closed when there is another directory.
func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Health is an error while the file that is there could not be taken, or the keys of an issuer not be fetched.
func (l *Live) Health() error {
	if l.failed.Load() {
		return fmt.Errorf("identity: %s is wrong or cannot be read; those who could call before still can", l.path)
	}
	for _, issuer := range l.current.Load().issuers {
		if err := issuer.Keys.health(); err != nil {
			return fmt.Errorf("identity: issuer %s: %w", issuer.ID, err)
		}
	}
	return nil
}

// Run follows the file until ctx ends.
func (l *Live) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look()
		}
	}
}

// digest is of the file and of the key sets that it names, as they were read.
func (d *Directory) digest(raw []byte) [sha256.Size]byte {
	sum := sha256.Sum256(raw)
	for _, issuer := range d.issuers {
		if issuer.Keys.client == nil {
			sum = sha256.Sum256(append(sum[:], issuer.Keys.source[:]...))
		}
	}
	return sum
}

// digestNow is what digest would be if all were read now.
func (d *Directory) digestNow(raw []byte) [sha256.Size]byte {
	sum := sha256.Sum256(raw)
	for _, issuer := range d.issuers {
		if issuer.Keys.client == nil {
			keys, _ := readFile(issuer.Keys.from) // one that is gone has another digest, and load says what is wrong
			source := sha256.Sum256(keys)
			sum = sha256.Sum256(append(sum[:], source[:]...))
		}
	}
	return sum
}

// look takes a file that differs from the one that was taken last, or that names a key set which does.
func (l *Live) look() {
	raw, err := readFile(l.path)
	if err == nil && l.current.Load().digestNow(raw) == l.seen {
		l.failed.Store(false)
		return
	}
	var d *Directory
	if err == nil {
		d, err = load(l.path, raw, l.now, l.current.Load())
	}
	if err != nil {
		if !l.failed.Swap(true) {
			l.log.Error("the file of credentials was not taken; those who could call before still can", "file", l.path, "error", err.Error())
		}
		return
	}
	l.seen = d.digest(raw)
	l.failed.Store(false)
	l.current.Store(d)
	l.log.Info("the file of credentials was read again", "file", l.path)
	l.mu.Lock()
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("identity: credentials: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("identity: %s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("identity: %s can be written by others than its owner: chmod go-w it", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("identity: %s has %d bytes, at most %d", path, info.Size(), maxFileBytes)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity: credentials: %w", err)
	}
	return raw, nil
}
