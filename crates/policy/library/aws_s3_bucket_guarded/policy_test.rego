package statehouse.aws_s3_bucket_guarded_test

import rego.v1

import data.statehouse.aws_s3_bucket_guarded as policy

bucket(name, module, actions) := object.union(
	{"address": concat(".", ["aws_s3_bucket", name]), "mode": "managed", "type": "aws_s3_bucket", "name": name, "change": {"actions": actions, "after": {"bucket": name}}},
	module,
)

block(bucket_name) := {"address": "aws_s3_bucket_public_access_block.b", "mode": "managed", "type": "aws_s3_bucket_public_access_block", "name": "b", "change": {"actions": ["create"], "after": {"bucket": bucket_name}}}

configured(references) := {
	"address": "aws_s3_bucket_public_access_block.b",
	"mode": "managed",
	"type": "aws_s3_bucket_public_access_block",
	"expressions": {"bucket": {"references": references}},
}

test_a_bucket_without_a_block_is_denied if {
	count(policy.deny) == 1 with input as {"resource_changes": [bucket("a", {}, ["create"])]}
	count(policy.deny) == 1 with input as {"resource_changes": [bucket("a", {}, ["create"]), block("other")]}
	count(policy.deny) == 1 with input as {"resource_changes": [bucket("a", {}, ["delete", "create"])]}
}

test_a_block_of_the_same_name_guards if {
	count(policy.deny) == 0 with input as {"resource_changes": [bucket("a", {}, ["create"]), block("a")]}
}

test_a_block_that_refers_to_the_bucket_guards if {
	count(policy.deny) == 0 with input as {
		"resource_changes": [bucket("a", {}, ["create"])],
		"configuration": {"root_module": {"resources": [configured(["aws_s3_bucket.a.id", "aws_s3_bucket.a"])]}},
	}
}

test_a_block_guards_in_its_own_module_only if {
	configuration := {"root_module": {"module_calls": {"store": {"module": {"resources": [configured(["aws_s3_bucket.a.id", "aws_s3_bucket.a"])]}}}}}
	count(policy.deny) == 0 with input as {"resource_changes": [bucket("a", {"module_address": "module.store[\"x.y\"]"}, ["create"])], "configuration": configuration}
	count(policy.deny) == 1 with input as {"resource_changes": [bucket("a", {}, ["create"])], "configuration": configuration}
}

test_a_bucket_that_is_there_already_is_not_judged if {
	some actions in [["update"], ["no-op"], ["delete"]]
	count(policy.deny) == 0 with input as {"resource_changes": [bucket("a", {}, actions)]}
}

test_a_bucket_that_is_read_is_not_judged if {
	count(policy.deny) == 0 with input as {"resource_changes": [object.union(bucket("a", {}, ["read"]), {"mode": "data"})]}
}
