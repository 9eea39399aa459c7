package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// The shapes of the shipped tables that only Rego reads. They are checked at load, because a misspelt field would
// otherwise be a default in disguise: `rissk: HIGH` would make a tool MEDIUM. Tables of other names are their author's.
type (
	approvalTerms struct {
		TTLSeconds *int64 `json:"ttl_seconds"` // 1 to 86400
		Quorum     *int64 `json:"quorum"`      // 1 to 10
	}
	approvalsShape struct {
		Default approvalTerms `json:"default"`
		Levels  []struct {
			Name string `json:"name"`
			approvalTerms
		} `json:"levels"`
		Rows     []approvalRow  `json:"rows"`
		Fallback *approvalStage `json:"fallback"`
	}
	approvalStage struct {
		AfterSeconds *int64   `json:"after_seconds"`
		Quorum       *int64   `json:"quorum"`
		Groups       []string `json:"groups"`
		Roles        []string `json:"roles"`
	}
	approvalRow struct {
		Name                string   `json:"name"`
		Tools               []string `json:"tools"`
		Risks               []string `json:"risks"`
		Kinds               []string `json:"kinds"`
		Tenants             []string `json:"tenants"`
		Agents              []string `json:"agents"`
		Rules               []string `json:"rules"`
		AmountAtLeast       *int64   `json:"amount_at_least"`
		CostMicroUSDAtLeast *int64   `json:"cost_micro_usd_at_least"`
		approvalTerms
		Groups []string        `json:"groups"`
		Roles  []string        `json:"roles"`
		Stages []approvalStage `json:"stages"`
	}
	riskShape struct {
		Levels []struct {
			Name     string `json:"name"`
			Rank     *int64 `json:"rank"`
			Approval *bool  `json:"approval"`
		} `json:"levels"`
		DefaultLevel string `json:"default_level"`
		ProvableUpTo string `json:"provable_up_to"`
	}
	toolsShape struct {
		Tools []struct {
			Tool     string `json:"tool"`
			Risk     string `json:"risk"`
			External *bool  `json:"external"`
		} `json:"tools"`
	}
	profilesShape struct {
		Profiles []struct {
			Name            string   `json:"name"`
			Strictness      int64    `json:"strictness"`
			ApproveHigh     string   `json:"approve_high"`
			Tools           []string `json:"tools"`
			ExemptFromBlock []string `json:"exempt_from_block"`
		} `json:"profiles"`
	}
	blockedShape struct {
		Tools []string `json:"tools"`
	}
	memoryShape struct {
		MaxItems          int64 `json:"max_items"`
		MaxItemCharacters int64 `json:"max_item_characters"`
		MemoryTable
	}
	sizeShape struct {
		MaxArgumentsBytes int64 `json:"max_arguments_bytes"`
		MaxTokens         int64 `json:"max_tokens"`
	}
	marksShape struct {
		Marks []namedEffect `json:"marks"`
	}
	flowsShape struct {
		Flows []namedEffect `json:"flows"`
	}
	gapsShape struct {
		Gaps []namedEffect `json:"gaps"`
	}
	namedEffect struct {
		Name   string `json:"name"`
		Effect string `json:"effect"`
	}
	effectsShape struct {
		Effects []struct {
			namedEffect
			Category   string   `json:"category"`
			Kinds      []string `json:"kinds"`
			Severities []string `json:"severities"`
			Tools      string   `json:"tools"`
			Replace    string   `json:"replace"`
			Rules      []string `json:"rules"`
			ToolNames  []string `json:"tool_names"`
			Fields     string   `json:"fields"`
			Origins    string   `json:"origins"`
		} `json:"effects"`
	}
	meantShape struct {
		Meant []struct {
			Name      string   `json:"name"`
			Rules     []string `json:"rules"`
			Fields    []string `json:"fields"`
			ToolNames []string `json:"tool_names"`
		} `json:"meant"`
	}
	controlsShape struct {
		Controls []struct {
			Control string   `json:"control"`
			About   string   `json:"about"`
			Kinds   []string `json:"kinds"`
		} `json:"controls"`
	}
)

// shapes gathers what is wrong with the tables of one bundle.
type shapes struct {
	tree   map[string]any
	levels map[string]bool // risk levels
	// patterns are the ids of all patterns, and of what the scanner finds by itself.
	patterns []string
	errs     []error
}

// checkShapes refuses shipped tables with unknown fields, values out of their range, or rows that stand there twice.
// controls are the packages below data.portcullis.rules.
func checkShapes(data map[string]any, controls map[string]bool) error {
	tree, _ := data["tables"].(map[string]any)
	s := &shapes{tree: tree, levels: map[string]bool{}, patterns: []string{scan.RuleUndecoded, scan.RuleDisguised, scan.RuleSuspicion}}
	var t Tables
	if t.readPatterns(tree) == nil { // else it is said where the table is read
		for _, p := range t.Patterns {
			s.patterns = append(s.patterns, p.ID)
		}
	}
	s.risk()
	s.approvals()
	s.tools()
	s.profiles()
	s.positive()
	s.marks()
	s.effects(controls)
	s.meant()
	s.controls(controls)
	return errors.Join(s.errs...)
}

