package importer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// presidioFile is the YAML of recognisers, as far as anything of it can be carried over.
type presidioFile struct {
	Recognizers []yaml.Node `yaml:"recognizers"`
}

type presidioRecognizer struct {
	Name            string            `yaml:"name"`
	Type            string            `yaml:"type"`
	Entity          string            `yaml:"supported_entity"`
	Language        string            `yaml:"supported_language"`
	Languages       []yaml.Node       `yaml:"supported_languages"`
	Patterns        []presidioPattern `yaml:"patterns"`
	Context         []string          `yaml:"context"`
	DenyList        []string          `yaml:"deny_list"`
	Enabled         *bool             `yaml:"enabled"`
	GlobalRegexFlag *int              `yaml:"global_regex_flags"`
}

type presidioPattern struct {
	Name  string  `yaml:"name"`
	Regex string  `yaml:"regex"`
	Score float64 `yaml:"score"`
}

// contextWithin is how many characters about five words are, which is how far Presidio looks.
const contextWithin = 50

// weak is the score below which Presidio reports nothing unless a context word raises it.
const weak = 0.5

func (in *Import) presidio(file []byte) error {
	var f presidioFile
	if err := yaml.Unmarshal(file, &f); err != nil {
		return fmt.Errorf("not a file of recognisers: %w", err)
	}
	if len(f.Recognizers) == 0 {
		return errors.New("not a file of recognisers: it has no list `recognizers`")
	}
	for i := range f.Recognizers {
		node := &f.Recognizers[i]
		if node.Kind == yaml.ScalarNode {
			in.leave("recogniser "+node.Value, "it is code of Presidio, not data")
			continue
		}
		var r presidioRecognizer
		if err := node.Decode(&r); err != nil {
			in.leave(fmt.Sprintf("recogniser %d", i+1), "it can't be read: %v", err)
			continue
		}
		in.recognizer(r)
	}
	return nil
}

func (in *Import) recognizer(r presidioRecognizer) {
	what := "recogniser " + r.Name
	switch {
	case r.Enabled != nil && !*r.Enabled:
		in.leave(what, "it is switched off")
		return
	case len(r.Patterns) == 0 && len(r.DenyList) == 0:
		in.leave(what, "it is code of Presidio, not data")
		return
	}
	flags := "(?ims)" // Presidio's own
	if g := r.GlobalRegexFlag; g != nil {
		flags = ""
		for bit, letter := range map[int]string{2: "i", 8: "m", 16: "s"} { // of Python's module re
			if *g&bit != 0 {
				flags += letter
			}
		}
		if flags != "" {
			letters := strings.Split(flags, "")
			slices.Sort(letters)
			flags = "(?" + strings.Join(letters, "") + ")"
		}
	}
	context := in.context(what, r)
	for _, p := range r.Patterns {
		in.presidioPattern(what, r, p, flags, context)
	}
	if len(r.DenyList) > 0 {
		quoted := make([]string, len(r.DenyList))
		for i, w := range r.DenyList {
			quoted[i] = wholeWord(w)
		}
		in.take(what+": deny list", scan.Pattern{
			ID: id("personal", "presidio", r.Entity, "list"), Category: "personal", Severity: "medium", Confidence: "high",
			Regex: flags + "(?:" + strings.Join(quoted, "|") + ")", Description: r.Name, Examples: none(),
		})
	}
}

func (in *Import) presidioPattern(what string, r presidioRecognizer, p presidioPattern, flags string, context []string) {
	what += ": pattern " + p.Name
	row := scan.Pattern{
		ID: id("personal", "presidio", r.Entity, p.Name), Category: "personal", Severity: "medium", Confidence: "medium",
		Regex: flags + p.Regex, Description: r.Name, Examples: none(),
	}
	var notes []string
	switch {
	case p.Score >= 0.8:
		row.Confidence = "high"
	case p.Score < weak:
		row.Confidence = "low"
	}
	needs := len(context) > 0 && p.Score < weak
	if needs {
		row.Context = &scan.Context{Words: context, Within: contextWithin}
		notes = append(notes, "one of its context words must be near; for Presidio it raises the score")
	}
	if in.take(what, row, notes...) && len(context) > 0 && !needs {
		in.leave(what+": context", "the pattern counts without, and a score is not raised here")
	}
}

// wholeWord is a regex of a word that is not part of a longer one.
func wholeWord(w string) string {
	out := regexp.QuoteMeta(w)
	word := regexp.MustCompile(`^\w`)
	if word.MatchString(w) {
		out = `\b` + out
	}
	if w != "" && word.MatchString(w[len(w)-1:]) {
		out += `\b`
	}
	return out
}

// context gathers the words of all languages.
func (in *Import) context(what string, r presidioRecognizer) (out []string) {
	all := slices.Clone(r.Context)
	for i := range r.Languages {
		var language struct {
			Context []string `yaml:"context"`
		}
		if r.Languages[i].Kind == yaml.MappingNode && r.Languages[i].Decode(&language) == nil {
			all = append(all, language.Context...)
		}
	}
	for _, w := range all {
		w = strings.ToLower(strings.TrimSpace(w))
		if !isASCII(w) {
			in.leave(what+": context", "the word %q is not ASCII", w)
			continue
		}
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	const most = 64
	if len(out) > most {
		in.leave(what+": context", "%d words, of which the first %d are taken", len(out), most)
		out = out[:most]
	}
	return out
}
