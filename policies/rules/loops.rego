# METADATA
# title: Loops
# description: |
#   An agent that makes the same call again and again, or goes round in circles, is not getting anywhere. The engine
#   counts and compares with the table `loops`; a rule sees how far it has come, and no number that changes with every
#   call.
package portcullis.rules.loops

import data.portcullis.lib.reason

# METADATA
# title: The same call too often
# custom:
#   id: loops.repeats_deny
#   code: LOOP
#   severity: medium
#   threats: [A8]
#   message: This very call was proposed too often in this session. Do something else, or stop.
deny contains reason.of(rego.metadata.rule(), {}, ["anomaly.loop_repeats"]) if {
	input.session.repeats_level == "deny"
}

# METADATA
# title: Calls in circles too often
# custom:
#   id: loops.cycle_deny
#   code: LOOP
#   severity: medium
#   threats: [A9]
#   message: The last calls of this session go round in a circle. Do something else, or stop.
deny contains reason.of(rego.metadata.rule(), {}, ["anomaly.loop_cycle"]) if {
	input.session.cycle_level == "deny"
}

# METADATA
# title: The same call often
# custom:
#   id: loops.repeats_ask
#   code: LOOP
#   severity: medium
#   threats: [A8]
#   message: This very call was proposed often in this session; going on needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ["anomaly.loop_repeats"]) if {
	input.session.repeats_level == "ask"
}

# METADATA
# title: Calls in circles often
# custom:
#   id: loops.cycle_ask
#   code: LOOP
#   severity: medium
#   threats: [A9]
#   message: The last calls of this session go round in a circle; going on needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ["anomaly.loop_cycle"]) if {
	input.session.cycle_level == "ask"
}

passed if {
	input.session.repeats_level in levels
	input.session.cycle_level in levels
}

levels := {"none", "warn", "ask", "deny"}
