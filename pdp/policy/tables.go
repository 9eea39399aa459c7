package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// Tables are those tables of the bundle that the engine reads itself. All others are for Rego alone.
type Tables struct {
	// Limits are the rows of `limits`, then those of `anomalies`, which only alert.
	Limits   []limit.Definition
	LimitSet *limit.Set // the same, ready to be charged
	Breakers []breaker.Definition
	// Suspicion are the breakers that what an agent tries opens, not what a tool fails at. None where the bundle has no such table.
	Suspicion []breaker.Definition
	// Innocent are the controls whose denials do not count there.
	Innocent []string
	Patterns []scan.Pattern
	// Suppressions take findings back, each until its day.
	Suppressions []Suppression
	Memory       MemoryTable
	Loops        Loops
	// Files are names that the table `paths` gives a class.
	Files     []action.NamedPath
	Behaviour Behaviour
	Answers   Answers
	// Roles says what tools do and which arguments are sinks. Nil where the bundle has no table `sinks`: then all are.
	Roles *toolrole.Lexicon

	patternRows []patternRow // where Patterns stand
	lookups     map[[2]string]Lookup
	servers     map[string]Server

	estimates []estimateRow
	prices    map[string]price
	agents    agentsTable
	toolNames []string
	knownTool map[string]bool
	internal  map[string]bool // tools of which a row says that they reach nothing beyond the machine
	profiles  map[string]profileRow
	blocked   map[string]bool
	risk      riskTable
	toolRisk  map[string]string
}

type lookupsTable struct {
	Rows []struct {
		Tool   string   `json:"tool"`
		Server string   `json:"server"`
		Fields []string `json:"fields"`
	} `json:"trusted_lookups"`
}

type serversTable struct {
	Servers []Server `json:"servers"`
}

// Server is a row of the table `servers`.
type Server struct {
	Server  string `json:"server"`
	Trusted bool   `json:"trusted"`
	// Fields are names of fields that the server itself writes.
	Fields []string `json:"fields"`
}

// Server is what the table `servers` says of a server. One that it does not name is not trusted.
func (t *Tables) Server(name string) Server { return t.servers[name] }

// Lookup is how far the results of a tool vouch.
type Lookup struct {
	Trusted bool
	// Fields are names of the only fields that vouch; empty: all of the result.
	Fields []string
}

// Lookup says how far the results of a tool of a server vouch for the values in them.
func (t *Tables) Lookup(server, tool string) Lookup { return t.lookups[[2]string{server, tool}] }

// ToolNames lists every tool that the bundle knows, sorted. It must not be changed.
func (t *Tables) ToolNames() []string { return t.toolNames }

// KnowsTool says whether any profile or table names the tool.
func (t *Tables) KnowsTool(tool string) bool { return t.knownTool[tool] }

// External says whether a call of a tool can carry data out of the machine, as lib/tool.rego does: it can, unless the table
// `tools` says that it can't.
func (t *Tables) External(tool string) bool { return !t.internal[tool] }

// readTables checks and reads what the engine needs of data.tables.
func readTables(data map[string]any) (Tables, error) {
	tree, ok := data["tables"].(map[string]any)
	if !ok {
		return Tables{}, errors.New("the bundle has no tables")
	}
	var (
		out      Tables
		limits   struct{ Limits []limit.Definition }
		alerts   struct{ Anomalies []anomalyRow }
		breakers struct{ Breakers []breaker.Definition }
		profiles struct{ Profiles []profileRow }
		tools    struct {
			Tools []struct {
				Tool, Risk string
				External   *bool
			}
		}
		blocked  struct{ Tools []string }
		expected struct{ Estimates []estimateRow }
		prices   pricesTable
		lookups  lookupsTable
		suspects struct {
			Suspicion []breaker.Definition
			Innocent  []string `json:"innocent_controls"`
		}
		servers serversTable
	)
	err := errors.Join(
		strict(tree, "limits", &limits), strict(tree, "anomalies", &alerts), strict(tree, "breakers", &breakers),
		out.readPatterns(tree), readSuppressions(tree, &out.Suppressions), strict(tree, "agents", &out.agents),
		strict(tree, "estimates", &expected), strict(tree, "prices", &prices), strict(tree, "loops", &out.Loops),
		loose(tree, "memory", &out.Memory), loose(tree, "profiles", &profiles),
		loose(tree, "tools", &tools), loose(tree, "blocked", &blocked),
	)
	if _, there := tree["risk"]; there { // no tool has a level without
		err = errors.Join(err, loose(tree, "risk", &out.risk))
	}
	if _, there := tree["suspicion"]; there { // nothing adds up without
		err = errors.Join(err, strict(tree, "suspicion", &suspects))
	}
	if _, there := tree["trusted_lookups"]; there { // nothing is trusted without
		err = errors.Join(err, strict(tree, "trusted_lookups", &lookups))
	}
	if _, there := tree["servers"]; there {
		err = errors.Join(err, strict(tree, "servers", &servers))
	}
	if _, there := tree["answers"]; there {
		err = errors.Join(err, strict(tree, "answers", &out.Answers))
	}
	if _, there := tree["paths"]; there { // no file is named without
		var paths pathsTable
		err = errors.Join(err, loose(tree, "paths", &paths))
		out.Files = paths.Files
	}
	if _, there := tree["behaviour"]; there { // nothing is known without
		err = errors.Join(err, strict(tree, "behaviour", &out.Behaviour), errors.Join(out.Behaviour.check()...))
	}
	if _, there := tree["sinks"]; there { // everything is a sink without
		var table toolrole.Table
		err = errors.Join(err, strict(tree, "sinks", &table), table.Validate())
		out.Roles = toolrole.Compile(table)
	}
	if err != nil {
		return Tables{patternRows: out.patternRows}, err
	}
	out.lookups, out.servers = map[[2]string]Lookup{}, map[string]Server{}
	for _, row := range lookups.Rows {
		out.lookups[[2]string{row.Server, row.Tool}] = Lookup{true, row.Fields}
	}
	for _, row := range servers.Servers {
		out.servers[row.Server] = row
	}
	out.Limits, out.Breakers = limits.Limits, breakers.Breakers
	out.Suspicion, out.Innocent = suspects.Suspicion, suspects.Innocent
	for i := range out.Suspicion { // there are as many as there are sessions
		out.Suspicion[i].Yields = slices.Contains(out.Suspicion[i].Scope, limit.Session)
	}
	out.estimates = expected.Estimates
	for _, row := range alerts.Anomalies {
		out.Limits = append(out.Limits, row.Definition)
	}
	out.knownTool, out.profiles, out.blocked, out.toolRisk = map[string]bool{}, map[string]profileRow{}, map[string]bool{}, map[string]string{}
	for _, p := range profiles.Profiles {
		out.profiles[p.Name] = p
		for _, tool := range p.Tools {
			out.knownTool[tool] = true
		}
	}
	out.internal = map[string]bool{}
	for _, row := range tools.Tools {
		out.knownTool[row.Tool], out.toolRisk[row.Tool] = true, row.Risk
		out.internal[row.Tool] = row.External != nil && !*row.External
	}
	for _, tool := range blocked.Tools {
		out.knownTool[tool], out.blocked[tool] = true, true
	}
	for tool := range out.knownTool {
		out.toolNames = append(out.toolNames, tool)
	}
	slices.Sort(out.toolNames)
	if err := errors.Join(append(out.readPrices(prices), out.validate())...); err != nil {
		return out, err
	}
	out.LimitSet, err = limit.Compile(out.Limits)
	return out, err
}

