# Some types of resources are not used.
#
# Judges the type of what is made; data sources may be read.
package statehouse.denied_types

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.denied_types

deny contains plan.denial(change, sprintf("resources of type %s may not be made; %s", [type, parameters.instead])) if {
	some type, changes in plan.made
	plan.is_like_any(type, parameters.types)
	some change in changes
}
