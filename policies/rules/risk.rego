# METADATA
# title: Risk levels
# description: |
#   A tool has a risk level by the table `tools`; the table `risk` says which levels need a person's approval.
#   Levels are compared by rank, never by name.
package portcullis.rules.risk

import data.portcullis.lib.reason
import data.portcullis.lib.tool

# METADATA
# title: The risk level needs approval
# custom:
#   id: risk.approval
#   code: RISK_NEEDS_APPROVAL
#   severity: high
#   threats: [A14, F1, F2]
#   message: A tool of risk level {level} needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {"{level}": tool.level.name}, []) if {
	tool.level.approval == true
	not relaxed
}

# A profile may say `approve_high: unless_proven`: then levels up to `provable_up_to` ask only where it is not proven
# who is affected. A level above it always asks, whatever the history.
relaxed if {
	tool.profile.approve_high == "unless_proven"
	some ceiling in data.tables.risk.levels
	ceiling.name == data.tables.risk.provable_up_to
	tool.level.rank <= ceiling.rank
	proven
}

# Every value that decides who is affected was seen with the user or in a trusted look-up, and nowhere else.
# No such value, or no provenance at all, is no proof.
proven if {
	sinks := [p | some p in input.provenance; p.sink == true]
	count(sinks) > 0
	every p in sinks {
		count(p.origins) > 0
		every origin in p.origins {
			vouches(origin)
		}
	}
}

vouches("user")

vouches(origin) if startswith(origin, "trusted:")

passed if {
	is_boolean(tool.level.approval)
	is_number(tool.level.rank)
	is_array(input.provenance)
}