func (s *shapes) bad(table, format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("tables/"+table+": "+format, args...))
}

// table reads one strictly. It says false if there is none: what reads it in Rego is then silent, which denies.
func (s *shapes) table(name string, into any) bool {
	if _, there := s.tree[name]; !there {
		return false
	}
	if err := strict(s.tree, name, into); err != nil {
		s.errs = append(s.errs, err)
		return false
	}
	return true
}

// once complains about names that are missing or stand there twice.
func (s *shapes) once(table string, names []string) {
	seen := map[string]bool{}
	for _, n := range names {
		switch {
		case n == "":
			s.bad(table, "a row has no name")
		case seen[n]:
			s.bad(table, "%s stands there twice", n)
		}
		seen[n] = true
	}
}

func (s *shapes) oneOf(table, row, field, value string, known ...string) {
	if !slices.Contains(known, value) {
		s.bad(table, "%s: %s %q is none of %s", row, field, value, strings.Join(known, ", "))
	}
}

func (s *shapes) risk() {
	var t riskShape
	if !s.table("risk", &t) {
		return
	}
	var names []string
	ranks := map[int64]bool{}
	for _, l := range t.Levels {
		names = append(names, l.Name)
		s.levels[l.Name] = true
		switch {
		case l.Rank == nil || l.Approval == nil:
			s.bad("risk", "%s: rank and approval must be given", l.Name)
		case ranks[*l.Rank]:
			s.bad("risk", "%s: another level has the rank %d", l.Name, *l.Rank)
		default:
			ranks[*l.Rank] = true
		}
	}
	s.once("risk", names)
	s.oneOf("risk", "default_level", "level", t.DefaultLevel, names...)
	s.oneOf("risk", "provable_up_to", "level", t.ProvableUpTo, names...)
}

func (s *shapes) known() []string { return slices.Sorted(maps.Keys(s.levels)) }

func (s *shapes) tools() {
	var t toolsShape
	if !s.table("tools", &t) {
		return
	}
	var names []string
	for _, row := range t.Tools {
		names = append(names, row.Tool)
		s.oneOf("tools", row.Tool, "risk", row.Risk, s.known()...)
		if row.External == nil {
			s.bad("tools", "%s: external must be given", row.Tool)
		}
	}
	s.once("tools", names)
}

func (s *shapes) profiles() {
	var t profilesShape
	if s.table("profiles", &t) {
		var names []string
		for _, p := range t.Profiles {
			names = append(names, p.Name)
			s.oneOf("profiles", p.Name, "approve_high", p.ApproveHigh, "always", "unless_proven")
			s.once("profiles: "+p.Name, p.Tools)
		}
		s.once("profiles", names)
	}
	var agents agentsTable
	if s.table("agents", &agents) {
		var names []string
		for _, a := range agents.Agents {
			names = append(names, strings.TrimPrefix(a.Tenant+"/"+a.Agent, "/"))
		}
		s.once("agents", names)
	}
	var blocked blockedShape
	if s.table("blocked", &blocked) {
		s.once("blocked", blocked.Tools)
	}
}

// positive checks the tables that are a few numbers.
func (s *shapes) positive() {
	var memory memoryShape
	if s.table("memory", &memory) && min(memory.MaxItems, memory.MaxItemCharacters, memory.TTLSeconds) < 1 {
		s.bad("memory", "max_items, max_item_characters and ttl_seconds are at least 1")
	}
	var size sizeShape
	if s.table("size", &size) && min(size.MaxArgumentsBytes, size.MaxTokens) < 1 {
		s.bad("size", "max_arguments_bytes and max_tokens are at least 1")
	}
}

func (s *shapes) marks() {
	var paths pathsTable
	if s.table("paths", &paths) {
		s.named("paths", paths.Marks)
		for _, row := range paths.Files {
			if !row.Valid() {
				s.bad("paths", "files: %q needs a name to end in, and one of the classes secret, agent_config, memory and system", row.Path)
			}
		}
	}
	for _, name := range []string{"urls", "commands"} {
		var t marksShape
		if s.table(name, &t) {
			s.named(name, t.Marks)
		}
	}
	var p pricesTable
	if s.table("prices", &p) {
		s.named("prices", p.Unpriced)
		for _, row := range p.Unpriced {
			s.oneOf("prices", row.Name, "name", row.Name, "unknown", "unnamed")
		}
	}
	var b Behaviour
	if s.table("behaviour", &b) {
		s.named("behaviour", b.Levels)
	}
	var t gapsShape
	if s.table("degraded", &t) {
		s.named("degraded", t.Gaps)
	}
	var f flowsShape
	if s.table("flows", &f) {
		s.named("flows", f.Flows)
	}
}

func (s *shapes) named(table string, rows []namedEffect) {
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
		s.oneOf(table, r.Name, "effect", r.Effect, "allow", "ask", "deny")
	}
	s.once(table, names)
}

