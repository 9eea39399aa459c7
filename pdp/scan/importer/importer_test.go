package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// read imports a file of testdata.
func read(t *testing.T, name string) *Import {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	format, err := FormatOf(name, raw)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Read(format, raw)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func row(t *testing.T, in *Import, id string) Row {
	t.Helper()
	for _, r := range in.Rows {
		if r.Pattern.ID == id {
			return r
		}
	}
	t.Fatalf("no row %s among %v", id, ids(in))
	return Row{}
}

func ids(in *Import) (out []string) {
	for _, r := range in.Rows {
		out = append(out, r.Pattern.ID)
	}
	return out
}

func wantLeft(t *testing.T, in *Import, want ...string) {
	t.Helper()
	var got []string
	for _, l := range in.Left {
		got = append(got, l.What+": "+l.Why)
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
			t.Errorf("nothing says %q among\n%s", w, strings.Join(got, "\n"))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d things left, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestGitleaks(t *testing.T) {
	in := read(t, "gitleaks.toml")
	if got := ids(in); !slices.Equal(got, []string{"credential.gitleaks.plain-token", "credential.gitleaks.with-group", "credential.gitleaks.old-allowlist", "credential.gitleaks.plain-token-2"}) {
		t.Errorf("rows %v", got)
	}
	plain := row(t, in, "credential.gitleaks.plain-token").Pattern
	if plain.Regex != `\btok_[a-z0-9]{20}\b` || plain.Validator != "entropy" || plain.MinEntropyMilli != 3500 || !slices.Equal(plain.Keywords, []string{"tok_"}) || len(plain.Allow) != 2 {
		t.Errorf("got %+v", plain)
	}
	group := row(t, in, "credential.gitleaks.with-group")
	if group.Pattern.Validator != "" || len(group.Notes) != 1 || !strings.Contains(group.Notes[0], "all of the match") {
		t.Errorf("got %+v", group)
	}
	wantLeft(t, in,
		"extend: ", "the global allowlist: ", "rule by-path: it has no regex", "rule look-behind: regex: a negative look-behind",
		"rule with-group: entropy", "rule with-group: allowlist: regexes of a group", "rule old-allowlist: allowlist: paths and commits",
		"rule old-allowlist: allowlist: regexes of the line", "rule old-allowlist: path",
	)
}

func TestPresidio(t *testing.T) {
	in := read(t, "presidio.yaml")
	if got := ids(in); !slices.Equal(got, []string{"personal.presidio.zip.zip-weak", "personal.presidio.zip.zip-strong", "personal.presidio.title.list"}) {
		t.Errorf("rows %v", got)
	}
	weakRow := row(t, in, "personal.presidio.zip.zip-weak").Pattern
	if weakRow.Confidence != "low" || weakRow.Context == nil || !slices.Equal(weakRow.Context.Words, []string{"zip", "postal code"}) || !strings.HasPrefix(weakRow.Regex, "(?ims)") {
		t.Errorf("got %+v", weakRow)
	}
	if strong := row(t, in, "personal.presidio.zip.zip-strong").Pattern; strong.Confidence != "high" || strong.Context != nil {
		t.Errorf("got %+v", strong)
	}
	if list := row(t, in, "personal.presidio.title.list").Pattern; list.Regex != `(?ims)(?:\bMr\.|\bDoctor\b)` {
		t.Errorf("got %+v", list)
	}
	wantLeft(t, in, "recogniser CreditCardRecognizer: it is code", "recogniser Predefined: it is code", "recogniser Off: it is switched off",
		"recogniser Zip: pattern look: regex: a look-ahead", "recogniser Zip: pattern zip strong: context", `recogniser Zip: context: the word "código"`)
}

func TestDetectSecrets(t *testing.T) {
	in := read(t, "baseline.json")
	if got := ids(in); !slices.Equal(got, []string{"credential.detect-secrets.base64"}) {
		t.Errorf("rows %v", got)
	}
	p := row(t, in, "credential.detect-secrets.base64").Pattern
	if p.MinEntropyMilli != 4500 || len(p.Allow) != 1 {
		t.Errorf("got %+v", p)
	}
	wantLeft(t, in, "plugin AWSKeyDetector: it is code of detect-secrets", "plugin HexHighEntropyString: it has no limit", "plugin Own: it is code of your own",
		"filter detect_secrets.filters.allowlist.is_line_allowlisted: only", "results of a.py: 2 audited")
}

// With examples that a person wrote, what was imported loads and finds.
func TestImportedRowsLoadOnceTheyHaveExamples(t *testing.T) {
	in := read(t, "gitleaks.toml")
	raw, err := in.WriteYAML()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(raw), "# EXAMPLES MISSING"); got != len(in.Rows) {
		t.Errorf("%d rows of %d say that examples are missing:\n%s", got, len(in.Rows), raw)
	}
	var table struct {
		Patterns []map[string]any `yaml:"patterns"`
	}
	if err := yaml.Unmarshal(raw, &table); err != nil || len(table.Patterns) != len(in.Rows) {
		t.Fatalf("%v, %d rows in\n%s", err, len(table.Patterns), raw)
	}
	p := in.Rows[0].Pattern
	if _, err := scan.Compile([]scan.Pattern{p}); err == nil {
		t.Error("it loads without examples")
	}
	p.Examples = scan.Examples{
		Match:   []string{"tok_a1b2c3d4e5f6g7h8i9j0", "x tok_z9y8x7w6v5u4t3s2r1q0", "tok_qwertyuiopasdfghjklz."},
		NoMatch: []string{"tok_short", "tok_aaaaaaaaaaaaaaaaaaaa", "tok_examplea1b2c3d4e5f6g"},
	}
	if _, err := scan.Compile([]scan.Pattern{p}); err != nil {
		t.Error(err)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	for format, files := range map[Format][]string{
		Gitleaks:      {"", "rules = 1", "[[rules]\n", "title = \"x\"", "\xff\xfe", "[[rules]]\nregex = 1"},
		Presidio:      {"", "x: 1", "recognizers: 1", "recognizers: [", "- a", "\x00"},
		DetectSecrets: {"", "{}", "[]", `{"plugins_used": 1}`, "{"},
		"other":       {"x"},
	} {
		for _, file := range files {
			if in, err := Read(format, []byte(file)); err == nil {
				t.Errorf("%s: %q gives %v", format, file, in)
			}
		}
	}
	if _, err := Read(Gitleaks, make([]byte, MaxBytes+1)); err == nil {
		t.Error("a huge file is read")
	}
	in, err := Read(Presidio, []byte("recognizers:\n  - name: |\n      x\n      # - id: injected\n    supported_entity: A\n    patterns: [{name: p, regex: 'abc[0-9]{4}', score: 0.9}, {name: p, regex: 'abcd', score: 1}]\n  - 7\n  - [a]\n"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := in.WriteYAML()
	var table struct{ Patterns []any }
	if err != nil || yaml.Unmarshal(raw, &table) != nil || len(table.Patterns) != 2 || len(in.Left) != 2 {
		t.Errorf("%v, left %v, in\n%s", err, in.Left, raw)
	}
	for _, name := range []string{"a.txt", "x.json"} {
		if f, err := FormatOf(name, []byte(`{"a": 1}`)); err == nil {
			t.Errorf("%s is taken for %s", name, f)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"gitleaks.toml", "presidio.yaml", "baseline.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, format := range []Format{Gitleaks, Presidio, DetectSecrets} {
			in, err := Read(format, file)
			if err != nil {
				continue
			}
			raw, err := in.WriteYAML()
			if err != nil {
				t.Fatal(err)
			}
			var table struct{ Patterns []any }
			if err := yaml.Unmarshal(raw, &table); err != nil || len(table.Patterns) != len(in.Rows) {
				t.Fatalf("%v: %d rows of %d in\n%s", err, len(table.Patterns), len(in.Rows), raw)
			}
		}
	})
}
