# No data source runs programs or asks strangers.
#
# Judges data sources of the configuration, those of modules too: they run while a plan is made, with the rights of the
# run.
package statehouse.external_data

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.external_data

deny contains plan.denial(one, sprintf("a data source of type %s acts while a plan is made; give the value as a variable", [one.resource.type])) if {
	some one in plan.configured
	one.resource.mode == "data"
	plan.is_like_any(one.resource.type, parameters.types)
}
