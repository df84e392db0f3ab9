# No secret stands in the configuration.
#
# Judges arguments of resources whose name tells of a secret and whose value is a text in the configuration itself.
# Arguments within nested blocks are not looked at.
package statehouse.plain_secrets

import rego.v1

import data.statehouse.plan

deny contains plan.denial(one, sprintf("%s stands in the configuration; take it from a sensitive variable or a secret store, and change it", [name])) if {
	some one in plan.configured
	one.resource.mode == "managed"
	some name, expression in one.resource.expressions
	name in secret
	is_text(expression.constant_value)
}

# The names that tell of a secret: every name is looked at once.
secret := plan.like(used, data.parameters.plain_secrets.names) & plan.unlike(used, data.parameters.plain_secrets.exempt)

used contains name if {
	some one in plan.configured
	some name, _ in one.resource.expressions
}

is_text(value) if {
	is_string(value)
	value != ""
}
