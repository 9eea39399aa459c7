# METADATA
# title: Effects of findings
# description: |
#   What the table `effects` makes of findings. A row names a category, kinds of action and an effect; it may be
#   narrowed to severities and to external tools. Of all rows that fit, the strongest effect wins.
package portcullis.lib.inspection

import data.portcullis.lib.scan
import data.portcullis.lib.table
import data.portcullis.lib.tool

severities := {"low", "medium", "high", "critical"}

# Ids of the findings of a category that lead to an effect.
found(category, effect) := {f.rule |
	some f in scan.findings
	f.category == category
	some row in data.tables.effects.effects
	names(row, f)
	table.said(row) == effect
	severe(row, f)
	not spared(row)
}

names(row, f) if {
	row.category == f.category
	input.action.kind in row.kinds
}

severe(row, f) if f.severity in object.get(row, "severities", severities)

# A list with a misspelt severity is taken for all of them.
severe(row, _) if {
	some s in row.severities
	not s in severities
}

# A row for external tools leaves alone what stays on the machine.
spared(row) if {
	row.tools == "external"
	input.action.kind == "TOOL_CALL"
	not tool.external
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
