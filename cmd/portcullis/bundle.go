package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/policies"
)

type bundleCmd struct {
	Build  bundleBuildCmd  `cmd:"" help:"Make an archive from a folder and overlays."`
	Check  bundleCheckCmd  `cmd:"" help:"Compile a bundle, check its tables and run its tests."`
	Test   bundleTestCmd   `cmd:"" help:"Run a bundle's tests."`
	Import bundleImportCmd `cmd:"" help:"Carry patterns over from gitleaks, Presidio or detect-secrets."`
}

// toolchain is what every bundle is compiled with.
func toolchain() (*policy.Toolchain, error) {
	return policy.NewToolchain(bundles.Capabilities, schema.Input)
}

// builtIn is the default bundle inside the program.
func builtIn() (*policy.Bundle, error) {
	return policy.ReadFS(policies.FS, "built-in policies")
}

type layers struct {
	Paths []string `arg:"" optional:"" help:"Folder or archive of the bundle, then overlays, lowest first. Default: the built-in policies."`
}

// read merges the layers.
func (l layers) read(ctx context.Context) (*policy.Bundle, error) {
	places, err := stack(l.Paths)
	if err != nil {
		return nil, err
	}
	return places.Read(ctx)
}

// stack is the bundles that paths name, lowest first. Where the lowest holds no Rego, it is an overlay too, and the
// built-in policies are below it; over the lowest bundle come the fixed overlays.
func stack(paths []string, fixed ...*policy.Bundle) (*policy.Places, error) {
	bottom, err := builtIn()
	if err != nil {
		return nil, err
	}
	base := []policy.Layer{{Fixed: bottom}}
	if len(paths) > 0 && !strings.Contains(paths[0], "://") {
		lowest, err := policy.Read(paths[0])
		if err != nil {
			return nil, err
		}
		switch {
		case len(lowest.Modules) > 0:
			base, paths = []policy.Layer{{Name: paths[0]}}, paths[1:]
		case len(lowest.Data) == 0: // or a misspelt folder would be the built-in policies
			return nil, fmt.Errorf("bundle %s holds neither Rego nor tables: is it the right folder?", paths[0])
		}
	} else if len(paths) > 0 {
		base, paths = []policy.Layer{{Name: paths[0]}}, paths[1:]
	}
	for _, b := range fixed {
		base = append(base, policy.Layer{Fixed: b})
	}
	for _, p := range paths {
		base = append(base, policy.Layer{Name: p})
	}
	return policy.NewPlaces(base...)
}

type bundleBuildCmd struct {
	layers
	Output string `short:"o" required:"" help:"The archive to write."`
}

// Run checks the bundle and writes it. The same input gives the same bytes.
func (c bundleBuildCmd) Run(ctx context.Context, io streams) error {
	b, err := c.read(ctx)
	if err != nil {
		return err
	}
	if _, err := check(ctx, b); err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := b.WriteArchive(&buf); err != nil {
		return err
	}
	if err := writeFile(c.Output, buf.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s  %s  %d bytes\n", c.Output, b.Revision(), buf.Len())
	return err
}

// writeFile puts a file in its place whole or not at all. A pipe or a device is written to, never replaced.
func writeFile(name string, data []byte) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func check(ctx context.Context, b *policy.Bundle) (*policy.Snapshot, error) {
	tools, err := toolchain()
	if err != nil {
		return nil, err
	}
	return policy.Load(ctx, b, policy.LoadOptions{Toolchain: tools, Now: time.Now})
}

type bundleCheckCmd struct{ layers }

// Run says whether a server would load the bundle.
func (c bundleCheckCmd) Run(ctx context.Context, io streams) error {
	b, err := c.read(ctx)
	if err != nil {
		return err
	}
	s, err := check(ctx, b)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "ok  %s  %d modules, %d test files, %d patterns, %d limits\n",
		s.Revision, len(b.Modules), len(b.Tests), len(s.Tables.Patterns), len(s.Tables.Limits))
	return err
}

type bundleTestCmd struct{ layers }

// Run is check under the name that people look for.
func (c bundleTestCmd) Run(ctx context.Context, io streams) error {
	b, err := c.read(ctx)
	if err != nil {
		return err
	}
	if len(b.Tests) == 0 {
		return errors.New("the bundle has no tests")
	}
	if _, err := check(ctx, b); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "ok  the tests in %d files passed\n", len(b.Tests))
	return err
}
