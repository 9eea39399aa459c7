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

# The user, or a trusted look-up, vouches for each value that decides who is affected. That others have such a value too
# takes nothing away from that. No such value is no proof.
proven if input.action.sinks == "proven"

passed if {
	is_boolean(tool.level.approval)
	is_number(tool.level.rank)
	is_string(input.action.sinks)
}
