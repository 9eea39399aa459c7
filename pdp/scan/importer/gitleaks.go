package importer

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// gitleaksFile is the schema of gitleaks 8, as far as anything of it can be carried over or has to be told.
type gitleaksFile struct {
	Extend     map[string]any      `toml:"extend"`
	Rules      []gitleaksRule      `toml:"rules"`
	Allowlist  *gitleaksAllowlist  `toml:"allowlist"`
	Allowlists []gitleaksAllowlist `toml:"allowlists"`
}

type gitleaksRule struct {
	ID          string              `toml:"id"`
	Description string              `toml:"description"`
	Regex       string              `toml:"regex"`
	Path        string              `toml:"path"`
	Entropy     float64             `toml:"entropy"`
	SecretGroup int                 `toml:"secretGroup"`
	Keywords    []string            `toml:"keywords"`
	Tags        []string            `toml:"tags"`
	Required    []map[string]any    `toml:"required"`
	Allowlist   any                 `toml:"allowlist"` // one, or in old files a list
	Allowlists  []gitleaksAllowlist `toml:"allowlists"`
}

type gitleaksAllowlist struct {
	Condition   string   `toml:"condition"`
	RegexTarget string   `toml:"regexTarget"`
	Regexes     []string `toml:"regexes"`
	StopWords   []string `toml:"stopwords"`
	Paths       []string `toml:"paths"`
	Commits     []string `toml:"commits"`
}

func (in *Import) gitleaks(file []byte) error {
	var f gitleaksFile
	meta, err := toml.Decode(string(file), &f)
	if err != nil {
		return fmt.Errorf("not a gitleaks configuration: %w", err)
	}
	if !meta.IsDefined("rules") && !meta.IsDefined("extend") {
		return fmt.Errorf("not a gitleaks configuration: it has no rules")
	}
	if len(f.Extend) > 0 {
		in.leave("extend", "the file that it extends is not read: import that one as well")
	}
	if f.Allowlist != nil || len(f.Allowlists) > 0 {
		in.leave("the global allowlist", "a pattern has an allowlist of its own; what a tenant, tool or field may hold is the table of suppressions")
	}
	for i, r := range f.Rules {
		in.gitleaksRule(i, r)
	}
	return nil
}

func (in *Import) gitleaksRule(i int, r gitleaksRule) {
	what := "rule " + r.ID
	if r.ID == "" {
		what = fmt.Sprintf("rule %d", i+1)
	}
	if r.Regex == "" {
		in.leave(what, "it has no regex: files are not looked for by their names here")
		return
	}
	p := scan.Pattern{
		ID: id("credential", "gitleaks", r.ID), Category: "credential", Severity: "high", Confidence: "medium",
		Regex: r.Regex, Description: r.Description, Examples: none(),
	}
	var notes []string
	if r.Path != "" {
		in.leave(what+": path", "a pattern knows no files; it now looks everywhere")
	}
	if len(r.Required) > 0 {
		in.leave(what+": required", "a pattern does not depend on others; it now counts by itself")
	}
	for _, k := range r.Keywords {
		if lower := strings.ToLower(k); isASCII(lower) && lower != "" {
			p.Keywords = append(p.Keywords, lower)
		} else {
			in.leave(what+": keywords", "one is empty or not ASCII, so the pattern now looks without keywords")
			p.Keywords = nil
			break
		}
	}
	groups := captures(r.Regex)
	if r.Entropy > 0 {
		if groups > 0 {
			in.leave(what+": entropy", "it is that of a part of the match, and here it would be that of all of it")
		} else {
			p.Validator, p.MinEntropyMilli = "entropy", int64(math.Round(r.Entropy*1000))
		}
	}
	if groups > 0 {
		notes = append(notes, "the finding is all of the match, not a group of it")
	}
	for _, a := range r.allowlists(in, what) {
		p.Allow = append(p.Allow, in.allow(what, a, groups)...)
	}
	in.take(what, p, notes...)
}

// allowlists are those of all spellings.
func (r gitleaksRule) allowlists(in *Import, what string) []gitleaksAllowlist {
	all := r.Allowlists
	tables, isList := r.Allowlist.([]map[string]any)
	if one, ok := r.Allowlist.(map[string]any); ok {
		tables = []map[string]any{one}
	} else if r.Allowlist != nil && !isList {
		in.leave(what+": allowlist", "it is no table")
	}
	for _, t := range tables {
		a := gitleaksAllowlist{Regexes: words(t["regexes"]), StopWords: words(t["stopwords"]), Paths: words(t["paths"]), Commits: words(t["commits"])}
		a.RegexTarget, _ = t["regexTarget"].(string)
		a.Condition, _ = t["condition"].(string)
		all = append(all, a)
	}
	return all
}

// allow is what of an allowlist is about the match. There, a regex may match any part of it; here, it must match all.
func (in *Import) allow(what string, a gitleaksAllowlist, groups int) (allow []string) {
	if len(a.Paths)+len(a.Commits) > 0 {
		in.leave(what+": allowlist", "paths and commits: a pattern knows neither")
		if strings.EqualFold(a.Condition, "AND") {
			in.leave(what+": allowlist", "its other conditions hold only together with those")
			return nil
		}
	}
	if strings.EqualFold(a.Condition, "AND") && len(a.Regexes) > 0 && len(a.StopWords) > 0 {
		in.leave(what+": allowlist", "regexes and stop words that must hold together")
		return nil
	}
	switch target := strings.ToLower(a.RegexTarget); {
	case target == "line":
		in.leave(what+": allowlist", "regexes of the line: only the match itself is looked at")
	case target != "match" && groups > 0 && len(a.Regexes) > 0:
		in.leave(what+": allowlist", "regexes of a group of the match: only all of it is looked at")
	default:
		for _, expr := range a.Regexes {
			if _, err := regexp.Compile(expr); err != nil {
				in.leave(what+": allowlist", "a regex is not RE2")
				continue
			}
			allow = append(allow, "(?s:.*)(?:"+expr+")(?s:.*)")
		}
	}
	if len(a.StopWords) > 0 {
		quoted := make([]string, len(a.StopWords))
		for i, w := range a.StopWords {
			quoted[i] = regexp.QuoteMeta(w)
		}
		expr := "(?is:.*(?:" + strings.Join(quoted, "|") + ").*)"
		if len(expr) > 4096 {
			in.leave(what+": allowlist", "%d stop words are more than one pattern can hold", len(a.StopWords))
		} else {
			allow = append(allow, expr)
		}
	}
	return allow
}

func words(v any) (out []string) {
	list, _ := v.([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// captures counts the groups of a regex, 0 if it is none.
func captures(expr string) int {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0
	}
	return re.MaxCap()
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func none() scan.Examples { return scan.Examples{Match: []string{}, NoMatch: []string{}} }
