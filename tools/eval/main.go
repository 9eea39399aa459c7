// Command eval says how well the shipped patterns and the injection signal do: what they find, and what they find where
// there is nothing. `make eval` runs it.
//
// It prints four tables: the recall on credentials made afresh by their published formats, in several carriers; the texts
// of benign corpora that are flagged; precision and recall of personal data on texts labelled by hand; and the injection
// signal's cross-validation. A figure below its target is marked, and the exit code is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/policies"
)

func main() {
	corpora := flag.String("corpora", "../shared/corpora", "folder of the corpora")
	sample := flag.String("sample", "pdp/scan/testdata/personal/sample.jsonl", "texts with labels")
	each := flag.Int("each", 20, "credentials to make of each kind")
	seed := flag.Uint64("seed", 1, "of the generator")
	model := flag.String("train", "", "only train the injection signal, and write it to this file")
	flag.Parse()
	if *model != "" {
		texts, err := readCorpora(*corpora)
		if err == nil {
			err = train(texts, *model)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "eval:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), os.Stdout, *corpora, *sample, *each, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

var errBelow = errors.New("a figure is below its target")

func run(ctx context.Context, out io.Writer, corpora, sample string, each int, seed uint64) error {
	scanner, err := shipped(ctx)
	if err != nil {
		return err
	}
	r := &report{out: out}
	r.credentials(credentials(ctx, scanner, each, seed))
	texts, err := readCorpora(corpora)
	if err != nil {
		return err
	}
	r.benign(benign(ctx, scanner, texts))
	labelled, err := readSample(sample)
	if err != nil {
		return err
	}
	r.personal(personal(ctx, scanner, labelled))
	r.signal(crossValidate(texts))
	r.disguised(misspelt(ctx, scanner, texts))
	surprise, err := surprising(corpora)
	if err != nil {
		return err
	}
	r.behaviour(surprise)
	if r.below {
		return errBelow
	}
	return nil
}

// shipped is the scanner of the bundle that is built into the program.
func shipped(ctx context.Context) (*scan.Scanner, error) {
	bundle, err := policy.ReadFS(policies.FS, "built in")
	if err != nil {
		return nil, err
	}
	tools, err := policy.NewToolchain(bundles.Capabilities, schema.Input)
	if err != nil {
		return nil, err
	}
	snapshot, err := policy.Load(ctx, bundle, policy.LoadOptions{Toolchain: tools, SkipTests: true, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return snapshot.Scanner, nil
}

// report prints figures beside their targets, and remembers whether one is below.
type report struct {
	out   io.Writer
	below bool
}

func (r *report) table(title string, rows func(w io.Writer)) {
	fmt.Fprintf(r.out, "\n%s\n", title)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	rows(w)
	_ = w.Flush() // to a terminal or a buffer
}

// mark says whether a figure holds.
func (r *report) mark(holds bool) string {
	if holds {
		return ""
	}
	r.below = true
	return "BELOW TARGET"
}

func percent(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}
