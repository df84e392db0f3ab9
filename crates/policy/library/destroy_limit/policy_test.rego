package statehouse.destroy_limit_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.destroy_limit as policy

plan_of(number) := {"resource_changes": [fixture.resource({"type": "t", "after": {}}, sprintf("[%d]", [i]), ["delete"], {}) | some i in numbers.range(1, number)]}

test_more_than_the_limit_is_denied if {
	some denial in policy.deny with input as plan_of(11)
	startswith(denial.msg, "the plan destroys 11 resources, t.sample[10], t.sample[11], t.sample[1], t.sample[2], t.sample[3]; at most 10")
	count(policy.deny) == 1 with input as fixture.replaced({"type": "t", "after": {}}) with data.parameters.destroy_limit as {"destroyed_max": 1}
}

test_up_to_the_limit_passes if {
	count(policy.deny) == 0 with input as plan_of(10)
	count(policy.deny) == 0 with input as fixture.made({"type": "t", "after": {}})
}
