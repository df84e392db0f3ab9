# Queues and topics are encrypted.
#
# Judges aws_sqs_queue (a key, or SQS's own encryption, which is on unless switched off), aws_sns_topic (a key) and
# aws_kinesis_stream. A key that is made in the same plan is known only after the apply and counts.
package statehouse.aws_queue_encryption

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "the queue is not encrypted; set sqs_managed_sse_enabled = true or kms_master_key_id") if {
	some change in plan.made.aws_sqs_queue
	change.change.after.sqs_managed_sse_enabled == false
	not plan.is_given(change, ["kms_master_key_id"])
}

deny contains plan.denial(change, "the topic is not encrypted; set kms_master_key_id") if {
	some change in plan.made.aws_sns_topic
	not plan.is_given(change, ["kms_master_key_id"])
}

deny contains plan.denial(change, "the stream is not encrypted; set encryption_type = \"KMS\" and kms_key_id") if {
	some change in plan.made.aws_kinesis_stream
	not change.change.after.encryption_type == "KMS"
}
