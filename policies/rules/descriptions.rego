# METADATA
# title: What a tool is said to be
# description: |
#   A tool is what its server described when it was looked at. One that is described in another way afterwards, or that only
#   another server has, is another tool. Nothing follows for tools that nobody has described.
package portcullis.rules.descriptions

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: The description is another one
# custom:
#   id: descriptions.ask
#   code: TOOL_DESCRIPTION
#   severity: high
#   threats: [A18, A19]
#   message: The tool is not, or no longer, described as it was; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	effect == "ask"
}

# METADATA
# title: The call was made for another description
# custom:
#   id: descriptions.deny
#   code: TOOL_DESCRIPTION
#   severity: high
#   threats: [A18, A19]
#   message: The call was made for a tool that is described in another way.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	effect == "deny"
}

# The row of the table for each state that is a difference.
named := {"changed": "description_changed", "mismatched": "description_mismatched", "elsewhere": "described_elsewhere"}

effect := table.effect(data.tables.flows.flows, named[input.action.role.description])

passed if {
	input.action.role.description in {"undescribed", "described", "changed", "mismatched", "elsewhere"}
	is_array(data.tables.flows.flows)
}
