package statehouse.tool_version_test

import rego.v1

import data.statehouse.tool_version as policy

test_old_or_untold_versions_are_denied if {
	count(policy.deny) == 1 with input as {"terraform_version": "1.5.7"}
	count(policy.deny) == 1 with input as {"terraform_version": "1.6.0-beta1"}
	count(policy.deny) == 1 with input as {"resource_changes": []}
}

test_new_versions_pass if {
	every version in ["1.6.0", "1.10.1", "2.0.0"] {
		count(policy.deny) == 0 with input as {"terraform_version": version}
	}
}
