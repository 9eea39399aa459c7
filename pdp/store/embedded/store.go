package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// FileName is the name of the database inside the data directory.
const FileName = "state.db"

// lockWait is how long Open waits for another process to let go of the file. A restart hands over in
// milliseconds; longer means that somebody else is running on the same directory.
const lockWait = 2 * time.Second

// ErrInUse says that another process holds the data directory.
var ErrInUse = errors.New("data directory is in use by another process")

// Store is one open database. It is safe for concurrent use; bbolt admits one writer at a time.
type Store struct {
	db        *bbolt.DB
	approvals atomic.Pointer[Approvals] // nil if they were not opened

	closing sync.Once
	closed  error
}

// Open opens or creates the database in dir, which must exist and be writable. It returns ErrInUse when
// another process holds it.
func Open(dir string) (*Store, error) {
	path := filepath.Join(dir, FileName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistArrayType,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w", path, ErrInUse)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open %s: the data directory cannot be written: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Store{db: db}, nil
}

// Close releases the file. Pending write-behind work must have been flushed by its owner before. Whoever closes it again is told
// the same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		if a := s.approvals.Load(); a != nil {
			s.closed = a.close()
		}
		s.closed = errors.Join(s.closed, s.db.Close())
	})
	if s.closed != nil {
		return fmt.Errorf("close state database: %w", s.closed)
	}
	return nil
}

// buckets creates the named top-level buckets, so that readers need no nil checks.
func (s *Store) buckets(names ...[]byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("create bucket %q: %w", name, err)
			}
		}
		return nil
	})
}