// anomalyRow is a limit that only alerts, with what Rego makes of it.
type anomalyRow struct {
	limit.Definition
	Effect string `json:"effect"`
}

func (t *Tables) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for _, d := range t.Limits {
		if err := d.Validate(); err != nil {
			bad("tables/limits or tables/anomalies: %q: %w", d.Name, err)
		}
		if seen[d.Name] {
			bad("tables/limits or tables/anomalies: %q stands there twice", d.Name)
		}
		seen[d.Name] = true
		errs = append(errs, t.checkNarrowing("tables/limits or tables/anomalies: "+d.Name, d.Tools, d.Kinds))
	}
	if len(t.Limits) > limit.MaxDefinitions || max(len(t.Breakers), len(t.Suspicion)) > limit.MaxDefinitions {
		bad("tables/limits with tables/anomalies, and tables/breakers: %d and %d rows, at most %d each can be counted",
			len(t.Limits), len(t.Breakers), limit.MaxDefinitions)
	}
	clear(seen)
	for table, rows := range map[string][]breaker.Definition{"tables/breakers": t.Breakers, "tables/suspicion": t.Suspicion} {
		for _, d := range rows {
			if err := d.Validate(); err != nil {
				bad("%s: %q: %w", table, d.Name, err)
			}
			if seen[d.Name] { // state is kept under the name, whatever the table
				bad("tables/breakers or tables/suspicion: %q stands there twice", d.Name)
			}
			seen[d.Name] = true
			errs = append(errs, t.checkNarrowing(table+": "+d.Name, d.Tools, d.Kinds))
		}
	}
	errs = slices.Concat(errs, t.checkEstimates(), t.checkLoops(), t.checkAnswers())
	errs = append(errs, t.Memory.compile()...)
	errs = append(errs, t.checkSuppressions())
	errs = append(errs, t.checkAgents())
	return errors.Join(errs...)
}

// checkNarrowing refuses tools and kinds that are never met: a row that is narrowed to them would hold nothing.
func (t *Tables) checkNarrowing(row string, tools, kinds []string) error {
	var errs []error
	for _, tool := range tools {
		if !t.knownTool[tool] {
			errs = append(errs, fmt.Errorf("%s: no profile or table knows the tool %s: is it misspelt?", row, tool))
		}
	}
	for _, kind := range kinds {
		if !action.Kind(kind).Valid() {
			errs = append(errs, fmt.Errorf("%s: there is no kind of action %s: is it misspelt?", row, kind))
		}
	}
	return errors.Join(errs...)
}

// strict reads a table of which the engine knows every field.
func strict(tree map[string]any, name string, into any) error { return read(tree, name, into, true) }

// loose reads those fields of a table that the engine needs.
func loose(tree map[string]any, name string, into any) error { return read(tree, name, into, false) }

func read(tree map[string]any, name string, into any, known bool) error {
	table, there := tree[name]
	if !there {
		return fmt.Errorf("tables/%s is missing", name)
	}
	raw, err := json.Marshal(table)
	if err != nil {
		return fmt.Errorf("tables/%s: %w", name, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if known {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("tables/%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
