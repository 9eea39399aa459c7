# METADATA
# title: Anomalies
# description: |
#   Thresholds that say "this is unusual". The engine raises a finding, a metric and an event when one is crossed; the
#   column `effect` of the table says whether the action is also asked about or denied.
package portcullis.rules.anomalies

import data.portcullis.lib.limit
import data.portcullis.lib.reason
import data.portcullis.lib.table

# METADATA
# title: An unusual rate that the table denies
# custom:
#   id: anomalies.deny
#   code: ANOMALY
#   severity: medium
#   threats: [A7, A8]
#   message: The threshold {threshold} is crossed.
deny contains reason.of(rego.metadata.rule(), {"{threshold}": name}, [finding(name)]) if {
	some name in crossed("deny")
}

# METADATA
# title: An unusual rate that the table asks about
# custom:
#   id: anomalies.ask
#   code: ANOMALY
#   severity: medium
#   threats: [A7, A8]
#   message: The threshold {threshold} is crossed; going on needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {"{threshold}": name}, [finding(name)]) if {
	some name in crossed("ask")
}

crossed(effect) := {row.name |
	some row in data.tables.anomalies.anomalies
	not only_alerts(row)
	table.said(row) == effect
	some over in limit.exceeded
	over.name == row.name
}

only_alerts(row) if row.effect == "alert"

# The id of the finding that the engine raises.
finding(name) := concat(".", ["anomaly", name])

passed if {
	is_array(data.tables.anomalies.anomalies)
	limit.complete([row | some row in data.tables.anomalies.anomalies; not only_alerts(row)])
}
