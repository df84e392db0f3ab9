package statehouse.destroy_run_test

import rego.v1

import data.statehouse.destroy_run as policy

run(is_destroy, name, tags) := {"run": {"is_destroy": is_destroy}, "workspace": {"name": name, "tags": tags}}

test_destroying_by_name_or_tag_is_denied if {
	count(policy.deny) == 1 with input as run(true, "network-prod", [])
	count(policy.deny) == 1 with input as run(true, "network", ["env:prod"])
}

test_other_runs_pass if {
	count(policy.deny) == 0 with input as run(false, "network-prod", [])
	count(policy.deny) == 0 with input as run(true, "network-dev", ["env:dev"])
	count(policy.deny) == 0 with input as {"workspace": {"name": "network-prod", "tags": []}}
}
