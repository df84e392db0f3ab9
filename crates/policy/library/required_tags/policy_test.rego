package statehouse.required_tags_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.required_tags as policy

bad := [
	{"type": "aws_s3_bucket", "after": {"tags": null, "tags_all": {}}},
	{"type": "aws_s3_bucket", "after": {"tags": {"owner": "a"}, "tags_all": {"owner": "a"}}},
	{"type": "aws_s3_bucket", "after": {"tags": {"owner": "a"}}, "unknown": {"tags": {"name": true}, "tags_all": true}},
	{"type": "azurerm_resource_group", "after": {"tags": {"owner": "", "environment": "dev"}}},
	{"type": "google_storage_bucket", "after": {"labels": null, "effective_labels": {}}},
]

good := [
	{"type": "aws_s3_bucket", "after": {"tags": null, "tags_all": {"owner": "a", "environment": "dev"}}},
	{"type": "aws_s3_bucket", "after": {"tags": {"owner": "a"}}, "unknown": {"tags": {"environment": true}, "tags_all": true}},
	{"type": "aws_s3_bucket", "after": {}, "unknown": {"tags": true, "tags_all": true}},
	{"type": "google_storage_bucket", "after": {}, "unknown": {"labels": true}},
	{"type": "google_storage_bucket", "after": {"effective_labels": {"owner": "a", "environment": "dev"}}},
	{"type": "aws_iam_role_policy", "after": {"policy": "{}"}},
	{"type": "google_compute_instance", "after": {"tags": ["web"]}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample)
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample)
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample)
	}
}

test_types_can_be_exempt if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.made(sample) with data.parameters.required_tags as {"tags": ["owner"], "exempt": ["aws_*", "azurerm_resource_group", "google_*"]}
	}
}

test_default_tags_may_hold_what_is_unknown if {
	sample := {"type": "aws_s3_bucket", "after": {"tags": {"name": "b"}}, "unknown": {"tags_all": true}}
	configuration := {"provider_config": {"aws": {"expressions": {"default_tags": [{"tags": {"references": ["var.tags"]}}]}}}}
	count(policy.deny) == 0 with input as object.union(fixture.made(sample), {"configuration": configuration})
	count(policy.deny) > 0 with input as fixture.made(sample)
}
