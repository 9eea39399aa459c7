# METADATA
# title: What cannot be undone
# description: A tool that deletes, or that its server calls destructive, needs a person each time, whatever came before.
package portcullis.rules.irreversible

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: The tool cannot be undone
# custom:
#   id: irreversible.ask
#   code: IRREVERSIBLE
#   severity: high
#   threats: [A14]
#   message: What this tool does cannot be undone; it needs a person's approval each time.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.role.irreversible == true
	effect == "ask"
}

# METADATA
# title: The table denies what cannot be undone
# custom:
#   id: irreversible.deny
#   code: IRREVERSIBLE
#   severity: high
#   threats: [A14]
#   message: What this tool does cannot be undone, which agents may not do.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.role.irreversible == true
	effect == "deny"
}

effect := table.effect(data.tables.flows.flows, "irreversible")

passed if {
	is_boolean(input.action.role.irreversible)
	is_array(data.tables.flows.flows)
}
