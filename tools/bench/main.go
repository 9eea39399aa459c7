// Command bench compares the scanning engine with what else can be had in Go: each shipped pattern by itself through regexp, and
// the library of gitleaks with the rules that it brings along. SHA-256 over the same bytes is the yardstick. It is a module of
// its own, because gitleaks brings some sixty others that nobody else here needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/policies"
	"github.com/portcullis-pdp/portcullis/tools/texts"
)

// What is promised at 1 MB over calls, code, JSON and prose: how many times as long as the engine regexp takes with all shipped
// patterns, and the library of gitleaks with its own rules, which the engine has then, too.
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
	check := flag.Bool("check", false, fmt.Sprintf("fail unless, over each text but credentials, the engine is %d times as fast with all shipped patterns as these by regexp, and %d times as fast with gitleaks' rules as gitleaks",
		timesRegexp, timesGitleaks))
	flag.Parse()
	runtime.GOMAXPROCS(1)
	all, err := gather(*root, strings.Split(*kinds, ","), *size)
	if err != nil {
		log.Fatal(err)
	}
	missed, err := compare(all, *skip)
	if err != nil {
		log.Fatal(err)
	}
	if *check && len(missed) > 0 {
		log.Fatal("not what is promised:\n", strings.Join(missed, "\n"))
	}
}

// text is one of a kind.
type text struct{ kind, text string }

// gather reads the texts.
func gather(root string, kinds []string, size int) ([]text, error) {
	byKind, err := texts.Gather(root, "", size)
	if err != nil {
		return nil, err
	}
	if byKind[credentials], err = aboutCredentials(size); err != nil {
		return nil, err
	}
	var out []text
	for _, kind := range kinds {
		if byKind[kind] == "" {
			return nil, fmt.Errorf("there is no text of the kind %q", kind)
		}
		out = append(out, text{kind, byKind[kind]})
	}
	return out, nil
}

// credentials is a text about what is looked for, where the words abound on which gitleaks begins to look: its speed depends on
// them more than on anything else.
// Nothing is promised of it: nearly all that takes time there is what is found.
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

// compare prints a table for each rival, and gives what is not as fast as promised.
func compare(texts []text, skip string) (missed []string, err error) {
	snapshot, err := shipped()
	if err != nil {
		return nil, err
	}
	if skip != "regexp" {
		slower, err := againstRegexp(os.Stdout, texts, snapshot)
		if err != nil {
			return nil, err
		}
		missed = append(missed, slower...)
	}
	if skip != "gitleaks" {
		slower, err := againstGitleaks(os.Stdout, texts, snapshot)
		if err != nil {
			return nil, err
		}
		missed = append(missed, slower...)
	}
	return missed, nil
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
