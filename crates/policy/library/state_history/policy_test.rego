package statehouse.state_history_test

import rego.v1

import data.statehouse.state_history as policy

transition(before, after, serial_before, serial_after) := {"transition": {
	"lineage_before": before,
	"lineage_after": after,
	"serial_before": serial_before,
	"serial_after": serial_after,
}}

test_another_or_older_state_is_denied if {
	count(policy.deny) == 1 with input as transition("a", "b", 1, 2)
	count(policy.deny) == 1 with input as transition("a", "a", 2, 1)
	count(policy.deny) == 2 with input as transition("a", "b", 2, 1)
}

test_the_next_state_passes if {
	count(policy.deny) == 0 with input as transition("a", "a", 1, 2)
	count(policy.deny) == 0 with input as transition("a", "a", 2, 2)
	count(policy.deny) == 0 with input as transition("", "a", 0, 1)
}
