package statehouse.change_limit_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.change_limit as policy

test_more_than_the_limit_is_denied if {
	count(policy.deny) == 1 with input as fixture.made({"type": "t", "after": {}}) with data.parameters.change_limit as {"changed_max": 6}
	count(policy.deny) == 1 with input as fixture.destroyed({"type": "t", "after": {}}) with data.parameters.change_limit as {"changed_max": 1}
}

test_up_to_the_limit_passes if {
	count(policy.deny) == 0 with input as fixture.made({"type": "t", "after": {}}) with data.parameters.change_limit as {"changed_max": 7}
	count(policy.deny) == 0 with input as fixture.left({"type": "t", "after": {}}) with data.parameters.change_limit as {"changed_max": 1}
}
