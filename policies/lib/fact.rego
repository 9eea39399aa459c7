# METADATA
# title: Facts
# description: What the engine worked out about URLs, paths and commands in the action.
package portcullis.lib.fact

import data.portcullis.lib.table

# What a table says about the facts of a type: the effects of the class and of every flag of each.
effects(type, rows) := {table.effect(rows, mark) | some mark in marks(type)}

marks(type) := {m | some f in input.facts; f.type == type; m := f.class; m != ""} | {m | some f in input.facts; f.type == type; some m in f.flags}

# The engine looked for facts.
complete if is_array(input.facts)
