# No single resource costs more than so much.
#
# Judges the monthly cost of each resource that was estimated.
package statehouse.cost_resource

import rego.v1

import data.statehouse.plan

deny contains plan.denial(resource, sprintf("it will cost %.2f a month; one resource may cost at most %v: take a smaller one, or have an exception granted", [resource.monthly_after, data.parameters.cost_resource.monthly_max])) if {
	some resource in input.cost.resources
	resource.monthly_after > data.parameters.cost_resource.monthly_max
}
