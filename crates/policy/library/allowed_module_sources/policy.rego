# Modules come from allowed sources.
#
# Judges the source of every call of a module in the configuration, those within modules too.
package statehouse.allowed_module_sources

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.allowed_module_sources

deny contains plan.denial(one, sprintf("its source is %s; use one of %s", [one.call.source, concat(", ", parameters.allowed)])) if {
	some one in plan.calls
	not plan.is_like_any(one.call.source, parameters.allowed)
}
