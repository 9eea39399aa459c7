package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// text is one text of a corpus. Attack says that its author meant it as an injection.
type text struct {
	source string
	attack bool
	value  string
}

// maxLine is far above the longest row of the corpora.
const maxLine = 16 << 20

// readCorpora reads the benign texts of AgentDojo and tau2 (prompts, arguments and results of user tasks), and all of
// injection-text-dev.
func readCorpora(dir string) ([]text, error) {
	var out []text
	for _, name := range []string{"agentdojo-dev", "tau2-airline-dev", "injection-text-dev"} {
		raw, err := os.ReadFile(filepath.Join(dir, name+".jsonl"))
		if err != nil {
			return nil, fmt.Errorf("read corpora (-corpora says where they are): %w", err)
		}
		lines := bufio.NewScanner(bytes.NewReader(raw))
		lines.Buffer(nil, maxLine)
		for n := 1; lines.Scan(); n++ {
			var row map[string]any
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				return nil, fmt.Errorf("%s line %d: %w", name, n, err)
			}
			if name == "injection-text-dev" {
				source, _ := row["source"].(string)
				value, _ := row["text"].(string)
				out = append(out, text{source: source, attack: row["label"] == "attack", value: value})
				continue
			}
			if row["kind"] == "injection" { // the attacker's own words
				continue
			}
			delete(row, "id")
			for _, value := range leaves(row) {
				out = append(out, text{source: name, value: value})
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// leaves lists the strings of a JSON value, those in objects by the order of their names.
func leaves(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, leaves(v[key])...)
		}
	}
	return out
}

// flagged is how many texts of a source have a finding where none should be.
type flagged struct {
	texts, credential, injection int
	rules                        map[string]bool
}

// benign scans all texts that nobody meant as an attack. None of them holds a credential.
func benign(ctx context.Context, s *scan.Scanner, texts []text) map[string]*flagged {
	out := map[string]*flagged{}
	for _, t := range texts {
		if t.attack {
			continue
		}
		f := out[t.source]
		if f == nil {
			f = &flagged{rules: map[string]bool{}}
			out[t.source] = f
		}
		f.texts++
		r := s.Scan(ctx, []scan.Text{{Pointer: "/content", Value: t.value}}, nil, scan.Budget{})
		seen := map[string]bool{}
		for _, finding := range r.Findings {
			if c := finding.Category; c == "credential" || c == "injection" {
				seen[c] = true
				f.rules[finding.Rule] = true
			}
		}
		if seen["credential"] {
			f.credential++
		}
		if seen["injection"] {
			f.injection++
		}
	}
	return out
}

const (
	credentialTarget = 0.5
	injectionTarget  = 1.0
)

func (r *report) benign(by map[string]*flagged) {
	r.table("Benign texts that are flagged", func(w io.Writer) {
		fmt.Fprintf(w, "source\ttexts\tcredential, at most %.1f %%\tinjection, at most %.1f %%\t\trules\n", credentialTarget, injectionTarget)
		for _, source := range slices.Sorted(maps.Keys(by)) {
			f := by[source]
			credential, injection := percent(f.credential, f.texts), percent(f.injection, f.texts)
			fmt.Fprintf(w, "%s\t%d\t%.2f %%\t%.2f %%\t%s\t%s\n", source, f.texts, credential, injection,
				r.mark(credential <= credentialTarget && injection <= injectionTarget), strings.Join(slices.Sorted(maps.Keys(f.rules)), ", "))
		}
	})
}
