# What changed outside is looked at before it is overwritten.
#
# Judges what changed since the last apply without a run, by type.
package statehouse.changed_outside

import rego.v1

import data.statehouse.plan

deny contains plan.denial(changed, sprintf("it was changed outside (%s); bring the change into the configuration, or look at it and have an exception granted", [concat(", ", changed.actions)])) if {
	some changed in input.changed_outside
	plan.is_like_any(changed.type, data.parameters.changed_outside.types)
}
