package statehouse.tag_values_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.tag_values as policy

bad := [
	{"type": "aws_s3_bucket", "after": {"tags_all": {"environment": "production-2"}}},
	{"type": "azurerm_resource_group", "after": {"tags": {"environment": ""}}},
	{"type": "google_storage_bucket", "after": {"labels": {"environment": "x"}}},
]

good := [
	{"type": "aws_s3_bucket", "after": {"tags": null, "tags_all": {"environment": "prod", "owner": "anybody"}}},
	{"type": "aws_s3_bucket", "after": {}, "unknown": {"tags": {"environment": true}, "tags_all": true}},
	{"type": "aws_autoscaling_group", "after": {"tags": []}},
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
