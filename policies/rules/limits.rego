# METADATA
# title: Limits
# description: The engine counts, and holds hard limits whatever is written here. Limits that may be lifted ask.
package portcullis.rules.limits

import data.portcullis.lib.limit
import data.portcullis.lib.reason

# METADATA
# title: A hard limit is used up
# custom:
#   id: limits.exceeded
#   code: LIMIT_EXCEEDED
#   severity: medium
#   threats: [A6, A8, E6]
#   message: The limit {limit} is used up.
deny contains reason.of(rego.metadata.rule(), {"{limit}": row.name}, []) if {
	some row in data.tables.limits.limits
	{"name": row.name, "on_exceed": "deny"} in limit.exceeded
}

# METADATA
# title: A limit is used up that a person may lift
# custom:
#   id: limits.approval
#   code: LIMIT_NEEDS_APPROVAL
#   severity: medium
#   threats: [A2, A6]
#   message: The limit {limit} is used up; going past it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {"{limit}": row.name}, []) if {
	some row in data.tables.limits.limits
	{"name": row.name, "on_exceed": "require_approval"} in limit.exceeded
}

passed if limit.complete(data.tables.limits.limits)
