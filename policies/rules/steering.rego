# METADATA
# title: Texts that steer later
# description: |
#   The title of an event, the name of a note or a task is read again, next week and without what stood around it. One that is
#   worded as a stranger worded it may speak to the agent that reads it then.
package portcullis.rules.steering

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: A text that is kept is not the user's
# custom:
#   id: steering.ask
#   code: STEERING_TEXT
#   severity: medium
#   threats: [A13]
#   message: A text that would be kept and read again is worded like something that others wrote; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.steering == "tainted"
	effect == "ask"
}

# METADATA
# title: The table denies keeping a text of others
# custom:
#   id: steering.deny
#   code: STEERING_TEXT
#   severity: medium
#   threats: [A13]
#   message: A text that would be kept and read again is worded like something that others wrote.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.steering == "tainted"
	effect == "deny"
}

effect := table.effect(data.tables.flows.flows, "steering")

passed if {
	input.action.steering in {"none", "own", "tainted"}
	is_array(data.tables.flows.flows)
}
