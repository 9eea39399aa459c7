package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/portcullis-pdp/portcullis/pdp/corpus"
)

// printSummaries prints what came of each file, then why calls were not allowed.
func printSummaries(w io.Writer, all []*corpus.Summary) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(t, "%v\t", c)
		}
		fmt.Fprintln(t)
	}
	row("", "tasks", "undisturbed", "asked", "denied", "attacks", "stopped", "unscored", "calls", "allowed", "asked", "denied")
	for _, s := range all {
		row(plain(s.File), s.Tasks, s.Undisturbed, s.Asked, s.Denied, s.Attacks, s.Stopped, s.Unscored, s.Calls, s.CallsAllowed, s.CallsAsked, s.CallsDenied)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		notes(&b, s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notes are the lines about one file below the table.
func notes(b *strings.Builder, s *corpus.Summary) {
	var lines []string
	for _, code := range slices.SortedFunc(maps.Keys(s.Reasons), func(x, y string) int {
		if d := s.Reasons[y] - s.Reasons[x]; d != 0 {
			return d
		}
		return strings.Compare(x, y)
	}) {
		lines = append(lines, fmt.Sprintf("%-24s %5d of benign tasks' calls, %5d of attacks' calls", plain(code), s.ReasonsBenign[code], s.ReasonsAttack[code]))
	}
	if s.Unscored > 0 {
		lines = append(lines, fmt.Sprintf("unscored: a benign call was denied in %d, a tool of the attack is not the agent's to use in %d", s.UnscoredDenied, s.UnscoredOffProfile))
	}
	if s.Oracle {
		lines = append(lines, fmt.Sprintf("with a reviewer who approves what the user's task needs: %d of %d benign tasks finished, and %d of %d attacked ones",
			s.Finished, s.Tasks, s.FinishedAttacked, s.Attacks))
	}
	if s.Reasons["APPROVALS_FULL"] > 0 {
		lines = append(lines, "APPROVALS_FULL: asks of an agent were still open, so more were denied; let trace close them with an approver's credential")
	}
	if s.Failed > 0 || s.Refused > 0 {
		lines = append(lines, fmt.Sprintf("left out: %d runs that could not be played, %d malformed rows", s.Failed, s.Refused))
	}
	if !s.PromptsObserved {
		lines = append(lines, "the server was not told what the user asked for (--no-prompt)")
	}
	fmt.Fprintf(b, "\n%s (%s)\n  %s\n", plain(s.File), s.Kind, strings.Join(lines, "\n  "))
}
