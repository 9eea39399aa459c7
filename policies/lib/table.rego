# METADATA
# title: Tables of effects
# description: Some tables say for a name what follows from it, in rows {name, effect}. This is how they are read.
package portcullis.lib.table

effects := {"allow", "ask", "deny"}

# What a name leads to. A name without a row asks a person: nobody has thought about it yet.
effect(rows, name) := said(row) if {
	some row in rows
	row.name == name
} else := "ask"

# What a row says. One that says none of the three effects asks: a slip of the pen must not allow.
said(row) := row.effect if {
	row.effect in effects
} else := "ask"
