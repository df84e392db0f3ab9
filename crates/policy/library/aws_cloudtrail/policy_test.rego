package statehouse.aws_cloudtrail_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_cloudtrail as policy

bad := [
	{"type": "aws_cloudtrail", "after": {"is_multi_region_trail": false, "enable_log_file_validation": true, "kms_key_id": "k"}},
	{"type": "aws_cloudtrail", "after": {"is_multi_region_trail": true, "enable_log_file_validation": true, "enable_logging": false, "kms_key_id": "k"}},
	{"type": "aws_cloudtrail", "after": {"is_multi_region_trail": true, "enable_log_file_validation": true, "kms_key_id": null}},
]

good := [
	{"type": "aws_cloudtrail", "after": {"is_multi_region_trail": true, "enable_log_file_validation": true, "enable_logging": true, "kms_key_id": "k"}},
	{"type": "aws_cloudtrail", "after": {"is_multi_region_trail": true, "enable_log_file_validation": true}, "unknown": {"kms_key_id": true}},
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
