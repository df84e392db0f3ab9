package statehouse.pinned_providers_test

import rego.v1

import data.statehouse.pinned_providers as policy

provider(constraint) := {"configuration": {"provider_config": {"module.a:aws": {"full_name": "registry.terraform.io/hashicorp/aws", "version_constraint": constraint}}}}

test_a_provider_without_a_constraint_is_denied if {
	count(policy.deny) == 1 with input as {"configuration": {"provider_config": {"aws": {"full_name": "registry.terraform.io/hashicorp/aws"}}}}
}

test_a_constraint_without_an_upper_bound_is_denied if {
	some constraint in [">= 5.0", "> 4.0, != 5.1"]
	count(policy.deny) == 1 with input as provider(constraint)
	count(policy.deny) == 0 with input as provider(constraint) with data.parameters.pinned_providers as {"bounded": false}
}

test_bounded_constraints_pass if {
	every constraint in ["~> 5.0", "5.100.0", "= 5.1", ">= 5.0, < 6.0", "!= 5.1, 5.2"] {
		count(policy.deny) == 0 with input as provider(constraint)
	}
}

test_what_is_built_in_needs_none if {
	count(policy.deny) == 0 with input as {"configuration": {"provider_config": {"terraform": {"full_name": "terraform.io/builtin/terraform"}}}}
}
