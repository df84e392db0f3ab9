package statehouse.workspace_tags_test

import rego.v1

import data.statehouse.workspace_tags as policy

workspace(tags, description) := {"workspace": {"tags": tags, "description": description}}

test_what_tells_nothing_is_denied if {
	count(policy.deny) == 1 with input as workspace(["owners:a"], "for x")
	count(policy.deny) == 1 with input as workspace(["owner:a"], "")
	count(policy.deny) == 2 with input as workspace([], null)
}

test_what_tells_passes if {
	count(policy.deny) == 0 with input as workspace(["owner:a"], "for x")
	count(policy.deny) == 0 with input as workspace(["owner"], "") with data.parameters.workspace_tags as {"tags": ["owner"], "description": false}
}
