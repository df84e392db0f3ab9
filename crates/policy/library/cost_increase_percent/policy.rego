# One change makes it dearer by at most so many percent.
#
# Judges the relative difference, above an amount under which nobody minds. What cost nothing before has no percentage
# and is judged by the amount alone.
package statehouse.cost_increase_percent

import rego.v1

deny contains {"msg": sprintf("it makes a month %.0f%% dearer; one change may add at most %v%%: split it, make it smaller, or have an exception granted", [percent, data.parameters.cost_increase_percent.percent_max])} if {
	input.cost.monthly_change > data.parameters.cost_increase_percent.increase_min
	input.cost.monthly_before > 0
	percent := (input.cost.monthly_change * 100) / input.cost.monthly_before
	percent > data.parameters.cost_increase_percent.percent_max
}

deny contains {"msg": "the difference in cost is not known; have it estimated"} if {
	not is_number(object.get(input, ["cost", "monthly_change"], null))
}
