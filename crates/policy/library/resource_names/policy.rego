# Resources are named by one rule.
#
# Judges the names of managed resources in the configuration, those of modules too.
package statehouse.resource_names

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.resource_names

deny contains plan.denial(one, sprintf("its name %s does not match %s; rename it, with a moved block if it exists", [one.resource.name, parameters.pattern])) if {
	some one in plan.configured
	one.resource.mode == "managed"
	not regex.match(parameters.pattern, one.resource.name)
}
