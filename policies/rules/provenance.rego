# METADATA
# title: Where values came from
# description: |
#   A value that decides who is affected must come from the user or from a trusted look-up: one that came from a web page,
#   a stranger's message or from nowhere may be an attacker's. Only tools that write, send or fetch from an address are asked about. Where nobody
#   observed what the user asked for, nothing can be proven: then only values that were seen in something untrusted ask,
#   and `degraded` says `no_user_request`.
package portcullis.rules.provenance

import data.portcullis.lib.reason

# METADATA
# title: A value is not from the user
# custom:
#   id: provenance.unproven
#   code: SINK_UNPROVEN
#   severity: high
#   threats: [A1, D5, D7]
#   message: A value that decides who is affected came neither from the user nor from a trusted look-up; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	acts
	input.action.sinks in {"tainted", "unproven"}
	asked_for
}

# METADATA
# title: A value was seen in something untrusted
# custom:
#   id: provenance.tainted
#   code: SINK_TAINTED
#   severity: high
#   threats: [A1, D5, D7]
#   message: A value that decides who is affected was seen in something that others can write; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	acts
	input.action.sinks == "tainted"
	not asked_for
}

# METADATA
# title: Not all of the session is known
# custom:
#   id: provenance.incomplete
#   code: PROVENANCE_INCOMPLETE
#   severity: medium
#   threats: [A1]
#   message: Not all that this session has seen is known, so where a value came from is not either; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	acts
	input.action.sinks == "unproven"
	not asked_for
	"provenance_incomplete" in input.degraded
}

# The tool changes or sends something, or goes to an address.
acts if input.action.role.writes == true

acts if input.action.role.fetches == true

# The user's request was observed.
asked_for if not "no_user_request" in input.degraded

passed if {
	is_boolean(input.action.role.writes)
	is_boolean(input.action.role.fetches)
	input.action.sinks in {"none", "proven", "tainted", "unproven"}
	is_array(input.degraded)
}
