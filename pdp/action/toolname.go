package action

import (
	"slices"
	"strings"
)

// The longest name of a tool that is taken for one, and the shortest for which a letter or two off is a
// near miss: below it, most short words are near each other.
const (
	maxToolName     = 128
	minNearMissName = 5
	maxNearMiss     = 2
)

// CheckToolName looks at the name of a tool beside those that a bundle knows. isKnown is true for an exact
// match, and then nothing else is said. nearMissOf is the known tool that the name resembles: by look, by
// the part behind a separator (`mcp__evil__send_email`), or by a letter or two. Of several, the first by
// name is taken.
func CheckToolName(name string, known []string) (isKnown bool, nearMissOf string, flags []string) {
	if slices.Contains(known, name) {
		return true, "", []string{}
	}
	var f flagSet
	if len(name) > maxToolName {
		f.add(FlagOverLong)
		return false, "", f.sorted()
	}
	f.addIf(!isASCII(name), FlagNonASCII)
	f.addIf(strings.Contains(name, "__"), FlagDoubleUnderscore)
	f.addIf(strings.ContainsFunc(name, func(r rune) bool {
		return r >= 0x80 || !isAlnum(byte(r)) && !strings.ContainsRune("_-./:", r)
	}), FlagBadCharset)
	near, how := nearestTool(name, slices.Sorted(slices.Values(known)))
	if near != "" {
		f.add(FlagNearMiss, how)
	}
	return false, near, f.sorted()
}

func nearestTool(name string, known []string) (near, how string) {
	if name == "" {
		return "", ""
	}
	looks := make([]string, len(known))
	for i, k := range known {
		looks[i] = skeleton(k)
	}
	look := skeleton(name)
	if i := slices.Index(looks, look); i >= 0 {
		return known[i], FlagConfusable
	}
	for _, separator := range []string{"__", "/", ":", "."} {
		if i := strings.LastIndex(name, separator); i >= 0 {
			last := skeleton(name[i+len(separator):])
			if j := slices.Index(looks, last); j >= 0 && len(last) >= minNearMissName {
				return known[j], FlagConfusable
			}
		}
	}
	best := maxNearMiss + 1
	for i, k := range looks {
		if min(len(k), len(look)) < minNearMissName {
			continue
		}
		if d := editDistance(look, k, maxNearMiss); d < best {
			best, near = d, known[i]
		}
	}
	if near == "" {
		return "", ""
	}
	return near, FlagEditDistance
}
