package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
)

// What `opa check --strict --schema gen/schema/input.json FOLDER` does, without linking the CLI.
func check(folder string) error {
	schemas, err := loader.Schemas(committed("input.json"))
	if err != nil {
		return fmt.Errorf("load schema: %w", err)
	}
	onlyRego := func(path string, info os.FileInfo, _ int) bool {
		return !info.IsDir() && filepath.Ext(path) != ".rego"
	}
	loaded, err := loader.NewFileLoader().WithProcessAnnotation(true).Filtered([]string{folder}, onlyRego)
	if err != nil {
		return fmt.Errorf("load policies: %w", err)
	}
	compiler := ast.NewCompiler().
		WithSchemas(schemas).
		WithStrict(true).
		WithEnablePrintStatements(true).
		WithUseTypeCheckAnnotations(true)
	if compiler.Compile(loaded.ParsedModules()); compiler.Failed() {
		return compiler.Errors
	}
	return nil
}

// policyFolders are the shipped policies, and a file that reads every part of input.
var policyFolders = map[string]string{
	"policies": filepath.Join("..", "..", "policies"),
	"testdata": "testdata",
}

func TestPoliciesPassTheSchema(t *testing.T) {
	for name, folder := range policyFolders {
		t.Run(name, func(t *testing.T) {
			if err := check(folder); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// inputField matches the name of a field of input, where a policy reads it.
var inputField = regexp.MustCompile(`\binput\.[a-z_]+`)

// Each file that reads input is given one misspelt field, alone, and must then fail, with the misspelling named.
func TestMisspeltInputFieldFailsTheCheck(t *testing.T) {
	for name, folder := range policyFolders {
		t.Run(name, func(t *testing.T) {
			planted := 0
			for _, path := range regoFiles(t, folder) {
				text, err := os.ReadFile(filepath.Join(folder, path))
				if err != nil {
					t.Fatal(err)
				}
				place := lastCode(string(text))
				if place == nil {
					continue
				}
				planted++
				t.Run(path, func(t *testing.T) {
					temp := t.TempDir()
					if err := os.CopyFS(temp, os.DirFS(folder)); err != nil {
						t.Fatal(err)
					}
					wrong := string(text[:place[1]]) + "x" + string(text[place[1]:])
					if err := os.WriteFile(filepath.Join(temp, path), []byte(wrong), 0o600); err != nil {
						t.Fatal(err)
					}
					wantRefusal(t, temp, string(text[place[0]:place[1]])+"x")
				})
			}
			if planted == 0 {
				t.Fatalf("no file of %s reads input: nothing was tried", folder)
			}
		})
	}
}

// A misspelling one level down, and one inside an element of a list.
func TestMisspeltNestedFieldFailsTheCheck(t *testing.T) {
	for _, tc := range []struct{ right, wrong string }{
		{"input.action.kind", "input.action.knid"},
		{"input.action.estimate.cost_micro_usd", "input.action.estimate.cost_usd"},
		{"finding.count", "finding.cuont"},
		{"limit.exceeded", "limit.exceded"},
	} {
		t.Run(tc.wrong, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "rule.rego"))
			if err != nil {
				t.Fatal(err)
			}
			temp := t.TempDir()
			wrong := strings.Replace(string(text), tc.right, tc.wrong, 1)
			if err := os.WriteFile(filepath.Join(temp, "rule.rego"), []byte(wrong), 0o600); err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, temp, tc.wrong)
		})
	}
}

// wantRefusal expects a type error, and one about the misspelling: a file that fails for another reason proves nothing.
func wantRefusal(t *testing.T, folder, misspelt string) {
	t.Helper()
	err := check(folder)
	if err == nil {
		t.Fatalf("%s passed the check", misspelt)
	}
	field := misspelt[strings.LastIndex(misspelt, ".")+1:]
	if !strings.Contains(err.Error(), "rego_type_error") || !strings.Contains(err.Error(), field) {
		t.Fatalf("want a type error that names %q, got: %v", field, err)
	}
}

func regoFiles(t *testing.T, folder string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".rego" || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		files = append(files, relative)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lastCode finds the last reference to input that is not in a comment.
func lastCode(text string) []int {
	var last []int
	for _, place := range inputField.FindAllStringIndex(text, -1) {
		line := text[strings.LastIndexByte(text[:place[0]], '\n')+1 : place[0]]
		if !strings.Contains(line, "#") {
			last = place
		}
	}
	return last
}
