package statehouse.workspace_name_test

import rego.v1

import data.statehouse.workspace_name as policy

test_names_that_do_not_match_are_denied if {
	every name in ["Network", "a", "net_work", ""] {
		count(policy.deny) == 1 with input as {"workspace": {"name": name}}
	}
	count(policy.deny) == 1 with input as {"workspace": {}}
}

test_names_that_match_pass if {
	count(policy.deny) == 0 with input as {"workspace": {"name": "network-prod"}}
	count(policy.deny) == 0 with input as {"workspace": {"name": "A"}} with data.parameters.workspace_name as {"pattern": "^[A-Z]$"}
}
