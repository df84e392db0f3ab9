package statehouse.workspace_auto_apply_test

import rego.v1

import data.statehouse.workspace_auto_apply as policy

workspace(auto_apply, name, tags) := {"workspace": {"auto_apply": auto_apply, "name": name, "tags": tags}}

test_important_ones_are_denied if {
	count(policy.deny) == 1 with input as workspace(true, "network-prod", [])
	count(policy.deny) == 1 with input as workspace(true, "network", ["env:prod"])
}

test_others_pass if {
	count(policy.deny) == 0 with input as workspace(false, "network-prod", [])
	count(policy.deny) == 0 with input as workspace(true, "network-dev", ["env:dev"])
}
