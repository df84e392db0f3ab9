package statehouse.aws_imdsv2_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_imdsv2 as policy

bad := [
	{"type": "aws_instance", "after": {"metadata_options": [{"http_tokens": "optional"}]}},
	{"type": "aws_instance", "after": {}, "unknown": {"metadata_options": true}},
	{"type": "aws_instance", "after": {"metadata_options": [{}]}, "unknown": {"metadata_options": [{"http_tokens": true}]}},
	{"type": "aws_launch_template", "after": {"metadata_options": []}},
	{"type": "aws_launch_configuration", "after": {"metadata_options": null}},
]

good := [
	{"type": "aws_instance", "after": {"metadata_options": [{"http_tokens": "required", "http_endpoint": "enabled"}]}},
	{"type": "aws_launch_template", "after": {"metadata_options": [{"http_tokens": "required"}]}},
	{"type": "aws_instance", "after": {"metadata_options": [{"http_endpoint": "disabled"}]}},
	{"type": "aws_s3_bucket", "after": {}},
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
