# METADATA
# title: Reasons
# description: A reason is made of the metadata of the rule that fired, so that code, text and severity stand beside it.
package portcullis.lib.reason

# METADATA
# title: The reason of a rule
# description: |
#   Call it with `rego.metadata.rule()`, which is the annotation above the rule that calls.
#   `slots` fill in names, such as {tool}. The message is read by models: put in only names that were found in a table
#   of the bundle, never text of the action. `findings` are the ids of findings that led here.
of(metadata, slots, findings) := {
	"code": metadata.custom.code,
	"rule": metadata.custom.id,
	"severity": metadata.custom.severity,
	"message": strings.replace_n(slots, metadata.custom.message),
	"findings": sort(findings),
}
