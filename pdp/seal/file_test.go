package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, keyBytes)) }

// writeKeys writes a key file with the named keys, newest first, and loads it.
func writeKeys(t *testing.T, entries ...string) *Keys {
	t.Helper()
	var rows []string
	for _, e := range entries {
		rows = append(rows, fmt.Sprintf(`{"id":%q,"key":%q}`, e, key(e[0])))
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(`{"keys":[`+strings.Join(rows, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestLoadOrCreateMakesAFileThatOnlyTheOwnerMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator", "keys.json")
	made, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	blob, err := made.Encrypt("p", nil, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Decrypt("p", nil, blob); err != nil || string(got) != "text" {
		t.Fatalf("the file that was made does not hold the keys that were used: %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".keys-*")); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestLoadOrCreateAtOnceGivesEverybodyTheSameKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	prints := make([]string, 16)
	var wg sync.WaitGroup
	for i := range prints {
		wg.Go(func() {
			keys, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = keys.Fingerprint("t", "x")
		})
	}
	wg.Wait()
	for _, p := range prints {
		if p != prints[0] {
			t.Fatalf("different keys: %v", prints)
		}
	}
}

func TestLoadRefusesAFileThatOthersMayTouch(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o644, 0o610, 0o601} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if _, err := LoadOrCreate(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreate(path); !errors.Is(err, ErrFileMode) {
			t.Errorf("mode %04o: got %v, want ErrFileMode", mode, err)
		}
	}
}

func TestLoadRefusesABrokenFileAndLeavesIt(t *testing.T) {
	secret := key('s')
	for name, text := range map[string]string{
		"empty":         ``,
		"half":          `{"keys":[{"id":"a","key":"` + secret[:20],
		"no keys":       `{"keys":[]}`,
		"null":          `null`,
		"a bare key":    secret,
		"short key":     `{"keys":[{"id":"a","key":"` + base64.StdEncoding.EncodeToString([]byte("short")) + `"}]}`,
		"long key":      `{"keys":[{"id":"a","key":"` + base64.StdEncoding.EncodeToString(make([]byte, 33)) + `"}]}`,
		"not base64":    `{"keys":[{"id":"a","key":"` + secret[:43] + `!"}]}`,
		"no id":         `{"keys":[{"key":"` + secret + `"}]}`,
		"bad id":        `{"keys":[{"id":"A B","key":"` + secret + `"}]}`,
		"long id":       `{"keys":[{"id":"aaaaaaaaaaaaaaaaa","key":"` + secret + `"}]}`,
		"id twice":      `{"keys":[{"id":"a","key":"` + secret + `"},{"id":"a","key":"` + key('z') + `"}]}`,
		"unknown field": `{"keys":[{"id":"a","key":"` + secret + `"}],"kyes":[]}`,
		"trailing":      `{"keys":[{"id":"a","key":"` + secret + `"}]} {}`,
		"too many":      `{"keys":[` + strings.Repeat(`{"id":"a","key":"`+secret+`"},`, maxKeys) + `{"id":"a","key":"` + secret + `"}]}`,
		"huge":          strings.Repeat(" ", maxFileBytes+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrCreate(path)
			if !errors.Is(err, ErrBadFile) {
				t.Fatalf("got %v, want ErrBadFile", err)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if strings.Contains(err.Error(), secret[:8]) {
				t.Errorf("the error quotes the key: %v", err)
			}
			if left, _ := os.ReadFile(path); string(left) != text {
				t.Error("the file was changed")
			}
		})
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys.json")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(dir); !errors.Is(err, ErrBadFile) {
		t.Fatalf("got %v, want ErrBadFile", err)
	}
}
