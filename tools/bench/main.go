// Command bench compares the scanning engine, with all shipped patterns, with what else can be had in Go: each pattern by
// itself through regexp, and the library of gitleaks with the rules that it brings along. SHA-256 over the same bytes is the
// yardstick. It is a module of its own, because gitleaks brings some sixty others that nobody else here needs.
//
// Both are far slower, so each goes through the text once, and the engine many times, of which the best counts. Time is that
// of the processor, on one core, so that what else the machine does counts little.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/zricethezav/gitleaks/v8/detect"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/policies"
	"github.com/portcullis-pdp/portcullis/tools/texts"
)

// What is promised at 1 MB.
const (
	timesRegexp   = 5_000
	timesGitleaks = 1_000
)

func main() {
	log.SetFlags(0)
	root := flag.String("root", ".", "folder of the repository, whose files are the texts")
	kinds := flag.String("kinds", "calls,code,json,prose,"+credentials, "texts to take")
	size := flag.Int("bytes", 1<<20, "size of a text")
	skip := flag.String("skip", "", "leave out regexp or gitleaks")
	check := flag.Bool("check", false, "fail if a promise is not kept")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	byKind, err := texts.Gather(*root, "", *size)
	if err != nil {
		log.Fatal(err)
	}
	if byKind[credentials], err = aboutCredentials(*size); err != nil {
		log.Fatal(err)
	}
	kept, err := compare(os.Stdout, byKind, strings.Split(*kinds, ","), *skip)
	if err != nil {
		log.Fatal(err)
	}
	if *check && !kept {
		log.Fatal("a promise is not kept")
	}
}

// credentials is a text about what is looked for, where the words abound on which gitleaks begins to look: its speed depends on
// them more than on anything else.
const credentials = "credentials"

// aboutCredentials is the source of gitleaks, with its documentation, as far as it goes.
func aboutCredentials(size int) (string, error) {
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/zricethezav/gitleaks/v8").Output()
	if err != nil {
		return "", fmt.Errorf("find the source of gitleaks: %w", err)
	}
	var all strings.Builder
	err = filepath.WalkDir(strings.TrimSpace(string(where)), func(path string, entry fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || entry.IsDir() || ext != ".go" && ext != ".md" {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the source of gitleaks: %w", err)
	}
	return strings.ToValidUTF8(all.String()[:min(size, all.Len())], ""), nil
}

// compare prints a line for each kind of text, and says whether all promises are kept.
func compare(to io.Writer, byKind map[string]string, kinds []string, skip string) (kept bool, err error) {
	snapshot, err := shipped()
	if err != nil {
		return false, err
	}
	var plain []*regexp.Regexp
	for _, p := range snapshot.Tables.Patterns {
		plain = append(plain, regexp.MustCompile(p.Regex))
	}
	zerolog.SetGlobalLevel(zerolog.Disabled)
	leaks, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return false, fmt.Errorf("set gitleaks up: %w", err)
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "text\tKB\tSHA-256\tengine, %d patterns\tregexp one by one\tgitleaks, %d rules\tengine: times SHA-256\tregexp: times the engine\tgitleaks: times the engine\n",
		len(plain), len(leaks.Config.Rules))
	kept = true
	for _, kind := range kinds {
		text, there := byKind[kind]
		if !there {
			return false, errors.New("there is no text of the kind " + kind)
		}
		raw := []byte(text)
		sum := best(20, func() { sha256.Sum256(raw) })
		var f scan.Scratch
		engine := best(20, func() { snapshot.Scanner.Find(context.Background(), text, &f) })
		byRegexp, byGitleaks := time.Duration(0), time.Duration(0)
		if skip != "regexp" {
			byRegexp = best(1, func() {
				for _, re := range plain {
					re.FindAllStringIndex(text, -1)
				}
			})
			kept = kept && byRegexp >= timesRegexp*engine
		}
		if skip != "gitleaks" {
			byGitleaks = best(1, func() { leaks.DetectString(text) })
			kept = kept && byGitleaks >= timesGitleaks*engine
		}
		fmt.Fprintf(table, "%s\t%d\t%v\t%v\t%v\t%v\t%.2f\t%.0f\t%.0f\n", kind, len(text)>>10, round(sum), round(engine), round(byRegexp), round(byGitleaks),
			ratio(engine, sum), ratio(byRegexp, engine), ratio(byGitleaks, engine)) // 0 where it was left out
	}
	return kept, table.Flush()
}

// shipped are the patterns of the policies inside the program.
func shipped() (*policy.Snapshot, error) {
	tools, err := policy.NewToolchain(bundles.Capabilities, schema.Input)
	if err != nil {
		return nil, err
	}
	b, err := policy.ReadFS(policies.FS, "built in")
	if err != nil {
		return nil, err
	}
	return policy.Load(context.Background(), b, policy.LoadOptions{Toolchain: tools, SkipTests: true, Now: time.Now})
}

// best is the shortest of a few runs.
func best(runs int, f func()) time.Duration {
	took := make([]time.Duration, runs)
	runtime.GC() // what ran before has left its own
	for i := range took {
		start := used()
		f()
		took[i] = used() - start
	}
	return slices.Min(took)
}

// used is the time that the processor has given to this program.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

func round(d time.Duration) time.Duration { return d.Round(d/1000 + 1) }
