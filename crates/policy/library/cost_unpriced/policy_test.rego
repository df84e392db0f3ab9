package statehouse.cost_unpriced_test

import rego.v1

import data.statehouse.cost_unpriced as policy

test_resources_without_a_price_are_told if {
	{denial.address | some denial in policy.deny} == {"a.b", "module.m.c.d[0]"} with input as {"cost": {"unpriced": [{"address": "a.b"}, {"address": "module.m.c.d[0]"}]}}
}

test_a_whole_estimate_passes if {
	count(policy.deny) == 0 with input as {"cost": {"unpriced": []}}
	count(policy.deny) == 0 with input as {"cost": {"monthly_after": 1}}
}
