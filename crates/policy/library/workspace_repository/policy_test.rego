package statehouse.workspace_repository_test

import rego.v1

import data.statehouse.workspace_repository as policy

test_no_or_another_repository_is_denied if {
	count(policy.deny) == 1 with input as {"workspace": {"vcs_repo": null}}
	count(policy.deny) == 1 with input as {"workspace": {"vcs_repo": {"identifier": "stranger/m"}}} with data.parameters.workspace_repository as {"allowed": ["acme/*"]}
}

test_an_allowed_repository_passes if {
	count(policy.deny) == 0 with input as {"workspace": {"vcs_repo": {"identifier": "acme/network"}}}
	count(policy.deny) == 0 with input as {"workspace": {"vcs_repo": {"identifier": "acme/network"}}} with data.parameters.workspace_repository as {"allowed": ["acme/*"]}
}
