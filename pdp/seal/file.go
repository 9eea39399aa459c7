package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	keyBytes     = 32
	maxKeys      = 32
	maxFileBytes = 64 << 10
	maxIDBytes   = 16
)

// keyFile is what stands on disk. The newest key comes first.
type keyFile struct {
	Keys []fileKey `json:"keys"`
}

type fileKey struct {
	ID  string `json:"id"`
	Key string `json:"key"` // 32 bytes, standard base64
}

// LoadOrCreate reads the key file, or makes one with a fresh key and mode 0600, with its folder (0700), where
// there is none. Two processes that start at once end up with the same file. A file that others than its owner may
// read or write, or that is broken, is refused and left as it is: a new key would make everything that was sealed
// unreadable.
func LoadOrCreate(path string) (*Keys, error) {
	keys, err := load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return load(path)
}

func load(path string) (*Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("key file: %w", err)
	case !info.Mode().IsRegular():
		return nil, &Error{BadFile, fmt.Sprintf("key file %s is not a regular file", path)}
	case info.Mode().Perm()&0o077 != 0:
		return nil, &Error{FileMode, fmt.Sprintf("key file %s has mode %04o: others may read or change it; chmod 600 it", path, info.Mode().Perm())}
	case info.Size() > maxFileBytes:
		return nil, &Error{BadFile, fmt.Sprintf("key file %s has %d bytes, at most %d", path, info.Size(), maxFileBytes)}
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	keys, err := parse(raw)
	if err != nil {
		return nil, &Error{BadFile, fmt.Sprintf("key file %s: %v; restore it from a backup, or move it away to begin with a new key, which opens nothing that was sealed before", path, err)}
	}
	return keys, nil
}

// parse says what is wrong without quoting the file: a pasted key must not reach a log.
func parse(raw []byte) (*Keys, error) {
	var doc keyFile
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not valid JSON of the form {\"keys\":[{\"id\":…,\"key\":…}]}, near byte %d", dec.InputOffset())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the JSON value at byte %d", dec.InputOffset())
	}
	if n := len(doc.Keys); n == 0 || n > maxKeys {
		return nil, fmt.Errorf("%d keys, 1 to %d are needed", n, maxKeys)
	}
	keys := &Keys{byID: make(map[string]*master, len(doc.Keys))}
	for i, entry := range doc.Keys {
		if !validID(entry.ID) {
			return nil, fmt.Errorf("key %d: an id is 1 to %d of a-z and 0-9", i+1, maxIDBytes)
		}
		if keys.byID[entry.ID] != nil {
			return nil, fmt.Errorf("key %d: the id is there twice", i+1)
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(entry.Key)
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("key %d: not %d bytes in base64", i+1, keyBytes)
		}
		m := &master{id: entry.ID, secret: secret}
		keys.byID[m.id] = m
		if i == 0 {
			keys.newest = m
		}
	}
	return keys, nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// create writes a new file beside path and links it into place: whoever sees path sees all of it, and a file that
// appeared meanwhile is never replaced (then the error is fs.ErrExist).
func create(path string) error {
	id, secret := make([]byte, 4), make([]byte, keyBytes)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(secret)
	raw, err := json.MarshalIndent(keyFile{Keys: []fileKey{{
		ID: hex.EncodeToString(id), Key: base64.StdEncoding.EncodeToString(secret),
	}}}, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // a leftover is harmless, and the link is what counts
	_, err = tmp.Write(append(raw, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the new name survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
