package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// Entrypoint is the rule whose value is the decision.
const Entrypoint = "data.portcullis.decision"

// exports are the rule names that the entrypoint reads from each package below data.portcullis.rules.
var exports = []string{"deny", "ask", "obligation", "passed"}

// Toolchain is what every bundle is compiled with: which built-ins exist and what `input` looks like.
type Toolchain struct {
	capabilities *ast.Capabilities
	inputSchema  any
}

// NewToolchain reads an OPA capabilities file and the JSON schema of `input`.
func NewToolchain(capabilities, inputSchema []byte) (*Toolchain, error) {
	caps, err := ast.LoadCapabilitiesJSON(strings.NewReader(string(capabilities)))
	if err != nil {
		return nil, fmt.Errorf("read capabilities: %w", err)
	}
	var schema any
	if err := util.Unmarshal(inputSchema, &schema); err != nil {
		return nil, fmt.Errorf("read input schema: %w", err)
	}
	return &Toolchain{capabilities: caps, inputSchema: schema}, nil
}

func (t *Toolchain) compiler(strict bool) *ast.Compiler {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, t.inputSchema)
	c := ast.NewCompiler().
		WithCapabilities(t.capabilities).
		WithDefaultRegoVersion(ast.RegoV1).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true)
	if strict {
		c = c.WithStrict(true)
	}
	return c
}

// parse parses sources under their paths, with metadata.
func (t *Toolchain) parse(files map[string]string) (map[string]*ast.Module, error) {
	out := make(map[string]*ast.Module, len(files))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		module, err := ast.ParseModuleWithOpts(name, files[name], ast.ParserOptions{
			ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: t.capabilities,
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[name] = module
	}
	return out, errors.Join(errs...)
}

// compile compiles the bundle's modules, without its tests, and refuses what would vanish silently.
func (t *Toolchain) compile(b *Bundle) (*ast.Compiler, error) {
	modules, err := t.parse(b.Modules)
	if err != nil {
		return nil, err
	}
	c := t.compiler(true)
	if c.Compile(modules); c.Failed() {
		return nil, c.Errors
	}
	if len(c.GetRulesExact(ast.MustParseRef(Entrypoint))) == 0 {
		return nil, fmt.Errorf("no module defines %s", Entrypoint)
	}
	return c, errors.Join(feeds(c, modules), checkApprover(c))
}

// feeds refuses every rule that nothing can reach from the entrypoint: a misspelt package or export would
// otherwise make a control disappear without a word.
func feeds(c *ast.Compiler, parsed map[string]*ast.Module) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
		module := c.Modules[name]
		pkg := module.Package.Path.String()
		control, isControl := strings.CutPrefix(pkg, "data.portcullis.rules.")
		switch {
		case isControl && strings.Contains(control, "."):
			errs = append(errs, fmt.Errorf("%s: package %s is too deep: a control is data.portcullis.rules.<name>", name, pkg))
			continue
		case isControl && !slices.ContainsFunc(module.Rules, func(r *ast.Rule) bool { return isExport(r) }):
			errs = append(errs, fmt.Errorf("%s: package %s exports none of %s", name, pkg, strings.Join(exports, ", ")))
			continue
		case !isControl && pkg != "data.portcullis" && pkg != approverPackage && !strings.HasPrefix(pkg, "data.portcullis.lib."):
			errs = append(errs, fmt.Errorf("%s: package %s feeds nothing: write data.portcullis.rules.<name> for a control or data.portcullis.lib.<name> for what controls share", name, pkg))
			continue
		}
		for _, rule := range module.Rules {
			if rule.Default || used(c, rule, pkg, isControl) {
				continue
			}
			errs = append(errs, fmt.Errorf("%s: rule %s feeds nothing: is its name misspelt?", rule.Location, rule.Head.Ref()))
		}
	}
	return errors.Join(errs...)
}

func isExport(rule *ast.Rule) bool {
	head := rule.Head.Ref()
	return len(head) > 0 && slices.Contains(exports, strings.Trim(head[0].String(), `"`))
}

func used(c *ast.Compiler, rule *ast.Rule, pkg string, isControl bool) bool {
	if isControl && isExport(rule) {
		return true
	}
	switch head := rule.Head.Ref().String(); {
	case pkg == "data.portcullis" && head == "decision", pkg == approverPackage && (head == "terms" || head == "vote"):
		return true
	}
	for dependent := range c.Graph.Dependents(rule) {
		if other, ok := dependent.(*ast.Rule); ok && other.Head.Ref().String() == rule.Head.Ref().String() && other.Module == rule.Module {
			continue
		}
		return true
	}
	return false
}

// inputPaths lists what the compiled policy can read of `input` to decide, as dotted paths with `*` for a list element or
// an unknown key; `input.findings` stands for all below it. Sorted, without those that another one covers.
func inputPaths(c *ast.Compiler) [][]string {
	return pathsOfAll(c, func(pkg string) bool { return pkg != approverPackage }) // which is evaluated by itself
}

// pathsOfAll lists what the modules of some packages read.
func pathsOfAll(c *ast.Compiler, of func(pkg string) bool) [][]string {
	var found [][]string
	for _, module := range c.Modules {
		if of(module.Package.Path.String()) {
			found = append(found, pathsOf(module)...)
		}
	}
	slices.SortFunc(found, slices.Compare)
	var out [][]string
	for _, p := range found {
		if !slices.ContainsFunc(out, func(q []string) bool { return covers(q, p) }) {
			out = append(out, p)
		}
	}
	return out
}

// pathsOf lists what one module reads of `input`.
func pathsOf(module *ast.Module) [][]string {
	var found [][]string
	ast.WalkRefs(module, func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.InputRootRef) {
			return false
		}
		path := []string{}
		for _, term := range ref[1:] {
			switch v := term.Value.(type) {
			case ast.String:
				path = append(path, string(v))
			case ast.Var, ast.Number:
				path = append(path, "*")
			default:
				goto done // a computed key: everything below here may be read
			}
		}
	done:
		found = append(found, path)
		return false
	})
	return found
}

// covers says whether everything that long stands for lies below short.
func covers(short, long []string) bool {
	return len(short) <= len(long) && agree(short, long, func(a, b string) bool { return a == b || a == "*" })
}

// meets says whether the two may stand for the same place, or for one below the other.
func meets(a, b []string) bool {
	return agree(a, b, func(a, b string) bool { return a == b || a == "*" || b == "*" })
}

func agree(a, b []string, same func(a, b string) bool) bool {
	for i := range min(len(a), len(b)) {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}
