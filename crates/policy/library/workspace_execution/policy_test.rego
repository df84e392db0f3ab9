package statehouse.workspace_execution_test

import rego.v1

import data.statehouse.workspace_execution as policy

test_local_runs_are_denied if {
	count(policy.deny) == 1 with input as {"workspace": {"execution_mode": "local"}}
	count(policy.deny) == 1 with input as {"workspace": {}}
}

test_runs_on_the_server_or_an_agent_pass if {
	count(policy.deny) == 0 with input as {"workspace": {"execution_mode": "remote"}}
	count(policy.deny) == 0 with input as {"workspace": {"execution_mode": "agent"}}
}
