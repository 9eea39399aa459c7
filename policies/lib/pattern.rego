# METADATA
# title: Patterns
# description: |
#   All rows of the table `patterns`: those of its own list, and those of its groups, one folder each, such as
#   `patterns/cloud/data.yaml`. How they are divided means nothing; a group keeps what belongs together on one page.
package portcullis.lib.pattern

all := array.concat(own, grouped)

own := object.get(data.tables.patterns, "patterns", [])

grouped := [pattern |
	some group in data.tables.patterns
	is_object(group)
	some pattern in group.patterns
]
