package statehouse.aws_public_resource_policy_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_public_resource_policy as policy

bad := [
	{"type": "aws_s3_bucket_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}`}},
	{"type": "aws_sqs_queue_policy", "after": {"policy": `{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:*"}}`}},
	{"type": "aws_kms_key", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "kms:*", "Condition": {}}]}`}},
	{"type": "aws_lambda_permission", "after": {"principal": "*"}},
]

good := [
	{"type": "aws_s3_bucket_policy", "after": {"policy": `{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}`}},
	{"type": "aws_s3_bucket_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}]}`}},
	{"type": "aws_sns_topic_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"AWS:SourceOwner": "111122223333"}}}]}`}},
	{"type": "aws_s3_bucket_policy", "after": {}, "unknown": {"policy": true}},
	{"type": "aws_lambda_permission", "after": {"principal": "events.amazonaws.com"}},
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
