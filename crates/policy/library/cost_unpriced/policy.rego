# What has no price is told.
#
# Judges resources for which no price was found: an estimate without them is too low.
package statehouse.cost_unpriced

import rego.v1

import data.statehouse.plan

deny contains plan.denial(resource, "no price is known for it; the estimate leaves it out") if {
	some resource in input.cost.unpriced
}
