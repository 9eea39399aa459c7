package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const leakedKey = "AKIAIOSFODNN7EXAMPLE"

// tree makes files with what they hold.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func scanOf(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), append([]string{"scan"}, args...), streams{strings.NewReader(stdin), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func TestScanOfAFolder(t *testing.T) {
	dir := tree(t, map[string]string{
		"clean.txt": "Lunch at noon?", "sub/.env": "A=1\nAWS=" + leakedKey + "\n", "sub/data.json": `{"a": {"b": "` + leakedKey + `"}}`,
		".git/config": leakedKey, "program": "\x7fELF\x00" + leakedKey, "large.txt": strings.Repeat(leakedKey+" ", 100), "empty": "",
	})
	if err := os.Symlink(filepath.Join(dir, "sub"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	code, out, errs := scanOf(t, "", "--max-size", "1000", dir)
	for _, want := range []string{"sub/.env:2:5  critical  credential  credential.aws-access-key", "sub/data.json:#/a/b  critical"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "2 findings in 4 files, 2 skipped") || strings.Contains(out+errs, leakedKey) {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}

	code, out, _ = scanOf(t, "", "--json", "--max-size", "1000", dir)
	var got scanned
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 1 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	why := []string{}
	for _, s := range got.Skipped {
		why = append(why, filepath.Base(s.File)+" "+s.Why)
	}
	slices.Sort(why)
	if len(got.Findings) != 2 || got.Findings[0].Line != 2 || got.Findings[1].Pointer != "/a/b" || got.Files != 4 || !slices.Equal(why, []string{"large.txt more than 1000 bytes", "program binary"}) {
		t.Errorf("got %+v", got)
	}
}

func TestScanSaysHowItWent(t *testing.T) {
	dir := tree(t, map[string]string{"leak.txt": "key " + leakedKey, "clean.txt": "nothing"})
	leak, clean := filepath.Join(dir, "leak.txt"), filepath.Join(dir, "clean.txt")
	for name, tt := range map[string]struct {
		stdin string
		args  []string
		code  int
		out   string
	}{
		"clean":                   {"", []string{clean}, 0, ""},
		"standard input":          {"x " + leakedKey, []string{"-"}, 1, "-:1:3  critical"},
		"JSON on standard input":  {`["` + leakedKey + `"]`, []string{"-"}, 1, "-:#/0  critical"},
		"empty standard input":    {"", []string{"-"}, 0, ""},
		"another category":        {"", []string{"--category", "personal", leak}, 0, ""},
		"this category":           {"", []string{"--category", "credential", "--min-severity", "critical", leak}, 1, "leak.txt:1:5"},
		"less severe":             {"DE89370400440532013000", []string{"--min-severity", "high", "-"}, 0, ""},
		"missing, the rest found": {"", []string{filepath.Join(dir, "nowhere"), leak}, 2, "leak.txt:1:5"},
		"no such bundle":          {"", []string{"--bundle", filepath.Join(dir, "nowhere"), leak}, 2, ""},
		"no such category":        {"", []string{"--category", "secret", leak}, 2, ""},
		"nothing to look at":      {"", nil, 2, ""},
	} {
		code, out, errs := scanOf(t, tt.stdin, tt.args...)
		if code != tt.code || !strings.Contains(out, tt.out) || tt.out == "" && out != "" {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, tt.code, out, errs)
		}
		if strings.Contains(out+errs, leakedKey) {
			t.Errorf("%s: the key is printed", name)
		}
	}
}
