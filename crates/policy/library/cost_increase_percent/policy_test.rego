package statehouse.cost_increase_percent_test

import rego.v1

import data.statehouse.cost_increase_percent as policy

cost(before, change) := {"cost": {"monthly_before": before, "monthly_change": change}}

test_more_is_denied if {
	{denial.msg | some denial in policy.deny} == {"it makes a month 60% dearer; one change may add at most 20%: split it, make it smaller, or have an exception granted"} with input as cost(100, 60)
	count(policy.deny) == 1 with input as {"cost": {}}
}

test_less_passes if {
	count(policy.deny) == 0 with input as cost(1000, 200)
	count(policy.deny) == 0 with input as cost(10, 50)
	count(policy.deny) == 0 with input as cost(0, 500)
	count(policy.deny) == 0 with input as cost(100, -60)
}
