package statehouse.pinned_modules_test

import rego.v1

import data.statehouse.pinned_modules as policy

call(fields) := {"configuration": {"root_module": {"module_calls": {"m": fields}}}}

test_modules_that_can_move_are_denied if {
	every source in [
		"terraform-aws-modules/vpc/aws",
		"app.terraform.io/acme/vpc/aws",
		"terraform-aws-modules/iam/aws//modules/iam-user",
		"git::https://example.org/m.git",
		"git::https://example.org/m.git?ref=main",
		"git@github.com:acme/m.git",
		"github.com/acme/m?depth=1&ref=master",
	] {
		{denial.address | some denial in policy.deny} == {"module.m"} with input as call({"source": source})
	}
}

test_modules_that_stay_pass if {
	every fields in [
		{"source": "terraform-aws-modules/vpc/aws", "version_constraint": "5.1.0"},
		{"source": "./modules/a"},
		{"source": "../../b/c/d"},
		{"source": "git::https://example.org/m.git?ref=v1.2.3"},
		{"source": "github.com/acme/m?ref=0123456789abcdef0123456789abcdef01234567"},
	] {
		count(policy.deny) == 0 with input as call(fields)
	}
}
