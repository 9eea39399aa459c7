package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/bundle"
	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/policies"
)

type entry struct{ name, body string }

func packed(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// written is the bundle as a folder: one table a folder, as people have it.
func written(t *testing.T, b *Bundle) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, src := range b.Modules {
		put(name, src)
	}
	for name, src := range b.Tests {
		put(name, src)
	}
	for name, table := range b.Data["tables"].(map[string]any) {
		put("tables/"+name+"/data.json", mustJSON(t, table))
	}
	return dir
}

func builtInBundle(t *testing.T) *Bundle {
	t.Helper()
	b, err := ReadFS(policies.FS, "built in")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheRevisionIsThatOfTheContent(t *testing.T) {
	b := builtInBundle(t)
	want := b.Revision()
	folder, err := Read(written(t, b))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := ReadArchive(bytes.NewReader(archive(t, b)), "archive")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadArchive(bytes.NewReader(archive(t, packed)), "archive of the archive")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*Bundle{"folder": folder, "archive": packed, "archive of the archive": again} {
		if got.Revision() != want {
			t.Errorf("%s: revision %s, want %s", name, got.Revision(), want)
		}
		if !maps.Equal(got.Modules, b.Modules) || !maps.Equal(got.Tests, b.Tests) || mustJSON(t, got.Data) != mustJSON(t, b.Data) {
			t.Errorf("%s: not what was written", name)
		}
	}
	if packed.Name != want {
		t.Errorf("the manifest calls the revision %q, want %q", packed.Name, want)
	}
}

func TestTheRevisionOfAnyChangeIsAnother(t *testing.T) {
	seen := map[string]string{small(t).Revision(): "the bundle"}
	for name, change := range map[string]func(*Bundle){
		"module": func(b *Bundle) { b.Modules["rules/known.rego"] += "\n" },
		"module's name": func(b *Bundle) {
			b.Modules["rules/other.rego"] = b.Modules["rules/known.rego"]
			delete(b.Modules, "rules/known.rego")
		},
		"test":           func(b *Bundle) { b.Tests["rules/known_test.rego"] += "\n" },
		"no test":        func(b *Bundle) { clear(b.Tests) },
		"test as module": func(b *Bundle) { b.Modules["rules/known_test.rego"] = smallTest; clear(b.Tests) },
		"table":          func(b *Bundle) { b.row("limits", "limits")["max"] = json.Number("6") },
		"type":           func(b *Bundle) { b.row("limits", "limits")["max"] = "5" },
		"more data":      func(b *Bundle) { b.Data["x"] = nil },
		"moved text": func(b *Bundle) { // the same bytes in a row, cut elsewhere
			b.Modules["rules/known.rego"] = strings.TrimSuffix(smallKnown, "\n")
			b.Tests["rules/known_test.rego"] = "\n" + smallTest
		},
	} {
		b := small(t)
		change(b)
		if before, taken := seen[b.Revision()]; taken {
			t.Errorf("%s has the revision of %s", name, before)
		}
		seen[b.Revision()] = name
	}
	named := small(t)
	named.Name, named.Source = "v2", "elsewhere"
	if _, same := seen[named.Revision()]; !same {
		t.Error("name and source change the revision")
	}
}

// Whatever the names and texts, writing and reading changes nothing, and the same content gives the same bytes.
func TestArchiveRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringMatching(`[ -~\n]{0,40}`)
		b := &Bundle{Modules: map[string]string{}, Tests: map[string]string{}, Data: map[string]any{}}
		for name, src := range rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}(/[a-z]{1,8}){0,2}`), text, 0, 8).Draw(r, "modules") {
			b.Modules[name+".rego"], b.Tests[name+"_test.rego"] = src, src+"x"
		}
		for name, v := range rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.Int64(), 0, 8).Draw(r, "data") {
			b.Data[name] = map[string]any{"v": v, "<&>": []any{"\u2028", v, nil, true}}
		}
		first, second := archive(t, b), archive(t, b.clone())
		if !bytes.Equal(first, second) {
			r.Fatal("two archives of the same content differ")
		}
		got, err := ReadArchive(bytes.NewReader(first), "x")
		if err != nil {
			r.Fatal(err)
		}
		if got.Revision() != b.Revision() {
			r.Fatal("another revision after reading it back")
		}
	})
}

func TestTheOrderOfAnArchiveDoesNotMatter(t *testing.T) {
	entries := []entry{
		{"/tables/a/data.yaml", "x: 1\n"},
		{"tables/b/data.json", `{"y": [2.50, 1e3]}`},
		{"rules/a.rego", "package a"},
		{"./rules/a_test.rego", "package a_test"},
		{"README.md", "not part of it"},
		{"tables/a/schema.json", "not part of it"},
	}
	one, err := ReadArchive(bytes.NewReader(packed(t, entries...)), "one")
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(entries)
	two, err := ReadArchive(bytes.NewReader(packed(t, entries...)), "two")
	if err != nil {
		t.Fatal(err)
	}
	if one.Revision() != two.Revision() || len(one.Modules) != 1 || len(one.Tests) != 1 {
		t.Fatalf("%s and %s, %d modules, %d tests", one.Revision(), two.Revision(), len(one.Modules), len(one.Tests))
	}
}

func TestStockOPAReadsTheArchive(t *testing.T) {
	b := builtInBundle(t)
	got, err := bundle.NewReader(bytes.NewReader(archive(t, b))).Read()
	if err != nil {
		t.Fatal(err)
	}
	if got.Manifest.Revision != b.Revision() || len(got.Modules) != len(b.Modules)+len(b.Tests) {
		t.Fatalf("revision %s, %d modules; want %s, %d", got.Manifest.Revision, len(got.Modules), b.Revision(), len(b.Modules)+len(b.Tests))
	}
	if mustJSON(t, got.Data) != mustJSON(t, b.Data) {
		t.Fatal("other data")
	}
}

func TestABrokenArchiveIsRefused(t *testing.T) {
	good := []entry{{"rules/a.rego", "package a"}}
	whole := packed(t, good...)
	huge := strings.Repeat("#", maxFileBytes+1)
	var many []entry
	for i := range 5 {
		many = append(many, entry{string(rune('a'+i)) + ".rego", huge[:maxFileBytes]})
	}
	for name, tc := range map[string]struct {
		raw  []byte
		want []string
	}{
		"not gzip":           {[]byte("rules/a.rego"), []string{"not a gzip archive"}},
		"empty":              {nil, []string{"not a gzip archive"}},
		"cut off":            {whole[:len(whole)/2], []string{"unexpected EOF"}},
		"gzip of no tar":     {zipped(t, strings.Repeat("no tar ", 200)), []string{"tar"}},
		"a file twice":       {packed(t, good[0], good[0]), []string{"rules/a.rego", "twice"}},
		"a file twice, `./`": {packed(t, good[0], entry{"./rules//a.rego", "package b"}), []string{"rules/a.rego", "twice"}},
		"out of it":          {packed(t, entry{"../rules/a.rego", "package a"}), []string{"../rules/a.rego", ".."}},
		"out of it, later":   {packed(t, entry{"rules/../../a.rego", "package a"}), []string{".."}},
		"up and down":        {packed(t, entry{"x/../rules/a.rego", "package a"}), []string{".."}},
		"a file too large":   {packed(t, entry{"a.rego", huge}), []string{"a.rego", "too large"}},
		"all too large":      {packed(t, many...), []string{"too large"}},
		"data no JSON":       {packed(t, entry{"tables/a/data.json", "{"}), []string{"tables/a/data.json"}},
		"data no YAML":       {packed(t, entry{"tables/a/data.yaml", "a: [1"}), []string{"tables/a/data.yaml"}},
		"data no object":     {packed(t, entry{"tables/a/data.json", "[]"}), []string{"tables/a/data.json", "object"}},
		"data given twice":   {packed(t, entry{"tables/data.json", `{"a": {}}`}, entry{"data.json", `{"tables": {"a": {}}}`}), []string{"twice"}},
		"folder and value":   {packed(t, entry{"tables/a/data.json", `{}`}, entry{"data.json", `{"tables": 1}`}), []string{"tables"}},
		"manifest no JSON":   {packed(t, entry{".manifest", "{"}), []string{".manifest"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := ReadArchive(bytes.NewReader(tc.raw), "the archive")
			if b != nil {
				t.Fatal("it was read")
			}
			wantError(t, err, append(tc.want, "the archive")...)
		})
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestAFolderThatIsTooLargeIsRefused(t *testing.T) {
	many := fstest.MapFS{}
	for i := range maxBundleFiles + 1 {
		many[filepath.Join("rules", strings.Repeat("a", i%100+1), string(rune('a'+i/100%26))+string(rune('a'+i/2600))+".rego")] = &fstest.MapFile{}
	}
	for _, fsys := range []fstest.MapFS{{"a.rego": {Data: make([]byte, maxFileBytes+1)}}, many} {
		_, err := ReadFS(fsys, "folder")
		wantError(t, err, "folder", "too large")
	}
}

func TestALinkOutOfTheFolderIsNotFollowed(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a.rego"), []byte("package a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "a.rego"), filepath.Join(dir, "a.rego")); err != nil {
		t.Fatal(err)
	}
	b, err := Read(dir)
	if err == nil {
		t.Fatalf("read %v", b.Modules)
	}
	wantError(t, err, "a.rego")
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "nothing"))
	wantError(t, err, "read bundle", "nothing")
}
