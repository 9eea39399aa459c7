# METADATA
# title: Commands
# description: What a shell would run. The table `commands` gives each flag of a command its effect.
package portcullis.rules.commands

import data.portcullis.lib.fact
import data.portcullis.lib.reason

# METADATA
# title: A command that the table denies
# custom:
#   id: commands.deny
#   code: COMMAND_DENIED
#   severity: high
#   threats: [A20]
#   message: The command is written so that nobody can tell what it does.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	"deny" in fact.effects("command", data.tables.commands.marks)
}

# METADATA
# title: A command that the table asks about
# custom:
#   id: commands.ask
#   code: COMMAND_NEEDS_APPROVAL
#   severity: medium
#   threats: [A20, B13]
#   message: The command runs another one; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	"ask" in fact.effects("command", data.tables.commands.marks)
}

passed if {
	fact.complete
	is_array(data.tables.commands.marks)
}
