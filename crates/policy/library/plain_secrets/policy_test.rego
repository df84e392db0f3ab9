package statehouse.plain_secrets_test

import rego.v1

import data.statehouse.plain_secrets as policy

module(expressions) := {"resources": [{"address": "aws_db_instance.d", "mode": "managed", "type": "aws_db_instance", "expressions": expressions}]}

test_a_text_is_denied_wherever_it_is if {
	{denial.address | some denial in policy.deny} == {"aws_db_instance.d"} with input as {"configuration": {"root_module": module({"password": {"constant_value": "hunter2"}})}}
	{denial.address | some denial in policy.deny} == {"module.m.aws_db_instance.d"} with input as {"configuration": {"root_module": {"module_calls": {"m": {"module": module({"auth_token": {"constant_value": "x"}})}}}}}
}

test_references_and_other_arguments_pass if {
	every expressions in [
		{"password": {"references": ["var.password"]}},
		{"password": {"constant_value": ""}},
		{"password_length": {"constant_value": "16"}},
		{"master_user_secret_kms_key_id": {"constant_value": "k"}},
		{"username": {"constant_value": "u"}},
		{"manage_master_user_password": {"constant_value": true}},
		{"ebs_block_device": [{"volume_size": {"constant_value": 8}}]},
	] {
		count(policy.deny) == 0 with input as {"configuration": {"root_module": module(expressions)}}
	}
}
