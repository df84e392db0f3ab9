package statehouse.aws_s3_public_access_block_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_s3_public_access_block as policy

bad := [
	{"type": "aws_s3_bucket_public_access_block", "after": {"block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": false}},
	{"type": "aws_s3_account_public_access_block", "after": {}},
	{"type": "aws_s3_bucket_public_access_block", "after": {"block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true}, "unknown": {"block_public_acls": true}},
]

good := [
	{"type": "aws_s3_bucket_public_access_block", "after": {"block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true}},
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
