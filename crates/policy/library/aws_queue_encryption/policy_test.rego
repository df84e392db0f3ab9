package statehouse.aws_queue_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_queue_encryption as policy

bad := [
	{"type": "aws_sqs_queue", "after": {"sqs_managed_sse_enabled": false, "kms_master_key_id": null}},
	{"type": "aws_sns_topic", "after": {"kms_master_key_id": null}},
	{"type": "aws_sns_topic", "after": {"kms_master_key_id": ""}},
	{"type": "aws_kinesis_stream", "after": {"encryption_type": "NONE"}},
]

good := [
	{"type": "aws_sqs_queue", "after": {}, "unknown": {"sqs_managed_sse_enabled": true}},
	{"type": "aws_sqs_queue", "after": {"sqs_managed_sse_enabled": false, "kms_master_key_id": "alias/aws/sqs"}},
	{"type": "aws_sns_topic", "after": {"kms_master_key_id": "alias/aws/sns"}},
	{"type": "aws_sns_topic", "after": {}, "unknown": {"kms_master_key_id": true}},
	{"type": "aws_kinesis_stream", "after": {"encryption_type": "KMS"}},
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
