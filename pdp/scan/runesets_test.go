package scan

import (
	"regexp/syntax"
	"testing"
	"unicode/utf8"
)

// TestPartition_TellsWhatInstructionsTell: a class has the runes that all instructions agree about, and no two classes are alike.
func TestPartition_TellsWhatInstructionsTell(t *testing.T) {
	g := newGenerator(11)
	exprs := []string{`^$`, `(?i)kſs`, `\pL+\b`, `[^a-z\x{100}-\x{3000}]|\p{Greek}|\p{Lu}`, `.(?s:.)[\x{10FFF0}-\x{10FFFF}]`, `(?m)^[^\n]{3,40}\S$`}
	for len(exprs) < proof(300, 3000) {
		if expr := g.regex(); g.sound(expr) {
			exprs = append(exprs, expr)
		}
	}
	for _, expr := range exprs {
		prog := programOf(t, expr)
		a := newAutomaton(false, []*syntax.Prog{prog}, []int32{0})
		if a.tooManyClasses() {
			continue
		}
		classes := make(map[string]uint8)
		for c := rune(0); c <= utf8.MaxRune; c++ {
			if c == 0x3100 { // behind are the last ones only
				c = 0x10FF00
			}
			class := a.ascii[c%utf8.RuneSelf]
			if c >= utf8.RuneSelf {
				class, _ = a.classOf(string(c), 0)
			}
			key := make([]byte, 0, len(prog.Inst)+1)
			for i := range prog.Inst {
				in := &prog.Inst[i]
				if a.insts[i].op != syntax.InstRune {
					continue
				}
				if in.MatchRune(c) != a.matches(a.insts[i].runes, class) {
					t.Fatalf("%s: %q is of class %d, which instruction %d takes: %t", expr, c, class, i, !in.MatchRune(c))
				}
				if key = append(key, '0'); in.MatchRune(c) {
					key[len(key)-1] = '1'
				}
			}
			if a.zero {
				key = append(key, byte(after(c)))
			}
			if known, there := classes[string(key)]; !there {
				classes[string(key)] = class
			} else if known != class {
				t.Fatalf("%s: %q is of class %d, want %d", expr, c, class, known)
			}
		}
		seen := make(map[uint8]bool)
		for key, class := range classes {
			if seen[class] {
				t.Errorf("%s: class %d is that of %s and of another", expr, class, key)
			}
			seen[class] = true
		}
	}
}

func programOf(t *testing.T, expr string) *syntax.Prog {
	t.Helper()
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return prog
}
