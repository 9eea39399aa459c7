# METADATA
# title: Paths
# description: Which files an action may name. The table `paths` gives each class and flag of a path its effect.
package portcullis.rules.paths

import data.portcullis.lib.fact
import data.portcullis.lib.reason

# METADATA
# title: A path that the table denies
# custom:
#   id: paths.deny
#   code: PATH_DENIED
#   severity: high
#   threats: [A11, A20, D14]
#   message: The action names a file that agents may not touch.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	"deny" in fact.effects("path", data.tables.paths.marks)
}

# METADATA
# title: A path that the table asks about
# custom:
#   id: paths.ask
#   code: PATH_NEEDS_APPROVAL
#   severity: medium
#   threats: [A11, D14]
#   message: The action names a file that needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	"ask" in fact.effects("path", data.tables.paths.marks)
}

passed if {
	fact.complete
	is_array(data.tables.paths.marks)
}
