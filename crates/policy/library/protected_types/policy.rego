# Resources that hold data are not destroyed.
#
# Judges what the plan destroys, also to replace it. A resource that is only forgotten stays and is not judged.
package statehouse.protected_types

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("resources of type %s are protected; keep it, or have an exception granted", [type])) if {
	some type, changes in plan.destroyed
	plan.is_like_any(type, data.parameters.protected_types.types)
	some change in changes
	not plan.is_replaced(change)
}

deny contains plan.denial(change, sprintf("resources of type %s are protected, and this one is replaced%s; avoid the change, or have an exception granted", [type, because(change)])) if {
	data.parameters.protected_types.replacement
	some type, changes in plan.destroyed
	plan.is_like_any(type, data.parameters.protected_types.types)
	some change in changes
	plan.is_replaced(change)
}

because(change) := sprintf(" because of %s", [concat(", ", [concat(".", [sprintf("%v", [step]) | some step in path]) | some path in change.change.replace_paths])]) if {
	count(change.change.replace_paths) > 0
} else := ""
