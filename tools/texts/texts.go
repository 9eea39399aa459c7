// Package texts gathers what scanning is timed on: real texts of several kinds, as many bytes of each as are asked for. They
// are valid UTF-8, and the same on every machine that has the same sources.
package texts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of text.
const (
	Code     = "code"     // Go and Rego of a repository
	JSON     = "json"     // its JSON
	Prose    = "prose"    // its Markdown
	Calls    = "calls"    // tool calls as JSON, one a line, with pieces of that code and prose as arguments
	Go       = "go"       // sources of Go itself, which nobody wrote with these patterns in mind
	Requests = "requests" // the benign requests to agents among the corpora
)

var byExtension = map[string]string{".go": Code, ".rego": Code, ".json": JSON, ".md": Prose}

// leftOut are folders that are not ours, or full of secrets: the scanner's own tests.
var leftOut = []string{"node_modules", "testdata", "bin", ".venv", ".git", "scan", "bench"}

// Gather reads the repository at root, Go's own sources and, unless corpora is empty, that folder. There are size bytes of
// each kind; a text that is shorter is repeated.
func Gather(root, corpora string, size int) (map[string]string, error) {
	parts := map[string]*strings.Builder{Code: {}, JSON: {}, Prose: {}, Go: {}}
	if err := repository(parts, root, size); err != nil {
		return nil, err
	}
	if err := goSources(parts[Go], size); err != nil {
		return nil, err
	}
	if corpora != "" {
		parts[Requests] = &strings.Builder{}
		if err := requests(parts[Requests], corpora); err != nil {
			return nil, err
		}
	}
	parts[Calls] = &strings.Builder{}
	if err := calls(parts[Calls], parts[Code].String(), parts[Prose].String(), size); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(parts))
	for kind, b := range parts {
		text := b.String()
		if text == "" {
			return nil, fmt.Errorf("there is no text of the kind %s", kind)
		}
		for len(text) < size {
			text += text
		}
		out[kind] = strings.ToValidUTF8(text[:size], "?")
	}
	return out, nil
}

func repository(parts map[string]*strings.Builder, root string, size int) error {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(leftOut, d.Name()):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		into := parts[byExtension[filepath.Ext(path)]]
		if into == nil || into.Len() >= size {
			return nil
		}
		raw, err := os.ReadFile(path) // #nosec G304 -- the repository that was named
		into.Write(raw)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the repository: %w", err)
	}
	return nil
}

func goSources(into *strings.Builder, size int) error {
	for _, dir := range []string{"net/http", "go/types", "crypto/tls"} {
		files, err := filepath.Glob(filepath.Join(build.Default.GOROOT, "src", dir, "*.go"))
		if err != nil {
			return fmt.Errorf("find Go's sources: %w", err)
		}
		for _, f := range files {
			if into.Len() >= size {
				return nil
			}
			raw, err := os.ReadFile(f) // #nosec G304 -- Go's own sources
			if err != nil {
				return fmt.Errorf("read Go's sources: %w", err)
			}
			into.Write(raw)
		}
	}
	return nil
}

func requests(into *strings.Builder, corpora string) error {
	raw, err := os.ReadFile(filepath.Join(corpora, "injection-text-dev.jsonl")) // #nosec G304 -- named by who runs it
	if err != nil {
		return fmt.Errorf("read the corpora: %w", err)
	}
	for line := range bytes.Lines(raw) {
		var row struct{ Label, Text string }
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("read the corpora: %w", err)
		}
		if row.Label == "benign" {
			into.WriteString(row.Text + "\n")
		}
	}
	return nil
}

// piece is how much of a text an argument is.
const piece = 900

// calls makes of code and prose what an agent sends: files that it writes, mail, requests.
func calls(into *strings.Builder, code, prose string, size int) error {
	for i := 0; into.Len() < size; i++ {
		id := fmt.Sprintf("%08x-4c1d-4b7e-9f00-%012x", uint32(i)*2654435761, i) // #nosec G115 -- not negative
		file, mail := window(code, i), window(prose, i)
		var call any
		switch i % 3 {
		case 0:
			call = map[string]any{"id": id, "tool": "write_file", "arguments": map[string]any{"path": fmt.Sprintf("src/module_%d.go", i), "content": file, "mode": "0644"}}
		case 1:
			call = map[string]any{"id": id, "tool": "send_email", "arguments": map[string]any{"to": []string{"the team"}, "subject": fmt.Sprintf("Notes, part %d", i), "body": mail}}
		default:
			call = map[string]any{"id": id, "tool": "http_request", "arguments": map[string]any{
				"method": "POST", "url": fmt.Sprintf("https://api.example.com/v2/documents/%d?draft=true", i),
				"headers": map[string]string{"Content-Type": "application/json", "Accept-Language": "en-GB", "X-Request-Id": id},
				"body":    mail,
			}}
		}
		line, err := json.Marshal(call)
		if err != nil {
			return fmt.Errorf("write a call: %w", err)
		}
		into.Write(append(line, '\n'))
	}
	return nil
}

// window is the i-th piece of a text, from the begin again after the last.
func window(text string, i int) string {
	if len(text) <= piece {
		return text
	}
	from := i * piece % (len(text) - piece)
	return strings.ToValidUTF8(text[from:from+piece], "?")
}
