package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is the name of a YAML file whose keys are the flags of `serve`. Values on the command line and in the
// environment win. A key that is no flag is refused: a misspelt setting must not be a default in disguise.
type configFile string

// BeforeResolve loads the file once its name is known.
func (f configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	name := string(ctx.FlagValue(trace.Flag).(configFile))
	if name == "" {
		return nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	settings := map[string]any{}
	if err := yaml.Unmarshal(raw, &settings); err != nil {
		return fmt.Errorf("--config: %s: %w", name, err)
	}
	known := map[string]bool{}
	for _, group := range ctx.Flags() {
		known[group.Name] = true
	}
	var unknown []string
	for key := range settings {
		if !known[key] || key == "config" {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return errors.New("--config: " + name + ": unknown settings: " + strings.Join(unknown, ", "))
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs { // kong would let a resolver win over the environment
			if _, set := os.LookupEnv(env); set {
				return nil, nil
			}
		}
		return settings[flag.Name], nil
	}))
	return nil
}
