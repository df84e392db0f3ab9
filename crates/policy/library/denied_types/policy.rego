# Some types of resources are not used.
#
# Judges the type of what is made; data sources may be read.
package statehouse.denied_types

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("resources of type %s may not be made; %s", [type, data.parameters.denied_types.instead])) if {
	some type, changes in plan.made
	plan.is_like_any(type, data.parameters.denied_types.types)
	some change in changes
}
