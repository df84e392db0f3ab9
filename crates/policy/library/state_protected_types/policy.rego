# Resources that hold data are not dropped from a state.
#
# Judges what a state has no more, by type, whether it was destroyed or only forgotten.
package statehouse.state_protected_types

import rego.v1

import data.statehouse.plan

deny contains plan.denial(dropped, sprintf("resources of type %s are protected, and the state has it no more; bring it back with an import, or have an exception granted", [dropped.type])) if {
	some dropped in input.transition.dropped
	plan.is_like_any(dropped.type, data.parameters.state_protected_types.types)
}
