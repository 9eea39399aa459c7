package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/util"
)

// Bounds of what a bundle may hold. They stop a hostile or broken archive, not a large policy.
const (
	maxBundleBytes = 64 << 20
	maxFileBytes   = 16 << 20
	maxBundleFiles = 10_000
)

// Bundle is the raw material of a snapshot: sources and data, nothing compiled.
type Bundle struct {
	// Source says where it came from, for people.
	Source string
	// Name is what the manifest calls its revision, for people; empty for a plain folder.
	Name string
	// Modules and Tests map a path inside the bundle to Rego source. Tests are files named *_test.rego.
	Modules, Tests map[string]string
	// Data is the tree of tables, with numbers as json.Number.
	Data map[string]any

	files []dataFile // that Data was read from, the lowest bundle's first
}

// ReadFS reads a bundle or an overlay from a file system. Only what stock `opa -b` would load counts: Rego files,
// data.json and data.yaml, and the manifest.
func ReadFS(fsys fs.FS, source string) (*Bundle, error) {
	files := map[string][]byte{}
	total := 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !relevant(name) {
			return nil
		}
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		total += len(raw)
		if len(raw) > maxFileBytes || total > maxBundleBytes || len(files) >= maxBundleFiles {
			return fmt.Errorf("%s: %w", name, errTooLarge)
		}
		files[name] = raw
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", source, err)
	}
	return newBundle(files, source)
}

// ReadFolder reads a bundle from a folder. Links that lead out of it are not followed.
func ReadFolder(dir string) (*Bundle, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	defer root.Close()
	return ReadFS(root.FS(), dir)
}

// ReadArchive reads a bundle from a gzipped tar archive, as `portcullis bundle build` and `opa build` make them.
func ReadArchive(r io.Reader, source string) (*Bundle, error) {
	zipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: not a gzip archive: %w", source, err)
	}
	files := map[string][]byte{}
	bounded := &io.LimitedReader{R: zipped, N: maxBundleBytes + 1}
	archive := tar.NewReader(bounded)
	total := 0
	failed := func(name string, err error) error {
		if bounded.N == 0 { // else the tar would only seem cut off
			err = errTooLarge
		}
		return fmt.Errorf("read bundle %s: %s%w", source, name, err)
	}
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, failed("", err)
		}
		if slices.Contains(strings.Split(head.Name, "/"), "..") { // nobody means it well, and two readers place it differently
			return nil, fmt.Errorf("read bundle %s: %s: a name must not lead upwards (..)", source, head.Name)
		}
		name := strings.TrimPrefix(path.Clean("/"+head.Name), "/")
		if head.Typeflag != tar.TypeReg || !relevant(name) {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(archive, maxFileBytes+1))
		if err != nil {
			return nil, failed(name+": ", err)
		}
		total += len(raw)
		if len(raw) > maxFileBytes || total > maxBundleBytes || len(files) >= maxBundleFiles {
			return nil, failed(name+": ", errTooLarge)
		}
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("read bundle %s: %s stands in it twice", source, name)
		}
		files[name] = raw
	}
	return newBundle(files, source)
}

// Read reads a bundle from a path: a folder or an archive.
func Read(name string) (*Bundle, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if info.IsDir() {
		return ReadFolder(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	defer f.Close()
	return ReadArchive(f, name)
}

var errTooLarge = errors.New("bundle is too large")

func relevant(name string) bool {
	base := path.Base(name)
	return base == ".manifest" || strings.HasSuffix(base, ".rego") ||
		base == "data.json" || base == "data.yaml" || base == "data.yml"
}

func newBundle(files map[string][]byte, source string) (*Bundle, error) {
	b := &Bundle{Source: source, Modules: map[string]string{}, Tests: map[string]string{}, Data: map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		raw := files[name]
		switch {
		case name == ".manifest":
			var m struct {
				Revision string `json:"revision"`
			}
			if err := json.Unmarshal(raw, &m); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", source, name, err)
			}
			b.Name = m.Revision
		case strings.HasSuffix(name, "_test.rego"):
			b.Tests[name] = string(raw)
		case strings.HasSuffix(name, ".rego"):
			b.Modules[name] = string(raw)
		case path.Base(name) != ".manifest":
			var value any
			if err := util.Unmarshal(raw, &value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", source, name, err)
			}
			if value == nil { // a file of comments only
				continue
			}
			if err := place(b.Data, path.Dir(name), value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", source, name, err)
			}
			b.files = append(b.files, dataFile{source, name, raw})
		}
	}
	return b, nil
}

// place puts a data file's value where its folder says.
func place(data map[string]any, dir string, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return errors.New("the top level of a data file is an object")
	}
	if dir != "." {
		for step := range strings.SplitSeq(dir, "/") {
			next, ok := data[step].(map[string]any)
			if !ok {
				if _, taken := data[step]; taken {
					return fmt.Errorf("%s is a folder here and a value elsewhere", step)
				}
				next = map[string]any{}
				data[step] = next
			}
			data = next
		}
	}
	for key, v := range object {
		if _, taken := data[key]; taken {
			return fmt.Errorf("%s is given twice", key)
		}
		data[key] = v
	}
	return nil
}

// Revision names the content: two bundles with the same modules, tests and data have the same revision on any
// machine, whatever their manifests say.
func (b *Bundle) Revision() string {
	h := sha256.New()
	write := func(kind string, files map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(h, "%s %d %s %d %s\n", kind, len(name), name, len(files[name]), files[name])
		}
	}
	write("module", b.Modules)
	write("test", b.Tests)
	data, err := json.Marshal(b.Data) // sorts keys
	if err != nil {                   // cannot happen: the tree was decoded from JSON or YAML
		panic(fmt.Sprintf("encode bundle data: %v", err))
	}
	h.Write(data)
	return "r-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// manifest is the .manifest of an archive that WriteArchive makes. Roots are the two trees that Portcullis owns.
type manifest struct {
	Revision    string   `json:"revision"`
	Roots       []string `json:"roots"`
	RegoVersion int      `json:"rego_version"`
}

// WriteArchive writes the bundle as an OPA bundle: stock `opa` reads it, and the same content gives the same bytes.
func (b *Bundle) WriteArchive(w io.Writer) error {
	files := map[string][]byte{}
	for name, src := range b.Modules {
		files[name] = []byte(src)
	}
	for name, src := range b.Tests {
		files[name] = []byte(src)
	}
	roots := slices.Sorted(maps.Keys(b.Data))
	data, err := json.MarshalIndent(b.Data, "", "  ")
	if err != nil {
		return fmt.Errorf("encode bundle data: %w", err)
	}
	files["data.json"] = append(data, '\n')
	if !slices.Contains(roots, "portcullis") {
		roots = append([]string{"portcullis"}, roots...)
	}
	head, err := json.MarshalIndent(manifest{Revision: b.Revision(), Roots: roots, RegoVersion: 1}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	files[".manifest"] = append(head, '\n')

	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entry := &tar.Header{Name: "/" + name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(entry); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		if _, err := archive.Write(files[name]); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	_, err = w.Write(buf.Bytes())
	return err
}
