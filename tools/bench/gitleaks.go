package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/zricethezav/gitleaks/v8/cmd/generate/secrets"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"

	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/scan/importer"
)

// againstGitleaks compares the engine with the library of gitleaks, which looks for credentials alone and has rules of its own.
// So there are three answers: with all shipped patterns, which is what an action is inspected for; with those of them that are
// about credentials, which is the same purpose; and with gitleaks' own rules, which is nearly the same work. What is promised is
// the last.
func againstGitleaks(to io.Writer, texts []text, shipped *policy.Snapshot) (missed []string, err error) {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	gitleaks, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return nil, fmt.Errorf("set gitleaks up: %w", err)
	}
	ours := slices.Clone(shipped.Tables.Patterns)
	ours = slices.DeleteFunc(ours, func(p scan.Pattern) bool { return p.Category != "credential" })
	forCredentials, err := scan.Compile(ours)
	if err != nil {
		return nil, fmt.Errorf("compile the patterns for credentials: %w", err)
	}
	theirs, err := theirRules()
	if err != nil {
		return nil, err
	}
	sameRules, err := scan.Compile(theirs)
	if err != nil {
		return nil, fmt.Errorf("compile gitleaks' rules: %w", err)
	}
	t := newTable(to, "text", fmt.Sprintf("gitleaks, %d rules", len(gitleaks.Config.Rules)),
		fmt.Sprintf("engine, all %d patterns", len(shipped.Tables.Patterns)), "gitleaks: times that",
		fmt.Sprintf("%d for credentials", len(ours)), "gitleaks: times that",
		fmt.Sprintf("%d of gitleaks' rules", len(theirs)), "gitleaks: times that",
		"gitleaks finds", "engine with its rules", "of them the same")
	for _, in := range texts {
		var leaks []report.Finding
		took := inTurns(
			search(shipped.Scanner, in.text), search(forCredentials, in.text), search(sameRules, in.text),
			func() { leaks = gitleaks.DetectString(in.text) })
		engines, library := took[:3], took[3]
		cells := []any{in.kind, library}
		for _, engine := range engines {
			cells = append(cells, short(engine.best), library.times(engine))
		}
		found, same := sameFindings(in.text, leaks, sameRules)
		t.row(append(cells, len(leaks), found, same)...)
		if factor := library.times(engines[2]); factor < timesGitleaks && in.kind != credentials {
			missed = append(missed, fmt.Sprintf("%s: gitleaks takes %.0f times as long as the engine with the same rules, not %d", in.kind, factor, timesGitleaks))
		}
	}
	return missed, t.Flush()
}

// theirRules are gitleaks' own, as far as the engine can keep to them. A table takes no pattern without examples, and a
// configuration of gitleaks has none, so they are made of the regex.
func theirRules() ([]scan.Pattern, error) {
	in, err := importer.Read(importer.Gitleaks, []byte(config.DefaultConfig))
	if err != nil {
		return nil, fmt.Errorf("import gitleaks' rules: %w", err)
	}
	var rules []scan.Pattern
	for _, row := range in.Rows {
		p := row.Pattern
		for tries := 0; ; tries++ { // chance may make one of too little entropy
			made := strings.Join(p.Keywords, " ") + " " + secrets.NewSecret(p.Regex)
			p.Examples = scan.Examples{Match: []string{made, made, made}, NoMatch: []string{"", " ", "."}}
			if _, err := scan.Compile([]scan.Pattern{p}); err == nil {
				break
			} else if tries == 100 {
				return nil, fmt.Errorf("make an example of %s: %w", p.ID, err)
			}
		}
		rules = append(rules, p)
	}
	return rules, nil
}

// sameFindings counts what the engine finds, and what gitleaks finds at the very same place.
func sameFindings(text string, leaks []report.Finding, s *scan.Scanner) (found, same int) {
	type place struct {
		start int
		text  string
	}
	matches, _ := s.Find(context.Background(), text, &scan.Scratch{})
	engine := make(map[place]bool)
	for _, m := range matches {
		engine[place{m.Start, strings.Trim(text[m.Start:m.End], "\n")}] = true // gitleaks trims so
	}
	lines := []int{0} // where each begins, with the line feed before it: gitleaks counts columns from there
	for i := range len(text) {
		if text[i] == '\n' {
			lines = append(lines, i)
		}
	}
	for _, l := range leaks {
		if engine[place{lines[l.StartLine] + l.StartColumn - 1, l.Match}] {
			same++
		}
	}
	return len(matches), same
}
