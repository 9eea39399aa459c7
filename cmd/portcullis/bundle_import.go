package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/portcullis-pdp/portcullis/pdp/scan/importer"
)

type bundleImportCmd struct {
	File   string `arg:"" help:"A gitleaks TOML, a Presidio recogniser YAML or a detect-secrets baseline; - is standard input."`
	Format string `enum:"auto,gitleaks,presidio,detect-secrets" default:"auto" help:"Whose file it is: gitleaks, presidio or detect-secrets. Default: told by the file."`
	Output string `short:"o" help:"The table to write, such as mine/tables/patterns/imported/data.yaml. Default: standard output."`
	JSON   bool   `help:"Print what was not carried over as JSON, for scripts."`
}

// imported is what import prints with --json, on standard error, or on standard output if the table goes to a file.
type imported struct {
	Patterns []string        `json:"patterns"`
	Left     []importer.Left `json:"left"`
}

// Run writes the rows, and says what was not carried over and why.
func (c bundleImportCmd) Run(io streams) error {
	raw, err := c.read(io)
	if err != nil {
		return err
	}
	format := importer.Format(c.Format)
	if c.Format == "auto" {
		if format, err = importer.FormatOf(c.File, raw); err != nil {
			return &exitError{2, err}
		}
	}
	in, err := importer.Read(format, raw)
	if err != nil {
		return &exitError{2, fmt.Errorf("%s: %w", c.File, err)}
	}
	table, err := in.WriteYAML()
	if err != nil {
		return err
	}
	report := io.out
	if c.Output == "" {
		report = io.err
		if _, err := io.out.Write(table); err != nil {
			return err
		}
	} else if err := writeFile(c.Output, table); err != nil {
		return err
	}
	return c.report(report, in)
}

func (c bundleImportCmd) read(given streams) ([]byte, error) {
	from := given.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	return io.ReadAll(io.LimitReader(from, importer.MaxBytes+1))
}

func (c bundleImportCmd) report(to io.Writer, in *importer.Import) error {
	if c.JSON {
		out := imported{Patterns: []string{}, Left: append([]importer.Left{}, in.Left...)}
		for _, r := range in.Rows {
			out.Patterns = append(out.Patterns, r.Pattern.ID)
		}
		return json.NewEncoder(to).Encode(out)
	}
	for _, l := range in.Left {
		if _, err := fmt.Fprintf(to, "left   %s: %s\n", plain(l.What), plain(l.Why)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(to, "%d patterns carried over, %d things left; each pattern needs three examples that match and three that must not before it loads\n", len(in.Rows), len(in.Left))
	return err
}
