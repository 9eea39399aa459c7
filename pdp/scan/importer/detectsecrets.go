package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// baseline is a .secrets.baseline of detect-secrets 1.
type baseline struct {
	Plugins []struct {
		Name  string   `json:"name"`
		Path  string   `json:"path"`
		Limit *float64 `json:"limit"`
	} `json:"plugins_used"`
	Filters []struct {
		Path    string          `json:"path"`
		Pattern json.RawMessage `json:"pattern"`
	} `json:"filters_used"`
	Results map[string][]json.RawMessage `json:"results"`
}

// A baseline names detectors, which are code; only those that are an alphabet and a number can be written as a pattern.
var entropyPlugins = map[string]struct{ name, alphabet string }{
	"Base64HighEntropyString": {"base64", `A-Za-z0-9+/=\-_`},
	"HexHighEntropyString":    {"hex", `0-9a-fA-F`},
}

func (in *Import) detectSecrets(file []byte) error {
	var b baseline
	if err := json.Unmarshal(file, &b); err != nil {
		return fmt.Errorf("not a baseline: %w", err)
	}
	if b.Plugins == nil {
		return errors.New("not a baseline: it has no list plugins_used")
	}
	allow := in.excluded(b)
	for _, p := range b.Plugins {
		what := "plugin " + p.Name
		e, ok := entropyPlugins[p.Name]
		switch {
		case p.Path != "":
			in.leave(what, "it is code of your own (%s)", p.Path)
		case !ok:
			in.leave(what, "it is code of detect-secrets, not data; the pack has patterns of its own for what it looks for")
		case p.Limit == nil || *p.Limit <= 0:
			in.leave(what, "it has no limit")
		default:
			in.take(what, scan.Pattern{
				ID: id("credential", "detect-secrets", e.name), Category: "credential", Severity: "medium", Confidence: "low",
				Regex:     fmt.Sprintf(`"[%[1]s]{16,}"|'[%[1]s]{16,}'`, e.alphabet),
				Validator: "entropy", MinEntropyMilli: int64(math.Round(*p.Limit * 1000)), Allow: allow, Description: "quoted text that looks random", Examples: none(),
			}, "the quotes count in the entropy, and a text has at least 16 characters")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Results)) {
		in.leave("results of "+name, "%d audited, known by an unkeyed hash and a line: what may stay is a row of the table of suppressions", len(b.Results[name]))
	}
	return nil
}

// excluded are the secrets that filters let pass.
func (in *Import) excluded(b baseline) (allow []string) {
	for _, f := range b.Filters {
		what := "filter " + f.Path
		if !strings.HasSuffix(f.Path, ".should_exclude_secret") {
			in.leave(what, "only filters of the secret itself can be carried over")
			continue
		}
		var list []string
		var one string
		if json.Unmarshal(f.Pattern, &list) != nil && json.Unmarshal(f.Pattern, &one) == nil {
			list = []string{one}
		}
		for _, expr := range list {
			if _, err := regexp.Compile(expr); err != nil {
				in.leave(what, "a regex is not RE2")
				continue
			}
			allow = append(allow, "(?s:.*)(?:"+expr+")(?s:.*)")
		}
	}
	return allow
}
