package statehouse.aws_s3_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_s3_encryption as policy

bad := [
	{"type": "aws_s3_bucket_server_side_encryption_configuration", "after": {"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "AES256"}]}]}},
	{"type": "aws_s3_bucket_server_side_encryption_configuration", "after": {"rule": [{"bucket_key_enabled": true, "apply_server_side_encryption_by_default": []}]}},
	{"type": "aws_s3_bucket_server_side_encryption_configuration", "after": {"rule": []}},
]

good := [
	{"type": "aws_s3_bucket_server_side_encryption_configuration", "after": {"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms"}]}]}},
	{"type": "aws_s3_bucket_server_side_encryption_configuration", "after": {}, "unknown": {"rule": true}},
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
