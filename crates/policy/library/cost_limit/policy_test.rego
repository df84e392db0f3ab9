package statehouse.cost_limit_test

import rego.v1

import data.statehouse.cost_limit as policy

test_more_is_denied if {
	{denial.msg | some denial in policy.deny} == {"it will cost 1000.50 EUR a month; at most 1000 may be spent: make it smaller, or have the budget raised"} with input as {"cost": {"monthly_after": 1000.5, "currency": "EUR"}}
	count(policy.deny) == 1 with input as {"cost": {"monthly_after": 1001}}
}

test_an_unknown_cost_is_denied if {
	count(policy.deny) == 1 with input as {"resource_changes": []}
	count(policy.deny) == 1 with input as {"cost": {"monthly_after": null}}
	count(policy.deny) == 1 with input as {"cost": {}}
}

test_up_to_the_limit_passes if {
	count(policy.deny) == 0 with input as {"cost": {"monthly_after": 1000, "currency": "USD"}}
	count(policy.deny) == 0 with input as {"cost": {"monthly_after": 0}}
}

test_another_currency_is_denied if {
	count(policy.deny) == 1 with input as {"cost": {"monthly_after": 1, "currency": "CNY"}} with data.parameters.cost_limit.currency as "USD"
	count(policy.deny) == 0 with input as {"cost": {"monthly_after": 1, "currency": "USD"}} with data.parameters.cost_limit.currency as "USD"
}
