# What decides about security is known before the apply.
#
# Judges attributes that other policies cannot judge where they depend on something that is made in the same plan.
package statehouse.known_values

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("%s is known only after the apply, so nobody can judge it now; give it a value that is known, or apply what it depends on first", [attribute])) if {
	some type, attributes in data.parameters.known_values.attributes
	some change in plan.made[type]
	some attribute in attributes
	plan.is_unknown(change, [attribute])
}
