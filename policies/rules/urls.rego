# METADATA
# title: URLs
# description: Where an action may reach. The table `urls` gives each class and flag of a URL its effect.
package portcullis.rules.urls

import data.portcullis.lib.fact
import data.portcullis.lib.reason

# METADATA
# title: A URL that the table denies
# custom:
#   id: urls.deny
#   code: URL_DENIED
#   severity: high
#   threats: [A10, D14, D15]
#   message: The action names an address that agents may not reach.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	"deny" in fact.effects("url", data.tables.urls.marks)
}

# METADATA
# title: A URL that the table asks about
# custom:
#   id: urls.ask
#   code: URL_NEEDS_APPROVAL
#   severity: medium
#   threats: [A10, D5, D14]
#   message: The action names an address that needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	"ask" in fact.effects("url", data.tables.urls.marks)
}

passed if {
	fact.complete
	is_array(data.tables.urls.marks)
}
