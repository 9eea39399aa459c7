# METADATA
# title: What is not known
# description: |
#   What could not be inspected is never clean. The table `degraded` says what follows from each gap; one that it does
#   not name asks.
package portcullis.rules.degraded

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: A gap that the table denies
# custom:
#   id: degraded.deny
#   code: DEGRADED
#   severity: high
#   threats: [D1, E2]
#   message: The action could not be inspected as it must be.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	"deny" in effects
}

# METADATA
# title: A gap that the table asks about
# custom:
#   id: degraded.ask
#   code: DEGRADED
#   severity: medium
#   threats: [D1, E2]
#   message: The action could not be inspected in full; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	"ask" in effects
}

effects := {table.effect(data.tables.degraded.gaps, gap) | some gap in input.degraded}

passed if {
	is_array(input.degraded)
	is_array(data.tables.degraded.gaps)
}
