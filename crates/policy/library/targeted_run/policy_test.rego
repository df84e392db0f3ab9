package statehouse.targeted_run_test

import rego.v1

import data.statehouse.targeted_run as policy

test_runs_that_leave_something_out_are_denied if {
	{denial.msg | some denial in policy.deny} == {"the run is limited to a.b, c.d; plan the whole configuration"} with input as {"run": {"target_addrs": ["a.b", "c.d"], "refresh": true}}
	count(policy.deny) == 1 with input as {"run": {"target_addrs": [], "refresh": false}}
}

test_whole_runs_pass if {
	count(policy.deny) == 0 with input as {"run": {"target_addrs": [], "refresh": true}}
	count(policy.deny) == 0 with input as {"run": {}}
}
