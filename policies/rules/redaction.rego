# METADATA
# title: What is taken out
# description: |
#   A row of the table `effects` with the effect `redact` lets an action pass with what was found replaced. The engine
#   carries it out, looks at the result again, and denies if anything is left or came in.
package portcullis.rules.redaction

import data.portcullis.lib.inspection
import data.portcullis.lib.scan

# Least first.
replacements := ["constant", "token", "last4"]

obligation contains {
	"id": sprintf("redact.%s.%s", [how, rule]),
	"type": "redact",
	"properties": {"rule": rule, "replace": how, "pointers": json.marshal(sort(pointers))},
} if {
	some rule in {f.rule | some f in scan.findings}
	some how in replacements
	pointers := {f.pointer | some f in scan.findings; f.rule == rule; replacement(f) == how}
	count(pointers) > 0
}

# Of several rows the one that shows least. A row that does not say how shows nothing.
replacement(f) := [how | some how in replacements; how in hows(f)][0]

hows(f) := {how |
	some row in inspection.rows(f)
	inspection.said(row) == "redact"
	how := known(object.get(row, "replace", "constant"))
}

known(how) := how if {
	how in replacements
} else := "constant"

passed if inspection.complete({"credential", "personal", "exfiltration", "injection", "evasion"})
