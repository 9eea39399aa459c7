package action

import "slices"

// The flags of a Fact. Each is an observation, not a verdict.
const (
	// Of more than one type.
	FlagOddSpelling = "odd_spelling" // written in a way that hides what it is

	// Of a url.
	FlagUserinfo      = "userinfo"       // a name stands before the host: https://good@evil
	FlagAmbiguousHost = "ambiguous_host" // readers of URLs disagree about which host is meant
	FlagTrailingDot   = "trailing_dot"   // the host ends with a dot
	FlagPort          = "port"           // a port that is not the scheme's own
	FlagIP            = "ip"             // the host is an address, not a name
	FlagEmbeddedIP    = "embedded_ip"    // the host carries another address inside: nip.io, 6to4, NAT64
	FlagIDN           = "idn"            // a label is not ASCII
	FlagMixedScript   = "mixed_script"   // a label mixes Latin with Cyrillic or Greek
	FlagInvalidHost   = "invalid_host"   // no host could be read
	FlagNoScheme      = "no_scheme"      // a host without a scheme, or //host
	FlagLocalFile     = "local_file"     // file:
	FlagInlineData    = "inline_data"    // data:
	FlagScript        = "script"         // javascript: or vbscript:

	// Of a path.
	FlagAbsolute  = "absolute"
	FlagHome      = "home"      // begins at a home directory, in any spelling
	FlagTraversal = "traversal" // held `..`
	FlagEscapes   = "escapes"   // leads above where it begins
	FlagGlob      = "glob"      // holds wildcards

	// Of a command.
	FlagWrapper      = "wrapper"      // a program that runs another one
	FlagUnparsable   = "unparsable"   // not understood: treat as the highest risk
	FlagDynamic      = "dynamic"      // which program runs is only known when it runs
	FlagInlineCode   = "inline_code"  // code of another language in an argument: python -c
	FlagSubstitution = "substitution" // $(…), `…`, <(…)
	FlagPipe         = "pipe"
	FlagWrites       = "writes"  // output goes to a file
	FlagNetwork      = "network" // /dev/tcp or /dev/udp

	// Of a tool name.
	FlagNearMiss         = "near_miss"         // resembles a known tool, and is none
	FlagNonASCII         = "non_ascii"         // holds a character beyond ASCII, or an invisible one
	FlagConfusable       = "confusable"        // looks like a known tool
	FlagEditDistance     = "edit_distance"     // one or two letters away from a known tool
	FlagDoubleUnderscore = "double_underscore" // server__tool, as some clients join names
	FlagOverLong         = "over_long"
	FlagBadCharset       = "bad_charset" // holds something else than letters, digits and ._-/:

	// Of an amount or an address.
	FlagText      = "text"      // an amount that was sent as a string
	FlagAmbiguous = "ambiguous" // 1.000 or 1,000
	FlagValid     = "valid"     // the check digits hold
)

// flagSet collects flags; all are from the list above, so a scan of the slice is quickest.
type flagSet []string

func (f *flagSet) add(flags ...string) {
	for _, flag := range flags {
		if !slices.Contains(*f, flag) {
			*f = append(*f, flag)
		}
	}
}

func (f *flagSet) addIf(when bool, flag string) {
	if when {
		f.add(flag)
	}
}

// sorted returns the flags as facts show them, never nil.
func (f flagSet) sorted() []string {
	out := slices.Clone(f)
	slices.Sort(out)
	if out == nil {
		return []string{}
	}
	return out
}
