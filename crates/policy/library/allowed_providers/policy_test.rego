package statehouse.allowed_providers_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.allowed_providers as policy

test_a_provider_of_a_resource_is_judged if {
	sample := {"type": "t", "after": {}, "provider": "registry.terraform.io/stranger/t"}
	policy.deny[_].msg == "provider registry.terraform.io/stranger/t: it may not be used; use one of registry.terraform.io/hashicorp/*, registry.opentofu.org/hashicorp/*, terraform.io/builtin/terraform" with input as fixture.made(sample)
	count(policy.deny) == 1 with input as fixture.left(sample)
	count(policy.deny) == 1 with input as fixture.destroyed(sample)
}

test_a_provider_of_the_configuration_is_judged if {
	count(policy.deny) == 1 with input as {"configuration": {"provider_config": {"module.a:t": {"full_name": "example.org/stranger/t"}}}}
}

test_allowed_providers_pass if {
	count(policy.deny) == 0 with input as fixture.made({"type": "aws_s3_bucket", "after": {}})
	count(policy.deny) == 0 with input as {"configuration": {"provider_config": {"aws": {"full_name": "registry.opentofu.org/hashicorp/aws"}}}}
	count(policy.deny) == 0 with input as {"resource_changes": [{"mode": "data", "provider_name": "terraform.io/builtin/terraform"}]}
}
