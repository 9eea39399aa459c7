# METADATA
# title: Prices
# description: |
#   The engine turns tokens into money at the prices of the table `prices`. Tokens without a price would be a bill that no
#   limit sees; the same table says what follows then.
package portcullis.rules.prices

import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: Tokens without a price, which the table denies
# custom:
#   id: prices.deny
#   code: PRICE_UNKNOWN
#   severity: medium
#   threats: [E8]
#   message: The price of this model's tokens is not known, so the action is denied.
deny contains reason.of(rego.metadata.rule(), {}, []) if effect == "deny"

# METADATA
# title: Tokens without a price, which the table asks about
# custom:
#   id: prices.ask
#   code: PRICE_UNKNOWN
#   severity: medium
#   threats: [E8]
#   message: The price of this model's tokens is not known; the action needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if effect == "ask"

# There are no tokens, the table has their price, or a gateway says what they cost.
priced := {"none", "known", "stated"}

effect := "allow" if {
	input.action.price in priced
} else := table.effect(data.tables.prices.unpriced, input.action.price)

passed if {
	input.action.price in (priced | {"unknown", "unnamed"})
	is_array(data.tables.prices.unpriced)
}
