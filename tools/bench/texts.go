package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// gather reads a repository as what it is made of, so many bytes of each kind. Tests of the scanner are full of secrets, and
// are left out.
func gather(root string, size int) (map[string]string, error) {
	kinds := map[string]string{".go": "code", ".rego": "code", ".json": "json", ".md": "prose"}
	texts := map[string]*strings.Builder{"code": {}, "json": {}, "prose": {}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", "testdata", "bin", ".venv", ".git", "scan", "bench"}, d.Name()):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		into := texts[kinds[filepath.Ext(path)]]
		if into == nil || into.Len() >= size {
			return nil
		}
		raw, err := os.ReadFile(path)
		into.Write(raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the texts: %w", err)
	}
	out := map[string]string{}
	for kind, b := range texts {
		text := b.String()
		if text == "" {
			return nil, fmt.Errorf("there is no %s in %s", kind, root)
		}
		for len(text) < size {
			text += text
		}
		out[kind] = strings.ToValidUTF8(text[:size], "?")
	}
	return out, nil
}
