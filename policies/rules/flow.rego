# METADATA
# title: Private data on its way out
# description: |
#   A session that has read what is private, and what others can write, may have been told to hand the one over by the
#   other. In either order: only what comes after both can leak. What goes where the user, or a trusted look-up, said does not.
package portcullis.rules.flow

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: Private data may leave
# custom:
#   id: flow.private_out
#   code: PRIVATE_DATA_MAY_LEAK
#   severity: high
#   threats: [A4]
#   message: This session has read private data and something that others can write, so what goes out now needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	leaks
	effect == "ask"
}

# METADATA
# title: The table denies that private data leaves
# custom:
#   id: flow.private_out_denied
#   code: PRIVATE_DATA_MAY_LEAK
#   severity: high
#   threats: [A4]
#   message: This session has read private data and something that others can write, so nothing may go out of it any more.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	leaks
	effect == "deny"
}

leaks if {
	input.action.role.external == true
	input.session.private == true
	input.session.untrusted == true
	input.action.sinks != "proven"
}

effect := table.effect(data.tables.flows.flows, "private_out")

passed if {
	is_boolean(input.action.role.external)
	is_boolean(input.session.private)
	is_boolean(input.session.untrusted)
	is_string(input.action.sinks)
	is_array(data.tables.flows.flows)
}
