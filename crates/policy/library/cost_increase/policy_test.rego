package statehouse.cost_increase_test

import rego.v1

import data.statehouse.cost_increase as policy

test_more_is_denied if {
	count(policy.deny) == 1 with input as {"cost": {"monthly_change": 200.01}}
}

test_an_unknown_difference_is_denied if {
	count(policy.deny) == 1 with input as {"cost": {"monthly_after": 1}}
	count(policy.deny) == 1 with input as {}
}

test_less_or_cheaper_passes if {
	count(policy.deny) == 0 with input as {"cost": {"monthly_change": 200}}
	count(policy.deny) == 0 with input as {"cost": {"monthly_change": -5000}}
}

test_another_currency_is_denied if {
	count(policy.deny) == 1 with input as {"cost": {"monthly_change": 1, "currency": "CNY"}} with data.parameters.cost_increase.currency as "USD"
	count(policy.deny) == 0 with input as {"cost": {"monthly_change": 1, "currency": "USD"}} with data.parameters.cost_increase.currency as "USD"
}
