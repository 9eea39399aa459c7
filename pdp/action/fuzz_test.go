package action

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// No text makes the parser panic; what it takes is a fixpoint of canonical and parse, and reads the same
// with Go's own parser; two texts share a digest exactly if they have the same value.
func FuzzParseArguments(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1e3,"b":[null,true,"\ud83d\ude00"]}`, `{"a":{"a":{"a":[]}}}`, `{"a":-0.0}`, `{"a":1e-400}`, `{"":""}`, `{"\ufb33":1,"😀":2}`, "\ufeff{}", `{"a":1,"a":2}`, `{"a":"\ud800"}`, `[]`, `{"a":"\u0000"}`} {
		f.Add(seed, `{"a":1000}`)
		f.Add(seed, seed+" ")
	}
	wide := Bounds{MaxBytes: 64 << 20, MaxDepth: hardDepth, MaxNodes: 1 << 20, MaxStringBytes: 64 << 20}
	f.Fuzz(func(t *testing.T, a, b string) {
		va, err := ParseArguments(a, DefaultBounds())
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Field != fieldArguments || e.Reason == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		ca, err := CanonicalArguments(va)
		if err != nil || !utf8.Valid(ca) {
			t.Fatalf("%q: %v", ca, err)
		}
		again, err := ParseArguments(string(ca), wide)
		if err != nil || !reflect.DeepEqual(again, va) {
			t.Fatalf("%q: %v", ca, err)
		}
		if twice, err := CanonicalArguments(again); err != nil || string(twice) != string(ca) {
			t.Fatalf("%q, then %q, %v", ca, twice, err)
		}
		if mapped, err := FromMap(va, wide); err != nil || !reflect.DeepEqual(mapped, va) {
			t.Fatalf("%q: %v", ca, err)
		}
		var other any
		decoder := json.NewDecoder(strings.NewReader(a))
		decoder.UseNumber()
		if err := decoder.Decode(&other); err != nil || !sameShape(va, other) {
			t.Fatalf("encoding/json disagrees on %q: %v", a, err)
		}
		vb, err := ParseArguments(b, DefaultBounds())
		if err != nil {
			return
		}
		da, errA := (&Action{Kind: KindToolCall, Arguments: va}).Digest()
		db, errB := (&Action{Kind: KindToolCall, Arguments: vb}).Digest()
		if errA != nil || errB != nil || (da == db) != reflect.DeepEqual(va, vb) {
			t.Fatalf("%q and %q: %s %s", a, b, da, db)
		}
	})
}

// sameShape compares but for the spelling of numbers.
func sameShape(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		if !ok {
			return false
		}
		m, err := NormaliseNumber(string(n))
		return err == nil && m == a
	case []any:
		list, ok := b.([]any)
		return ok && slices.EqualFunc(a, list, sameShape)
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(a) != len(m) {
			return false
		}
		for k, v := range a {
			w, ok := m[k]
			if !ok || !sameShape(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// No text makes the reader of URLs panic; a host is safe to show and is its own canonical form.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"http://169.254.169.254", "https://good@evil", "//x", "http://[::ffff:1.2.3.4]:80/", "data:,x", "file:///x", "http://０x7f.1", "http://a%2eb", "a.b:99", "\\\\x\\y", "[a](http://b) &#104;ttp://c www.d.e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		check := func(u URL) {
			if danger[u.Class] == 0 && u.Class != ClassPublic {
				t.Fatalf("%q: class %q", s, u.Class)
			}
			if u.Class == ClassPublic && u.Host == "" {
				t.Fatalf("%q: public without a host", s)
			}
			if strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "" || len(u.Host) > 253 {
				t.Fatalf("%q: host %q", s, u.Host)
			}
			if u.Host != "" {
				if host, _, flags := CanonicalHost(u.Host); host != u.Host || slices.Contains(flags, FlagOddSpelling) {
					t.Fatalf("%q: host %q became %q %v", s, u.Host, host, flags)
				}
			}
		}
		if u, ok := CanonicalURL(s); ok {
			check(u)
		}
		if u, ok := CanonicalLocation(s); ok {
			check(u)
		}
		var finder urlFinder
		finder.find(s, check)
		CanonicalAddress(s, true)
		CanonicalAmount(s)
		CanonicalPath(s, []string{s, ".x"})
		CheckToolName(s, []string{"send_email", s + "x"})
	})
}

// No text makes the reader of commands panic; the names it tells are names; what it does not understand or
// can't know is flagged, so that no command goes by without a program or a flag.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{"ls", "sh -c 'cat x'", "a | b && $(c)", "env -S 'x y'", "bash <<E\nx\nE", "find -exec a \\; -exec b +", "$'\\x63at'", "${a:-b}", "{a,b}", "((1+1))", "[[ a ]]", "sudo -u", "xargs -I", "eval eval eval", "f(){ a;};f", "`a`", "<(a)", "#c", "x=1", "declare -x a=b", "> f", "coproc a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []Command{ReadCommand(s), ReadArgv(strings.Split(s, " "))} {
			if len(c.Programs) > maxCommandNames || !slices.IsSorted(c.Programs) || !slices.IsSorted(c.Flags) {
				t.Fatalf("%q: %+v", s, c)
			}
			for _, p := range c.Programs {
				if p == "" || len(p) > maxProgramName || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789._+-[") != "" {
					t.Fatalf("%q: program %q", s, p)
				}
			}
		}
		(&Action{Kind: KindToolCall, Tool: "bash", Arguments: map[string]any{"command": s, "x": []any{s}}}).Facts(FactOptions{DeniedPaths: []string{".x", "/a/b"}})
	})
}
