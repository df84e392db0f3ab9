package statehouse.state_shrink_test

import rego.v1

import data.statehouse.state_shrink as policy

transition(before, after) := {"transition": {"resources_before": before, "resources_after": after}}

test_a_state_that_shrinks_is_denied if {
	{denial.msg | some denial in policy.deny} == {"the state loses 40 of 100 resources; at most 30% may go at once: see whether it is the right state, or have an exception granted"} with input as transition(100, 60)
	count(policy.deny) == 1 with input as transition(5, 0)
}

test_a_state_that_grows_or_loses_little_passes if {
	every numbers in [[100, 70], [4, 0], [0, 10], [10, 10]] {
		count(policy.deny) == 0 with input as transition(numbers[0], numbers[1])
	}
	count(policy.deny) == 0 with input as {"state": {}}
}
