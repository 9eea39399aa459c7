# METADATA
# title: Behaviour
# description: |
#   A call that is unlike what the agent and its fleet usually do, in a session that has seen something that others can
#   write. The engine works out how unlike; the table `behaviour` says what follows. It may only make an answer stricter.
package portcullis.rules.behaviour

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: A surprising call that the table denies
# custom:
#   id: behaviour.deny
#   code: BEHAVIOUR
#   severity: medium
#   threats: [A1, A4, A7]
#   message: "The call is {level} for this agent, and the session has seen what others can write: {because}."
deny contains reason.of(rego.metadata.rule(), slots, ["anomaly.behaviour"]) if effect == "deny"

# METADATA
# title: A surprising call that the table asks about
# custom:
#   id: behaviour.ask
#   code: BEHAVIOUR
#   severity: medium
#   threats: [A1, A4, A7]
#   message: "The call is {level} for this agent, and the session has seen what others can write: {because}. It needs a person's approval."
ask contains reason.of(rego.metadata.rule(), slots, ["anomaly.behaviour"]) if effect == "ask"

effect := table.effect(data.tables.behaviour.levels, input.session.surprise.level) if input.session.untrusted

slots := {"{level}": input.session.surprise.level, "{because}": concat(", ", input.session.surprise.because)}

passed if {
	input.session.surprise.level in {"unknown", "usual", "unusual", "rare"}
	is_array(input.session.surprise.because)
	is_boolean(input.session.untrusted)
	is_array(data.tables.behaviour.levels)
}
