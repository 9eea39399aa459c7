package texts_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/portcullis-pdp/portcullis/tools/texts"
)

func TestGather(t *testing.T) {
	const size = 32 << 10
	got, err := texts.Gather("../..", "", size)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{texts.Code, texts.JSON, texts.Prose, texts.Calls, texts.Go} {
		if len(got[kind]) != size || !utf8.ValidString(got[kind]) {
			t.Errorf("%s: %d bytes, want %d of valid UTF-8", kind, len(got[kind]), size)
		}
	}
	for i, line := range strings.Split(got[texts.Calls], "\n") {
		if strings.HasSuffix(line, "}") && !json.Valid([]byte(line)) {
			t.Fatalf("call %d is no JSON: %s", i, line)
		}
	}
}

func TestGatherSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ root, corpora, want string }{
		{"nowhere", "", "read the repository"},
		{t.TempDir(), "", "no text"},
		{"../..", t.TempDir(), "read the corpora"},
	} {
		if _, err := texts.Gather(c.root, c.corpora, 1<<10); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Gather(%q, %q): %v, want %q", c.root, c.corpora, err, c.want)
		}
	}
}