func (s *shapes) effects(controls map[string]bool) {
	var t effectsShape
	if !s.table("effects", &t) {
		return
	}
	var names []string
	for _, e := range t.Effects {
		names = append(names, e.Name)
		s.oneOf("effects", e.Name, "effect", e.Effect, "allow", "redact", "ask", "deny")
		switch {
		case e.Effect != "redact" && e.Replace != "":
			s.bad("effects", "%s: replace is for the effect redact", e.Name)
		case e.Effect == "redact" && !controls["redaction"]:
			s.bad("effects", "%s: there is no package data.portcullis.rules.redaction to redact", e.Name)
		}
		s.oneOf("effects", e.Name, "replace", e.Replace, "", "constant", "token", "last4")
		s.oneOf("effects", e.Name, "fields", e.Fields, "", "unmeant", "unmeant_or_not_user")
		s.oneOf("effects", e.Name, "origins", e.Origins, "", "not_user")
		s.rules("effects", e.Name, e.Rules)
		s.oneOf("effects", e.Name, "category", e.Category, "credential", "personal", "exfiltration", "injection", "evasion")
		s.kinds("effects", e.Name, e.Kinds)
		s.oneOf("effects", e.Name, "tools", e.Tools, "", "external")
		for _, severity := range e.Severities {
			s.oneOf("effects", e.Name, "severity", severity, "low", "medium", "high", "critical")
		}
	}
	s.once("effects", names)
}

func (s *shapes) meant() {
	var t meantShape
	if !s.table("meant", &t) {
		return
	}
	var names []string
	for _, row := range t.Meant {
		names = append(names, row.Name)
		s.rules("meant", row.Name, row.Rules)
		for _, field := range row.Fields {
			if field != strings.ToLower(field) {
				s.bad("meant", "%s: the field %s is not in lower case", row.Name, field)
			}
		}
	}
	s.once("meant", names)
}

// rules refuses names that no pattern has: a row that is narrowed to them would never fit.
func (s *shapes) rules(table, row string, rules []string) {
	for _, rule := range rules {
		prefix, open := strings.CutSuffix(rule, "*")
		if !slices.ContainsFunc(s.patterns, func(id string) bool { return id == rule || open && strings.HasPrefix(id, prefix) }) {
			s.bad(table, "%s: there is no pattern %s: is it misspelt?", row, rule)
		}
	}
}

func (s *shapes) kinds(table, row string, kinds []string) {
	for _, k := range kinds {
		if !action.Kind(k).Valid() {
			s.bad(table, "%s: there is no kind of action %s", row, k)
		}
	}
}

func (s *shapes) controls(packages map[string]bool) {
	var t controlsShape
	if !s.table("controls", &t) {
		return
	}
	var names []string
	for _, c := range t.Controls {
		names = append(names, c.Control)
		s.kinds("controls", c.Control, c.Kinds)
		if !packages[c.Control] {
			s.bad("controls", "%s: there is no package data.portcullis.rules.%s, so everything would be denied", c.Control, c.Control)
		}
	}
	s.once("controls", names)
}

// shippedTables are read by the engine or checked above.
var shippedTables = []string{
	"limits", "anomalies", "breakers", "estimates", "prices", "loops", "patterns", "agents", "memory", "profiles", "tools", "blocked",
	"answers", "suppressions", "behaviour",
	"sinks", "trusted_lookups", "servers", "flows", "suspicion", "risk", "approvals", "size", "controls", "effects", "meant", "paths", "urls", "commands", "degraded",
}

// checkRead refuses data that nobody reads: a misspelt folder would otherwise vanish without a word.
func checkRead(data map[string]any, c *ast.Compiler) error {
	read := map[string]bool{}
	for _, name := range shippedTables {
		read[name] = true
	}
	tables := ast.MustParseRef("data.tables")
	for _, module := range c.Modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if !ref.HasPrefix(tables) {
				return false
			}
			if len(ref) == len(tables) {
				read["*"] = true
			} else if name, ok := ref[len(tables)].Value.(ast.String); ok {
				read[string(name)] = true
			} else {
				read["*"] = true
			}
			return false
		})
	}
	var errs []error
	for _, root := range slices.Sorted(maps.Keys(data)) {
		if root != "tables" {
			errs = append(errs, fmt.Errorf("%s: a bundle's data stands in the folder tables; is this the folder of the bundle itself?", root))
		}
	}
	tree, _ := data["tables"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !read[name] && !read["*"] {
			errs = append(errs, fmt.Errorf("tables/%s: neither a rule nor the engine reads it: is its name misspelt?", name))
		}
	}
	return errors.Join(errs...)
}

// controlPackages are the names of all packages below data.portcullis.rules.
func controlPackages(c *ast.Compiler) map[string]bool {
	out := map[string]bool{}
	for _, m := range c.Modules {
		if name, ok := strings.CutPrefix(m.Package.Path.String(), "data.portcullis.rules."); ok {
			out[name] = true
		}
	}
	return out
}
