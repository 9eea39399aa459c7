package decision

import (
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// maxPointerBytes is the longest pointer that is shown as it is: an answer and its line in the log stay small.
const maxPointerBytes = 256

// hiddenName begins what stands for a name that is not shown.
const hiddenName = "name:"

// maxNameBytes is the longest argument name that is shown as it is.
const maxNameBytes = 64

// hideNames makes the pointers of findings and facts safe to log.
func hideNames(findings []scan.Finding, facts []action.Fact, fingerprint func(string) string) {
	hide := hider(findings, fingerprint)
	for i := range findings {
		findings[i].Pointer = hide(findings[i].Pointer)
	}
	for i := range facts {
		facts[i].Pointer = hide(facts[i].Pointer)
	}
}

// hider makes a pointer safe to log: an agent chooses the names of its arguments, and a name can be a secret. A name
// that inspection found something in, or that does not look like a name, becomes its keyed fingerprint.
func hider(findings []scan.Finding, fingerprint func(string) string) func(pointer string) string {
	secret := map[string]bool{}
	for _, f := range findings {
		if name, isKey := strings.CutSuffix(f.Pointer, action.KeySuffix); isKey {
			secret[name[strings.LastIndexByte(name, '/')+1:]] = true
		}
	}
	return func(pointer string) string {
		pointer, suffix := strings.CutSuffix(pointer, action.KeySuffix)
		parts := strings.Split(pointer, "/")
		for i, name := range parts {
			if secret[name] || !plainName(name) {
				parts[i] = hiddenName + fingerprint(name)
			}
		}
		if pointer = strings.Join(parts, "/"); len(pointer) > maxPointerBytes {
			pointer = "/" + hiddenName + fingerprint(pointer)
		}
		if suffix {
			pointer += action.KeySuffix
		}
		return pointer
	}
}

// plainName is true of what people call arguments.
func plainName(name string) bool {
	if len(name) > maxNameBytes {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_-.$~ ", c) >= 0) {
			return false
		}
	}
	return true
}
