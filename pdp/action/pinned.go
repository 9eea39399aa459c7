package action

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// PinnedPrefix names the version of what Pinned computes.
const PinnedPrefix = "pc1-pinned:"

// MaxVary is how many places of an action may be left out of Pinned.
const MaxVary = 16

// Pinned returns the digest of an action without the values at some pointers: two actions share it if they are the same
// but for these. canonical is what Canonical returned. Only members of objects within the arguments can be left out: what
// is done, where and by which tool cannot. A pointer to nothing is fine, as the other action may have something there; one
// that leads through an array or an array's item is not. An error is an *Error.
func Pinned(canonical []byte, vary []string) (string, error) {
	paths := slices.Compact(slices.Sorted(slices.Values(vary)))
	if len(paths) > MaxVary {
		return "", &Error{Field: "vary", Reason: ReasonTooLarge, Detail: fmt.Sprintf("more than %d pointers", MaxVary)}
	}
	all, err := ParseArguments(string(canonical), Bounds{MaxBytes: len(canonical), MaxStringBytes: len(canonical), MaxNodes: len(canonical), MaxDepth: hardDepth})
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, path := range paths {
		if err := leaveOut(all, path); err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d:%s", len(path), path)
	}
	rest, err := CanonicalArguments(all)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%d:", len(rest))
	h.Write(rest)
	return PinnedPrefix + hex.EncodeToString(h.Sum(nil)), nil
}

func leaveOut(all map[string]any, pointer string) error {
	bad := func(detail string) error {
		return &Error{Field: "vary", Reason: ReasonNotReplaceable, Detail: detail}
	}
	names := strings.Split(pointer, "/")
	if len(pointer) > maxPointerBytes || len(names) < 3 || names[0] != "" || names[1] != fieldArguments {
		return bad("a pointer does not lead to an argument")
	}
	object := all
	for i, name := range names[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		if i == len(names)-2 {
			delete(object, name)
			return nil
		}
		next, there := object[name]
		if !there {
			return nil
		}
		inner, isObject := next.(map[string]any)
		if !isObject {
			return bad("a pointer leads through what is not an object")
		}
		object = inner
	}
	return nil
}
