# METADATA
# title: Findings
# description: |
#   The findings of an action. The engine supplies them (`input.findings`); where a test gives texts instead
#   (`input.views`), they are computed here. This file is the specification that the native scanner is held to.
#
#   A pattern runs on a view if it has no keywords, or if one of them occurs in the lower-cased text.
#   Its matches are the leftmost, non-overlapping ones of its regex, the first 10,000 of a view, less those that its
#   validator refuses, those that a regex of its `allow` matches as a whole, and, if it has a `context`, those that none
#   of its words is near: whole, in the lower-cased text from so many characters before the match to as many after it.
#   A finding is one pattern at one pointer; its count is the largest over the views of that pointer.
#   The view of chain `concat` holds all texts strung together. Only patterns with keywords look there (others would
#   find numbers made of neighbours), and a match counts only if it neither contains nor lies within a match of the same
#   pattern elsewhere. Views whose chain ends in `joined` or `dashed` hold numbers without the separators that they are
#   written with: only patterns with check digits look there. Decoded and normalised views are made by the engine.
package portcullis.lib.scan

import data.portcullis.lib.pattern as patterns
import data.portcullis.lib.validator

most_matches := 10000

# Undefined if there are neither findings nor views: nothing was inspected.
findings := input.findings if {
	is_array(input.findings)
} else := computed if {
	is_array(input.views)
}

# Sorted by pointer, then by pattern.
computed := [finding |
	some [pointer, id] in sort({[pointer, id] | some id, places in by_pattern; some pointer, _ in places})
	some pattern in patterns.all
	pattern.id == id
	finding := {
		"rule": id,
		"category": pattern.category,
		"severity": pattern.severity,
		"confidence": pattern.confidence,
		"pointer": pointer,
		"count": by_pattern[id][pointer],
		"fingerprint": "",
	}
]

# Those patterns of which a keyword occurs anywhere: the others need no second look at every view.
candidates := [pattern |
	everything := lower(concat("\n", [view.text | some view in input.views]))
	some pattern in patterns.all
	may_match(pattern, everything)
]

# Pattern id → pointer → number of matches, where there are any.
by_pattern[pattern.id] := places if {
	some pattern in candidates
	places := {view.pointer: most |
		some view in input.views
		most := max([n |
			some other in input.views
			other.pointer == view.pointer
			n := count(matches(pattern, other))
		])
		most > 0
	}
}

matches(pattern, view) := found(pattern, view.text) if {
	looks(pattern, view)
} else := [m |
	view.chain == "concat"
	count(keywords(pattern)) > 0
	some m in found(pattern, view.text)
	not touches(m, elsewhere(pattern))
]

# All matches of a pattern outside the concatenation.
elsewhere(pattern) := {m |
	some view in input.views
	looks(pattern, view)
	some m in found(pattern, view.text)
}

# A pattern looks by itself at every view but the concatenation.
looks(_, view) if {
	view.chain != "concat"
	not of_numbers(view)
}

looks(pattern, view) if {
	of_numbers(view)
	not object.get(pattern, "validator", "none") in {"none", "entropy", "secret", "base64_blob"}
}

of_numbers(view) if regex.match(`(?:^|>)(?:joined|dashed)$`, view.chain)

touches(m, others) if {
	some other in others
	contains(m, other)
}

touches(m, others) if {
	some other in others
	contains(other, m)
}

found(pattern, text) := [m |
	may_match(pattern, lower(text))
	some m in regex.find_n(pattern.regex, text, most_matches)
	counts(pattern, m)
] if {
	not pattern.context
} else := [m |
	may_match(pattern, lower(text))
	parts := segments(pattern.regex, text)
	some i, m in parts
	i % 2 == 1
	i < 2 * most_matches
	counts(pattern, m)
	in_context(pattern.context, parts, i)
]

counts(pattern, match) if {
	validator.accepts(object.get(pattern, "validator", "none"), match)
	not allowed(pattern, match)
}

allowed(pattern, match) if {
	some expr in pattern.allow
	regex.match(sprintf("^(?:%s)$", [expr]), match)
}

# The text cut at the ends of its matches: every second part is one. The mark between the parts cannot be in the text,
# which would have to hold its own hash.
segments(expr, text) := split(regex.replace(text, expr, sprintf("%s$0%s", [mark, mark])), mark) if {
	mark := sprintf("<%s>", [crypto.sha256(text)])
}

in_context(context, parts, i) if {
	before := concat("", array.slice(parts, 0, i))
	after := concat("", array.slice(parts, i + 1, count(parts)))
	left := substring(before, max([0, count(before) - context.within]), -1)
	right := substring(after, 0, context.within)
	near := lower(concat("", [left, parts[i], right]))
	some word in context.words
	regex.match(whole_word(word), near)
}

# A word that ends in a star may go on.
whole_word(word) := sprintf(`(?s)(?:^|[^0-9a-z])%s`, [quoted(trim_suffix(word, "*"))]) if {
	endswith(word, "*")
} else := sprintf(`(?s)(?:^|[^0-9a-z])%s(?:[^0-9a-z]|$)`, [quoted(word)])

quoted(text) := regex.replace(text, `[!-/:-@\[-\x60{-~]`, `\$0`)

keywords(pattern) := object.get(pattern, "keywords", [])

may_match(pattern, _) if count(keywords(pattern)) == 0

may_match(pattern, text) if {
	some keyword in keywords(pattern)
	contains(text, keyword)
}
