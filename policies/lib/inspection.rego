# METADATA
# title: Effects of findings
# description: |
#   What the table `effects` makes of findings. A row names a category, kinds of action and an effect; it may be
#   narrowed to rules, severities, tools, places and origins. Of all rows that fit, the strongest effect wins.
package portcullis.lib.inspection

import data.portcullis.lib.scan
import data.portcullis.lib.table
import data.portcullis.lib.tool

severities := {"low", "medium", "high", "critical"}

# Ids of the findings of a category that lead to an effect.
found(category, effect) := {f.rule |
	some f in scan.findings
	f.category == category
	some row in rows(f)
	said(row) == effect
}

# The rows that fit a finding.
rows(f) := [row |
	some row in data.tables.effects.effects
	names(row, f)
	ruled(row, f)
	severe(row, f)
	used(row)
	not spared(row, f)
]

said(row) := "redact" if {
	row.effect == "redact"
} else := table.said(row)

names(row, f) if {
	row.category == f.category
	input.action.kind in row.kinds
}

# `personal.iban*` is every rule that begins so.
ruled(row, _) if not row.rules

ruled(row, f) if listed(row.rules, f.rule)

listed(rules, id) if id in rules

listed(rules, id) if {
	some rule in rules
	endswith(rule, "*")
	startswith(id, trim_suffix(rule, "*"))
}

severe(row, f) if f.severity in object.get(row, "severities", severities)

# A list with a misspelt severity is taken for all of them.
severe(row, _) if {
	some s in row.severities
	not s in severities
}

used(row) if not row.tool_names

used(row) if tool.name in row.tool_names

# A row for external tools leaves alone what stays on the machine.
spared(row, _) if {
	row.tools == "external"
	input.action.kind == "TOOL_CALL"
	not tool.external
}

# A row for places that are not meant for it leaves alone an account number in a field for account numbers.
spared(row, f) if {
	row.fields == "unmeant"
	meant(f)
}

# A row for both leaves alone only what the user gave for such a field.
spared(row, f) if {
	row.fields == "unmeant_or_not_user"
	meant(f)
	from_user(f)
}

# A row for what is not from the user leaves alone what the user gave.
spared(row, f) if {
	row.origins == "not_user"
	from_user(f)
}

# One value, in an argument that is made for such. Several values in one are a list of somebody's, not an address.
meant(f) if {
	f.count == 1
	some row in data.tables.meant.meant
	listed(row.rules, f.rule)
	field(f.pointer) in row.fields
	used(row)
}

# The name of the argument that a pointer leads to: an item of `recipients` is named `recipients`.
field(pointer) := lower(names[count(names) - 1]) if {
	startswith(pointer, "/arguments/")
	names := [name | some name in split(pointer, "/"); not regex.match(`^[0-9]*$`, name)]
}

# The value was seen, as a whole, in what the user said, and nowhere else.
from_user(f) if {
	some p in input.provenance
	p.pointer == f.pointer
	{origin | some origin in p.origins} == {"user"}
}

# The text was inspected, and the table has a word on every finding of these categories.
complete(categories) if {
	is_array(data.tables.effects.effects)
	every f in scan.findings {
		settled(f, categories)
	}
}

settled(f, categories) if not f.category in categories

settled(f, _) if {
	some row in data.tables.effects.effects
	names(row, f)
}
