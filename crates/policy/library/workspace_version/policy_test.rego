package statehouse.workspace_version_test

import rego.v1

import data.statehouse.workspace_version as policy

test_old_or_missing_versions_are_denied if {
	every version in ["1.5.7", "0.14.0", "latest", ""] {
		count(policy.deny) == 1 with input as {"workspace": {"terraform_version": version}}
	}
	count(policy.deny) == 1 with input as {"workspace": {}}
}

test_new_versions_pass if {
	count(policy.deny) == 0 with input as {"workspace": {"terraform_version": "1.6.0"}}
	count(policy.deny) == 0 with input as {"workspace": {"terraform_version": "1.11.4"}}
}
